# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""TDES DUKPT: the standard's test data, the receiver against the pure functions, memory and its bound, pydukpt."""

import copy
import json
import pickle
import random
from pathlib import Path

import pydukpt
import pytest

from protocols.dukpt.ksn import TdesKsn, next_counter, nodes
from protocols.dukpt.prefixes import Prefixes
from protocols.dukpt.tdes import (
    Purpose,
    Receiver,
    derive,
    initial_key,
    pin_key,
    transaction_key,
    working_key,
)
from protocols.errors import DecodeError, EncodeError
from protocols.mac import RetailMacKey
from protocols.primitives import TdesKey, one_time_tdes
from protocols.secret import ClearKey
from tests.protocols.crypto_evidence import RUNS, recorded

H = bytes.fromhex
VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "dukpt_tdes.json").read_text())["vectors"]
TEST_BDK = H("0123456789ABCDEFFEDCBA9876543210")
TEST_KSN = TdesKsn.from_hex("FFFF9876543210E00000")


def shown(key: ClearKey) -> str:
    return key.reveal().hex().upper()


def walked(bdk: bytes, ksn: TdesKsn) -> str:
    """The walk without the rule on one-bits: the bare arithmetic."""
    once = one_time_tdes()
    register = int.from_bytes(initial_key(bdk, ksn).reveal(), "big")
    for node in nodes(ksn.number, (1 << 21) - 1):
        register = derive(once, register, node)
    return f"{register:032X}"


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_vectors(vector: dict[str, object]) -> None:
    text, expected, kind = vector["input"], vector["expected"], str(vector["id"]).split("-")[0]
    assert isinstance(text, dict)
    if kind in ("ipek", "key", "hi"):
        ksn, bdk = TdesKsn.from_hex(text["ksn"]), H(text["bdk"])
        if kind == "ipek":
            assert shown(initial_key(bdk, ksn)) == shown(Receiver(bdk).initial_key(ksn)) == expected
        elif ksn.counter.bit_count() > 10:
            # The arithmetic is right, the counter is not: no conforming device sends it.
            assert walked(bdk, ksn) == expected
            for refused in (lambda: transaction_key(TEST_BDK, ksn), lambda: Receiver(bdk).transaction_key(ksn)):
                with pytest.raises(DecodeError, match="11 one-bits"):
                    refused()
        else:
            assert shown(transaction_key(initial_key(bdk, ksn), ksn)) == expected
            assert shown(Receiver(bdk).transaction_key(ksn)) == walked(bdk, ksn) == expected
        return
    transaction = H(text["txn_key"])
    if kind == "pinblk":
        result = TdesKey(working_key(transaction, Purpose.PIN)).encipher(H(text["clear_pinblock"]))
    elif kind in ("macreq", "macrsp"):
        purpose = Purpose.MAC_REQUEST if kind == "macreq" else Purpose.MAC_RESPONSE
        result = RetailMacKey(working_key(transaction, purpose)).mac(text["data_ascii"].encode())[:4]
    elif kind == "cmacreq":
        result = TdesKey(working_key(transaction, Purpose.MAC_REQUEST)).cmac(text["data_ascii"].encode())
    else:
        data = text["data_ascii_zero_padded"].encode()
        key = TdesKey(working_key(transaction, Purpose.DATA_REQUEST))
        result = key.cbc_encipher(bytes(8), data + bytes(-len(data) % 8))
    assert result.hex().upper() == expected


def test_the_receiver_agrees_with_the_pure_functions_and_remembers_within_its_bound() -> None:
    source = random.Random(21)
    for size in (0, 1, 3, 64):
        receiver = Receiver(TEST_BDK, remember=size)
        for _ in range(120):
            ksn = TdesKsn(source.choice([TEST_KSN, TdesKsn(bytes(10))]).octets).with_counter(source.randrange(1, 200))
            initial = initial_key(TEST_BDK, ksn)
            assert receiver.initial_key(ksn) == initial
            assert receiver.transaction_key(ksn) == transaction_key(initial, ksn)
            purpose = source.choice(list(Purpose))
            assert receiver.working_key(ksn, purpose) == working_key(transaction_key(initial, ksn), purpose)
            assert len(receiver._prefixes) <= size
        assert pin_key(initial, ksn) == receiver.working_key(ksn, Purpose.PIN)
        assert "redacted" in repr(receiver)


