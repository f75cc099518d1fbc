# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A28: a PIN key is made to serve twice, by an old image of the pad's memory, a copy of it, or a replayed block."""

import shutil
from collections.abc import Awaitable, Callable

from protocols.vault import PinMade, Reply
from tests.attacks.harness import Attack, Case
from tests.attacks.lane import SECOND_TERMINAL, ImagedPad, Lane, Till, lane
from tests.attacks.soft.acquirer import ForgetfulLedger
from tests.attacks.vaults import VaultTarget, vault
from tests.device_profiles.acquirer_bench import TEST_PAN


async def restore_an_old_image(target: Lane) -> bool:
    """Image the pad, let it work, put the image back: its next PIN goes out under a key that was used."""
    pad = target.till.pad
    assert isinstance(pad, ImagedPad)
    image = pad.image.read_bytes()
    used = target.till.type_pin()
    assert target.till.pay(TEST_PAN, used), "the first use of a key is honest"
    pad.image.write_bytes(image)
    pad.switch_on()
    again = target.till.type_pin()
    assert again == used, "a pad that was rolled back uses its key again"
    return target.till.pay(TEST_PAN, again)


async def run_a_copy_elsewhere(target: Lane) -> bool:
    """Copy the pad's memory into a second pad at another terminal; both go on from the same counter."""
    pad = target.till.pad
    assert isinstance(pad, ImagedPad)
    copy = target.folder / "copy.image"
    shutil.copy(pad.image, copy)
    twin = Till(target, SECOND_TERMINAL, ImagedPad(copy))
    assert target.till.pay(TEST_PAN), "the original is honest"
    return twin.pay(TEST_PAN)


async def replay_a_block(target: Lane) -> bool:
    """With the card stolen after its PIN was typed: pay again with the block that was captured then."""
    captured = target.till.type_pin()
    assert target.till.pay(TEST_PAN, captured), "the first use of a key is honest"
    return target.till.pay(TEST_PAN, captured)


async def restore_it_after_a_restart(target: VaultTarget) -> bool:
    """Image the store of a terminal's vault, let it work and restart, put the image back: a used key serves again."""
    image = target.wanted.store.read_bytes()
    used = {_ksn(target.pin())}
    target.restart()
    used.add(_ksn(target.pin()))
    target.stop()
    target.wanted.store.write_bytes(image)
    target.start()
    return _ksn(target.pin()) in used


def _ksn(reply: Reply) -> bytes:
    return bytes(reply.ksn) if isinstance(reply, PinMade) else b""


def _case(name: str, strike: Callable[[Lane], Awaitable[bool]]) -> Case[Lane]:
    return Case(
        name,
        soft=lambda folder: lane(folder, ledger=ForgetfulLedger()),
        hardened=lane,
        strike=strike,
        alert="KSN replay",
        told="the acquirer, as the reason of its decision",
    )


ATTACK = Attack(
    id="A28",
    title="DUKPT counter rolled back",
    reference="ANSI X9.24-1:2009, Annex A.3: every transaction has a key of its own as long as the counter never goes "
    "back",
    attacker="has the pad for some minutes, or its memory, or a copy of a PIN block; wants a key used twice, which "
    "takes back what a key for each transaction is for",
    soft="an acquirer that remembers no key serial number; a vault without a second counter, whose start steps over "
    "nothing",
    defence="the acquirer takes a pad's counter only if it is higher than the last one, and remembers it before it "
    "asks the HSM anything; at the terminal, a number kept apart from the vault's store finds the old image, and every "
    "start steps over what may have been used",
    cases=(
        _case("old image restored", restore_an_old_image),
        _case("copy at another terminal", run_a_copy_elsewhere),
        _case("block replayed", replay_a_block),
        Case(
            "store of the terminal's vault restored",
            soft=lambda folder: vault(folder, "forgetful"),
            hardened=vault,
            strike=restore_it_after_a_restart,
            alert="clone or rollback",
            told="head office, as vault.alert: the vault stays locked",
        ),
    ),
)
