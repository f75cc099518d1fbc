# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The device side: it agrees with the receiver at every counter, goes on from a saved state, ends, and forgets."""

import copy
import pickle
import random

import pytest

from protocols.dukpt import aes, tdes
from protocols.dukpt.ksn import AesKsn, Ksn, TdesKsn, next_counter
from protocols.dukpt.originator import AesOriginator, OriginatorState, TdesOriginator
from protocols.errors import DecodeError, EncodeError
from protocols.secret import ClearKey

TEST_BDK = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
TDES_KSN, AES_KSN = TdesKsn.from_hex("FFFF9876543210E00000"), AesKsn.from_hex("123456789012345600000000")

Device = TdesOriginator | AesOriginator


def device(kind: str) -> tuple[Device, tdes.Receiver | aes.Receiver]:
    if kind == "tdes":
        receiver = tdes.Receiver(TEST_BDK)
        return TdesOriginator(receiver.initial_key(TDES_KSN), TDES_KSN), receiver
    size = int(kind)
    bdk = (TEST_BDK * 2)[:size]
    host = aes.Receiver(bdk)
    return AesOriginator(host.initial_key(AES_KSN), AES_KSN), host


KINDS = ["tdes", "16", "24", "32"]


@pytest.mark.parametrize("kind", KINDS)
def test_both_sides_agree_also_across_saved_states(kind: str) -> None:
    originator, receiver = device(kind)
    source = random.Random(kind)
    counter = 0
    for _ in range(600):
        if source.random() < 0.05:
            originator = type(originator).restore(originator.state())
        upcoming = originator.next_ksn
        transaction = originator.advance()
        assert transaction is not None
        assert transaction.ksn == upcoming
        following = next_counter(counter, type(transaction.ksn))
        assert following == transaction.ksn.counter
        counter = following
        assert transaction.key == receiver.transaction_key(transaction.ksn)  # type: ignore[arg-type]  # of its kind


def at(kind: type[Device], originator: Device, ksn: Ksn, receiver: tdes.Receiver | aes.Receiver) -> Device:
    """A device moved to ``ksn`` by writing the state it would have there."""
    octets = bytearray(originator.state().reveal())
    octets[4 : 4 + ksn.size] = ksn.octets
    size = octets[5 + ksn.size]
    counter = ksn.counter
    for place in range(ksn.counter_bits):
        # The register of each bit holds the key of the next counter whose lowest one-bit it is.
        value = (counter >> place | 1) << place
        if value >= counter and 0 < bin(value).count("1") <= ksn.most_one_bits:
            key = receiver.transaction_key(ksn.with_counter(value))  # type: ignore[arg-type]  # of its kind
            start = 6 + ksn.size + place * size
            octets[start : start + size] = key.reveal()
    return kind.restore(OriginatorState(octets))


@pytest.mark.parametrize("kind", KINDS)
def test_the_end_of_life(kind: str) -> None:
    fresh, receiver = device(kind)
    last = 0x1FF800 if kind == "tdes" else 0xFFFF0000
    ksn = TDES_KSN if kind == "tdes" else AES_KSN
    # A few hundred transactions before the end: those with the most one-bits that there are.
    start = last - 0x1000 if kind == "tdes" else last - 0x10000
    originator = at(type(fresh), fresh, ksn.with_counter(start), receiver)
    uses = 0
    while (transaction := originator.advance()) is not None:
        assert transaction.key == receiver.transaction_key(transaction.ksn)  # type: ignore[arg-type]  # of its kind
        final = transaction.ksn.counter
        uses += 1
    assert final == last
    assert uses > 1
    assert originator.next_ksn is None
    again = type(originator).restore(originator.state())
    assert again.advance() is None
    assert originator.advance() is None
    view = originator.state().reveal()
    registers = view[6 + ksn.size : len(view) - (int(kind) if kind != "tdes" else 0)]
    assert not any(registers[: len(registers) // 2]), "no transaction key outlives the device"


@pytest.mark.parametrize("kind", KINDS)
def test_used_keys_are_gone(kind: str) -> None:
    originator, _ = device(kind)
    used = []
    for _ in range(200):
        transaction = originator.advance()
        assert transaction is not None
        used.append(bytes(transaction.key.reveal()))
        state = bytes(originator.state().reveal())
        assert not any(key in state for key in used)


def test_purposes_and_usages() -> None:
    originator, receiver = device("tdes")
    assert isinstance(originator, TdesOriginator)
    assert isinstance(receiver, tdes.Receiver)
    with originator.advance() as transaction:  # type: ignore[union-attr]  # a fresh device has transactions
        for purpose in tdes.Purpose:
            assert transaction.working_key(purpose) == receiver.working_key(transaction.ksn, purpose)
    assert not any(transaction.key.reveal())
    modern, host = device("32")
    assert isinstance(modern, AesOriginator)
    assert isinstance(host, aes.Receiver)
    with modern.advance() as sent:  # type: ignore[union-attr]  # a fresh device has transactions
        for usage in (aes.Usage.PIN_ENCRYPTION, aes.Usage.DATA_BOTH_WAYS):
            assert sent.working_key(usage, aes.AES_256) == host.working_key(sent.ksn, usage, aes.AES_256)
    initial = host.initial_key(AES_KSN)
    for _ in range(40):
        modern.advance()
    modern = AesOriginator.restore(modern.state())
    for key_type in (aes.AES_128, aes.AES_256, aes.TDEA_2_KEY):
        assert modern.update_key(key_type) == aes.update_key(initial, AES_KSN, key_type)


@pytest.mark.parametrize("kind", KINDS)
def test_states_that_are_not(kind: str) -> None:
    originator, _ = device(kind)
    good = bytes(originator.state().reveal())
    other = AesOriginator if kind == "tdes" else TdesOriginator
    with pytest.raises(DecodeError):
        other.restore(OriginatorState(good))
    for cut in range(len(good)):
        with pytest.raises(DecodeError, match="DUKPT state"):
            type(originator).restore(OriginatorState(good[:cut]))
    ksn_size = 10 if kind == "tdes" else 12
    for place, value in ((0, 0), (4 + ksn_size, 2), (3 + ksn_size, 0), (5 + ksn_size, 8)):
        broken = bytearray(good)
        broken[place] = value
        with pytest.raises(DecodeError):
            type(originator).restore(OriginatorState(broken))


def test_loading() -> None:
    with pytest.raises(EncodeError, match="counter at 0"):
        TdesOriginator(TEST_BDK, TDES_KSN.with_counter(1))
    with pytest.raises(EncodeError, match="initial key of 8 octets"):
        TdesOriginator(bytes(8), TDES_KSN)
    with pytest.raises(EncodeError, match="initial key of 17 octets"):
        AesOriginator(bytes(17), AES_KSN)
    octets = bytearray(TEST_BDK)
    with ClearKey(memoryview(octets)) as key:
        TdesOriginator(key, TDES_KSN)
    assert octets == TEST_BDK


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_shown_copied_or_left(kind: str) -> None:
    originator, _ = device(kind)
    assert "redacted" in repr(originator)
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="refuses"):
            attempt(originator)
    originator.wipe()
    assert originator.advance() is None
    assert not any(originator.state().reveal()[4 + 12 + 2 :])
