# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Key serial numbers: what is one, which counters may stand for a transaction, and the rule for the next."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.dukpt.ksn import AesKsn, Ksn, TdesKsn, next_counter, nodes
from protocols.errors import DecodeError

TEST_TDES, TEST_AES = TdesKsn.from_hex("FFFF9876543210E00000"), AesKsn.from_hex("123456789012345600000000")


def test_reading_and_printing() -> None:
    ksn = TdesKsn.from_hex("FFFF9876543210E00001")
    assert (str(ksn), bytes(ksn), ksn.counter) == ("FFFF9876543210E00001", ksn.octets, 1)
    assert TdesKsn.from_hex("9876543210E00001") == ksn, "filled with F on the left"
    assert TdesKsn.from_hex(b"9876543210E00001") == ksn
    assert ksn.with_counter(0) == TEST_TDES
    aes = AesKsn.from_hex("1234567890123456FFFF0000")
    assert (aes.counter, aes.initial_key_id.hex()) == (0xFFFF0000, "1234567890123456")
    assert hash(ksn) == hash(TdesKsn(ksn.octets))


@pytest.mark.parametrize("text", ["", "FFFF9876543210E0000", "F" * 15, "F" * 21, "G" * 20, "FFFF9876543210E0000 "])
def test_what_is_not_a_tdes_ksn(text: str) -> None:
    if len(text) == 19:
        assert TdesKsn.from_hex(text).octets[0] == 0xFF
        return
    with pytest.raises(DecodeError) as caught:
        TdesKsn.from_hex(text)
    assert caught.value.where == "KSN"
    assert not text or text not in str(caught.value)


@pytest.mark.parametrize("size", [0, 8, 9, 11, 12, 13])
def test_sizes(size: int) -> None:
    for kind in (TdesKsn, AesKsn):
        if size != kind.size:
            with pytest.raises(DecodeError, match="octets"):
                kind(bytes(size))
    with pytest.raises(DecodeError):
        AesKsn.from_hex("12" * 11)


@given(st.sampled_from([TEST_TDES, TEST_AES]), st.integers(0, 2**32 - 1))
def test_transaction_counters(ksn: Ksn, counter: int) -> None:
    if counter >> ksn.counter_bits:
        with pytest.raises(DecodeError, match="bits"):
            ksn.with_counter(counter)
        return
    turned = ksn.with_counter(counter)
    assert turned.counter == counter
    if 0 < bin(counter).count("1") <= ksn.most_one_bits:
        assert turned.transaction_number() == turned.number
    else:
        with pytest.raises(DecodeError, match="one-bits"):
            turned.transaction_number()


def test_the_whole_life_of_a_tdes_device() -> None:
    counter, uses = 0, 0
    while True:
        following = next_counter(counter, TdesKsn)
        if following is None:
            break
        # Every value in between has too many one-bits.
        assert following > counter
        if following - counter > 1:
            assert all(bin(skipped).count("1") > 10 for skipped in range(counter + 1, min(following, counter + 4)))
        counter = following
        uses += 1
        if uses > 1_048_575:
            break
    assert uses == 1_048_575, "X9.24-1:2009: more than one million transactions"
    assert counter == 0x1FF800


@given(st.integers(0, 0xFFFF0000))
def test_aes_counters_stay_legal(counter: int) -> None:
    if bin(counter).count("1") > 16:
        return
    following = next_counter(counter, AesKsn)
    if counter == 0xFFFF0000:
        assert following is None
        return
    assert following is not None
    assert 0 < bin(following).count("1") <= 16
    step = following - counter
    assert step & (step - 1) == 0
    assert all(bin(skipped).count("1") > 16 for skipped in range(counter + 1, min(following, counter + 50)))


def test_end_of_life() -> None:
    assert next_counter(0xFFFF0000, AesKsn) is None
    assert next_counter(0x0001FFFE, AesKsn) == 0x00020000, "17 one-bits skipped"
    assert next_counter(0x1FF800, TdesKsn) is None


@given(st.integers(1, 2**21 - 1))
def test_nodes_lead_to_the_counter(counter: int) -> None:
    base = TEST_TDES.number
    path = nodes(base | counter, (1 << 21) - 1)
    assert path[-1] == base | counter
    assert len(path) == bin(counter).count("1")
    assert all(later & (later - 1) == earlier for earlier, later in itertools.pairwise(path))
