# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Keys into slots: only what a slot is for, nothing twice, nothing after too many tries, and two custodians sign."""

import os

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocols.keyblock.header import Header
from protocols.keyblock.x9143 import ProtectionKey, randomness_needed
from protocols.primitives import TdesKey, check_value
from protocols.vault import (
    Challenge,
    Done,
    Inventory,
    Load,
    Refusal,
    Refused,
    Result,
    Rotate,
    Status,
    Verify,
    Zeroise,
    approval_message,
)
from terminal_agent.sealed.keys.inject import MOST_FAILED_LOADS, LoadRefused, take_components
from terminal_agent.sealed.phases import Phase
from terminal_agent.sealed.vault import Vault
from tests.terminal_agent.sealed.inside import Machine
from tests.terminal_agent.sealed.vaults import DATA_KSN, PIN_KSN, TRANSPORT, block, made_key

PIN = block("B1", "T", "X", made_key("pin"), PIN_KSN)
MAC_MASTER = block("K0", "T", "B", made_key("mac-master"))


def ready(machine: Machine) -> Vault:
    vault = machine.start()
    for slot, text in (("pin", PIN), ("mac-master", MAC_MASTER)):
        assert isinstance(vault.ask(Load(slot, text)), Done)
    assert vault.phase is Phase.READY
    return vault


def test_components_bring_no_key_that_is_here_or_was() -> None:
    machine = Machine()
    vault = machine.start()

    def components() -> list[bytearray]:
        return [bytearray(TRANSPORT), bytearray(32)]

    assert take_components(machine.ring, components(), machine.now) is machine.ring.serving["transport"]
    assert not machine.ring.waiting["transport"]
    assert isinstance(vault.ask(Zeroise("")), Done)
    with pytest.raises(LoadRefused, match="a destroyed key does not come back"):
        take_components(machine.ring, components(), machine.now)
    with pytest.raises(LoadRefused, match="cancel one another out"):
        take_components(machine.ring, [bytearray(b"x" * 32), bytearray(b"x" * 32)], machine.now)
    assert take_components(machine.ring, [bytearray(b"x" * 32), bytearray(b"y" * 32)], machine.now).origin == (
        "2 components"
    )


def refusal(vault: Vault, slot: str, text: str, ksn: bytes = b"") -> str:
    reply = vault.ask(Load(slot, text, ksn))
    assert isinstance(reply, Refused), reply
    return reply.words


def inventory(vault: Vault) -> dict[str, list[str]]:
    reply = vault.ask(Inventory())
    assert isinstance(reply, Done)
    return {" ".join(line.split()[:2]): line.split() for line in reply.words.splitlines()}


def test_keys_are_listed_by_their_check_values_and_nothing_else_of_them() -> None:
    vault = ready(Machine())
    found = inventory(vault)
    with TdesKey(made_key("pin")) as key:
        assert found["pin serves"][4] == check_value(key).hex().upper()
    assert found["pin serves"][5] == "FFFF1111110000000001"
    assert set(found) == {"transport serves", "pin serves", "mac-master serves"}
    reply = vault.ask(Inventory())
    assert isinstance(reply, Done)
    assert made_key("pin").hex().upper() not in reply.words


@pytest.mark.parametrize(
    ("slot", "text", "words"),
    [
        ("pin", block("D0", "T", "B", made_key("x")), "usage D0"),
        ("pin", block("P0", "T", "E", made_key("x")), "usage P0"),
        ("data", block("K0", "T", "B", made_key("x")), "usage K0"),
        ("mac-master", block("B1", "T", "X", made_key("x"), PIN_KSN), "usage B1"),
        ("binding", block("M3", "T", "C", made_key("x")), "usage M3"),
        ("pin", block("B1", "T", "X", made_key("x")), "initial KSN"),
        ("mac-master", block("K0", "T", "B", made_key("x")[:8] * 2), "worth one DES key"),
        ("mac-master", block("K0", "T", "V", made_key("x")), "mode V"),
        ("mac-master", block("K0", "A", "B", made_key("x")), "algorithm A"),
        ("nowhere", block("K0", "T", "B", made_key("x")), "no slot of that name"),
    ],
)
def test_a_slot_takes_only_what_it_is_for(slot: str, text: str, words: str) -> None:
    machine = Machine()
    vault = machine.start()
    assert words in refusal(vault, slot, text)
    assert set(inventory(vault)) == {"transport serves"}


def test_a_version_that_binds_badly_is_not_taken() -> None:
    with ProtectionKey.tdes(made_key("tdes transport", 24)) as protection:
        header = Header("C", "K0", "T", "B")
        text = protection.wrap(header, made_key("x"), os.urandom(randomness_needed(header, 16) + 64))
    reply = Machine().start().ask(Load("mac-master", text))
    assert isinstance(reply, Refused)


def test_one_key_has_one_purpose() -> None:
    vault = ready(Machine())
    assert "holds the same key" in refusal(vault, "data", block("B1", "T", "X", made_key("pin"), DATA_KSN))
    assert "holds the same key" in refusal(vault, "pin", PIN)


