# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Payments with the PIN at a keypad of the vault, every part its own process, loaded with planted values.

What the processes store and print is searched by the whole suite. Here also their memory, as root reads it: neither
the agent nor the vault holds the PIN, and the agent holds none of the keys.
"""

import contextlib
import json
import os
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from protocols.dukpt.ksn import TdesKsn
from protocols.dukpt.tdes import initial_key
from protocols.secret import ClearKey
from terminal_agent.cli.client import AgentClient
from tests.flows.vault_stage import VaultStage, initial
from tests.patience import PATIENCE_S
from tests.secrets.planted import INITIAL_KSN, KEYS, PIN, clear_pin_block
from tests.secrets.scanner import Marked, Scanner
from tests.terminal_agent.sealed.vaults import TRANSPORT, block

ROTATING = 6
PIN_ALONE = Scanner((Marked.digits("PIN", PIN), Marked.block("clear PIN block", clear_pin_block())))


def key_scanner() -> Scanner:
    return Scanner(
        (
            Marked.octets("transport key", TRANSPORT),
            Marked.octets("initial PIN key", initial("BDK", INITIAL_KSN)),
            Marked.octets("MAC master key", KEYS["TMK-MAC"]),
        )
    )


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[VaultStage]:
    with VaultStage(tmp_path) as built:
        yield built


def memory_of(process: int) -> bytes:
    """Everything that is mapped for writing, as far as root can read it."""
    found = bytearray()
    with Path(f"/proc/{process}/mem").open("rb", buffering=0) as octets:
        for line in Path(f"/proc/{process}/maps").read_text().splitlines():
            place = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if place is None:
                continue
            start, end = (int(word, 16) for word in place.groups())
            with contextlib.suppress(OSError, ValueError):
                octets.seek(start)
                found += octets.read(end - start) or b""
    assert len(found) > 1 << 20
    return bytes(found)


def test_approved_and_neither_pin_nor_key_is_in_the_agents_memory(stage: VaultStage) -> None:
    stage.load()
    stage.reader()
    stage.keypad()
    stage.acquirer()
    stage.agent()
    for _ in range(2):
        assert stage.pay()["outcome"] == "approved"
    log = (stage.folder / "state" / "TG000001.audit.jsonl").read_text()
    assert "enciphered by the vault" in log
    assert "by the pad" not in log
    agent, vault = stage.processes()
    for process in (agent, vault):
        assert PIN_ALONE.scan(memory_of(process)) == [], process
    assert key_scanner().scan(memory_of(agent)) == []
    twin = stage.stations["keypad"].process.pid
    assert PIN_ALONE.scan(memory_of(twin)), "the keypad's person knows the PIN: this way of looking finds it"


def test_a_vault_that_is_killed_is_started_again_and_no_payment_is_in_doubt(stage: VaultStage) -> None:
    stage.load()
    stage.reader()
    stage.keypad()
    stage.acquirer()
    stage.agent()
    first = stage.pay()
    _, vault = stage.processes()
    os.kill(vault, 9)
    deadline = time.monotonic() + PATIENCE_S
    while True:
        with contextlib.suppress(AssertionError):
            parts = json.loads(stage.run("status").stdout)["parts"]
            if stage.processes()[1] != vault and parts["pad"]["up"]:
                break
        assert time.monotonic() < deadline
        time.sleep(0.05)
    second = stage.pay()
    assert first["outcome"] == second["outcome"] == "approved"
    assert second["ksn"] > first["ksn"]


def test_payments_go_on_while_the_pin_key_is_rotated(stage: VaultStage) -> None:
    """One after the other, without a pause; the new key is of the same BDK, so that the acquirer reads both."""
    stage.load()
    stage.reader()
    stage.keypad()
    stage.acquirer()
    stage.agent()
    serial = TdesKsn.from_hex("FFFF55555555550" + "00000")
    with initial_key(ClearKey(KEYS["BDK"]), serial) as key:
        text = block("B1", "T", "X", bytes(key.reveal()), serial.octets)
    (stage.folder / "next.keyblock").write_text(text + "\n")
    finished: list[dict[str, Any]] = []

    def till() -> None:
        while len({one["ksn"][:14] for one in finished}) < 2 or len(finished) < ROTATING:
            finished.append(stage.pay())

    with ThreadPoolExecutor(1) as pool:
        paying = pool.submit(till)
        while len(finished) < 2:
            assert not paying.done(), paying.result()
            time.sleep(0.01)
        assert "waits" in stage.keys("load", "pin", "--block", str(stage.folder / "next.keyblock"), offline=False)
        assert "destroyed" in stage.keys("rotate", "pin", offline=False)
        paying.result(timeout=2 * PATIENCE_S)
    assert [one["outcome"] for one in finished] == ["approved"] * len(finished)
    kinds = [one["ksn"][:14] for one in finished]
    assert kinds == sorted(kinds, key=kinds.index), "after the new key's first PIN the old one never served again"
    assert len({one["ksn"] for one in finished}) == len(finished)


def test_tampered_with_no_pin_is_taken_and_head_office_is_told(stage: VaultStage) -> None:
    stage.load()
    stage.reader()
    stage.keypad()
    stage.acquirer()
    stage.agent()
    assert "transport" in stage.keys("list", offline=False)
    with AgentClient(stage.folder / "agent.sock") as agent:
        agent.call("keys.tamper", source="integrity alarm")
    fields = stage.pay()
    assert fields["outcome"] == "failed"
    assert "tampered" in fields["reason"]
    log = (stage.folder / "state" / "TG000001.audit.jsonl").read_text()
    assert '"vault.tampered"' in log
    assert "no keys" in stage.keys("list", offline=False)
