# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A34, RAM scraping: root reads the vault's memory, agent's memory and files for the PIN, the PAN and the keys.

Twin-proof: the same scan finds what a careless vault keeps, so it would find it here. Nobody can be told of it, since
nothing notices a reader with root's rights; so this is no attack of the catalogue, which asks for an alert.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocols.vault import CancelPin, EnterPin, PinMade
from tests.attacks.vaults import VaultTarget
from tests.secrets.planted import PAN, PIN, clear_pin_block
from tests.secrets.scanner import Marked, Scanner
from tests.terminal_agent.sealed.vaults import TRANSPORT, made_key

CARDHOLDER = Scanner(
    (Marked.digits("PIN", PIN), Marked.digits("PAN", PAN), Marked.block("clear PIN block", clear_pin_block()))
)
KEYS = Scanner(
    (
        Marked.octets("transport key", TRANSPORT),
        Marked.octets("initial PIN key", made_key("pin")),
        Marked.octets("MAC master key", made_key("mac-master")),
        Marked.octets("binding key", made_key("binding")),
    )
)


@pytest.fixture(params=["", "leaky"], ids=["hardened", "leaky"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[VaultTarget]:
    found = VaultTarget(tmp_path, request.param)
    yield found
    found.stop()
    os.close(found.keypad)


def scanned(target: VaultTarget) -> list[str]:
    memory = target.memory()
    assert len(memory) > 1 << 20, "a scan that reads nothing finds nothing"
    return CARDHOLDER.scan(memory)


def test_after_payments_nothing_of_the_cardholder_is_left(target: VaultTarget) -> None:
    for _ in range(3):
        assert isinstance(target.pin(), PinMade)
    found = scanned(target)
    assert bool(found) == bool(target.lack), found


def test_not_even_while_the_pin_is_being_typed(target: VaultTarget) -> None:
    """Its digits lie in secret memory, which root's readers do not reach."""
    number = target.asker.send(EnterPin(PAN.encode(), "", 60_000))
    while b"ENTER PIN\n" not in os.read(target.keypad, 4096):
        pass
    os.write(target.keypad, PIN.encode())
    while not os.read(target.keypad, 4096).endswith(b"************\n"):
        pass
    found = scanned(target)
    target.asker.ask(CancelPin())
    target.asker.answer(number)
    assert bool(found) == bool(target.lack), found


def test_no_key_is_in_any_file(target: VaultTarget) -> None:
    assert isinstance(target.pin(), PinMade)
    files = [target.wanted.store, target.wanted.counter]
    assert all(path is not None and path.stat().st_size for path in files)
    for path in files:
        assert path is not None
        assert KEYS.scan(path.read_bytes()) == []
        assert CARDHOLDER.scan(path.read_bytes()) == []
    assert KEYS.scan(TRANSPORT + bytes(8) + made_key("pin")), "this way of looking finds keys"