def test_every_changed_character_of_a_block_is_refused() -> None:
    machine = Machine()
    machine.start()
    for place in range(len(MAC_MASTER)):
        vault = machine.start()
        changed = MAC_MASTER[:place] + ("0" if MAC_MASTER[place] != "0" else "1") + MAC_MASTER[place + 1 :]
        machine.ring.failed_loads = 0
        reply = vault.ask(Load("mac-master", changed))
        assert isinstance(reply, Refused), place
        assert "mac-master serves" not in inventory(vault)


def test_after_too_many_forgeries_none_is_opened_any_more_and_a_restart_does_not_help() -> None:
    machine = Machine()
    vault = machine.start()
    forged = MAC_MASTER[:-2] + ("00" if MAC_MASTER[-2:] != "00" else "11")
    for _ in range(MOST_FAILED_LOADS):
        reply = vault.ask(Load("mac-master", forged))
        assert isinstance(reply, Refused)
        assert reply.why == Refusal.NOT_AUTHENTIC
        vault = machine.start()
    assert "were not authentic" in refusal(vault, "mac-master", MAC_MASTER)
    vault.ask(Zeroise())
    assert "no transport key" in refusal(vault, "mac-master", MAC_MASTER)


def test_a_second_key_waits_until_it_is_rotated_and_the_first_never_comes_back() -> None:
    machine = Machine()
    vault = ready(machine)
    reply = vault.ask(Load("mac-master", block("K0", "T", "B", made_key("next"))))
    assert isinstance(reply, Done)
    assert "waits" in reply.words
    old = inventory(vault)["mac-master serves"][4]
    reply = vault.ask(Rotate("mac-master"))
    assert isinstance(reply, Done)
    assert f"{old} destroyed" in reply.words
    assert inventory(vault)["mac-master serves"][4] != old
    assert "served here before" in refusal(vault, "mac-master", MAC_MASTER)
    again = machine.start()
    assert "served here before" in refusal(again, "mac-master", MAC_MASTER)
    status = again.ask(Status())
    assert isinstance(status, Done)
    assert f"destroyed mac-master {old} {machine.now} rotated" in status.words


def test_nothing_to_rotate_is_said() -> None:
    reply = ready(Machine()).ask(Rotate("pin"))
    assert isinstance(reply, Refused)
    assert "no key waits" in reply.words


def test_neither_place_of_the_store_keeps_a_destroyed_key() -> None:
    """Seal both places open again: the key is in none of them."""
    machine = Machine()
    vault = ready(machine)
    vault.ask(Zeroise("mac-master"))
    assert vault.phase is Phase.LOADING
    for place in (0, 1):
        with machine.arena.lend(16_384) as clear:
            number, at, nonce, sealed = machine.store._front(place)  # type: ignore[misc]  # both places are whole
            bound = machine.store._bound(number, at)
            machine.store._seal.decrypt_into(nonce, sealed, bound, clear[: len(sealed) - 16])
            assert made_key("mac-master") not in bytes(clear)
            assert bytes(machine.ring.serving["transport"].octets) in bytes(clear), "this way of looking finds keys"


def test_verify_works_a_check_value_out_anew() -> None:
    vault = ready(Machine())
    value = bytes.fromhex(inventory(vault)["mac-master serves"][4])
    assert isinstance(vault.ask(Verify("mac-master", value)), Done)
    wrong = vault.ask(Verify("mac-master", bytes(3)))
    assert isinstance(wrong, Refused)
    assert value.hex().upper() in wrong.words


class Custodian:
    """A person with a key."""

    def __init__(self, place: int) -> None:
        self.place = place
        self.key = Ed25519PrivateKey.generate()
        self.public = self.key.public_key().public_bytes_raw()

    def sign(self, request: Load | Rotate | Zeroise, challenge: bytes) -> bytes:
        return bytes((self.place,)) + self.key.sign(approval_message(request, challenge))


def test_two_custodians_sign_and_everything_else_is_refused() -> None:
    people = [Custodian(0), Custodian(1), Custodian(2)]
    machine = Machine(custodians=tuple(person.public for person in people))
    vault = machine.start()
    bare = Load("mac-master", MAC_MASTER)

    def fresh() -> bytes:
        reply = vault.ask(Challenge())
        assert isinstance(reply, Result)
        return bytes(reply.value)

    def tried(approvals: bytes) -> object:
        return vault.ask(Load("mac-master", MAC_MASTER, approvals=approvals))

    first, second, third = people
    challenge = fresh()
    refused = tried(b"")
    assert isinstance(refused, Refused)
    assert refused.why == Refusal.APPROVAL
    stale = first.sign(bare, challenge) + second.sign(bare, challenge)
    assert isinstance(tried(stale), Refused), "a challenge is used up by the first try"
    challenge = fresh()
    assert isinstance(tried(first.sign(bare, challenge) * 2), Refused), "one person twice"
    challenge = fresh()
    other = Load("pin", MAC_MASTER)
    assert isinstance(tried(first.sign(other, challenge) + second.sign(other, challenge)), Refused), "another request"
    challenge = fresh()
    stranger = Custodian(1)
    assert isinstance(tried(first.sign(bare, challenge) + stranger.sign(bare, challenge)), Refused), "a stranger"
    challenge = fresh()
    assert isinstance(tried(first.sign(bare, challenge) + third.sign(bare, challenge)), Done)
    refused = vault.ask(Zeroise())
    assert isinstance(refused, Refused)
    assert refused.why == Refusal.APPROVAL