def test_prefixes_drop_the_longest_unused_and_wipe() -> None:
    prefixes = Prefixes(2)
    prefixes.remember(1, b"\1" * 16)
    prefixes.remember(2, b"\2" * 16)
    first, second = prefixes.recall(1), prefixes.recall(2)
    assert first is not None
    assert second is not None
    prefixes.recall(1)
    prefixes.remember(3, b"\3" * 16)
    assert prefixes.recall(2) is None
    assert second == bytes(16), "what is dropped is wiped"
    assert prefixes.recall(1) == b"\1" * 16
    prefixes.wipe()
    assert first == bytes(16)
    assert len(prefixes) == 0
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="refuses"):
            attempt(prefixes)


def test_a_wiped_receiver_derives_nothing() -> None:
    with Receiver(TEST_BDK) as receiver:
        receiver.transaction_key(TEST_KSN.with_counter(1))
    with pytest.raises(EncodeError, match="wiped"):
        receiver.transaction_key(TEST_KSN.with_counter(1))


def test_refusals() -> None:
    for counter in (0, 0x7FF, 0x1FFFFF):
        with pytest.raises(DecodeError, match="one-bits"):
            transaction_key(TEST_BDK, TEST_KSN.with_counter(counter))
        with pytest.raises(DecodeError, match="one-bits"):
            Receiver(TEST_BDK).working_key(TEST_KSN.with_counter(counter), Purpose.PIN)
    for call in (
        lambda: initial_key(bytes(24), TEST_KSN),
        lambda: Receiver(bytes(8)),
        lambda: working_key(bytes(15), Purpose.PIN),
        lambda: transaction_key(bytes(17), TEST_KSN.with_counter(1)),
    ):
        with pytest.raises(EncodeError, match="16 expected"):
            call()


def test_purposes_are_five_keys_and_leave_the_transaction_key_alone() -> None:
    octets = bytearray(range(16))
    keys = {shown(working_key(octets, purpose)) for purpose in Purpose}
    assert len(keys | {octets.hex().upper()}) == 6
    assert octets == bytes(range(16))


def against_pydukpt(cases: int, seed: int) -> None:
    source = random.Random(seed)
    for _ in range(cases):
        bdk, octets = source.randbytes(16), source.randbytes(10)
        # Half with few one-bits, half anywhere, both sides of the counters that other libraries get wrong.
        counter = source.randrange(1, 1 << source.randrange(1, 22))
        while bin(counter).count("1") > 10:
            counter &= counter - 1
        ksn = TdesKsn(octets).with_counter(counter)
        initial = initial_key(bdk, ksn)
        assert bytes(initial.reveal()) == pydukpt.derive_ipek(bdk, ksn.octets)
        transaction = transaction_key(initial, ksn)
        assert bytes(transaction.reveal()) == pydukpt.derive_key(bytes(initial.reveal()), ksn.octets)
        purpose, theirs = source.choice(
            [
                (Purpose.PIN, pydukpt.pin_key),
                (Purpose.MAC_REQUEST, pydukpt.mac_request_key),
                (Purpose.MAC_RESPONSE, pydukpt.mac_response_key),
                (Purpose.DATA_REQUEST, pydukpt.data_request_key),
                (Purpose.DATA_RESPONSE, pydukpt.data_response_key),
            ]
        )
        assert bytes(working_key(transaction, purpose).reveal()) == theirs(bytes(transaction.reveal()))
        following = next_counter(counter, TdesKsn)
        if following is not None:
            assert pydukpt.next_ksn(ksn.octets) == ksn.with_counter(following).octets


def test_against_pydukpt() -> None:
    against_pydukpt(10_000, 1)


@pytest.mark.long
def test_against_pydukpt_long() -> None:
    name = "TDES DUKPT against pydukpt"
    with recorded(name, 2):
        against_pydukpt(RUNS[name], 2)
