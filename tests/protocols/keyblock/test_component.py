# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Components and shares: every way back to the key, nothing with fewer, and mistakes of people found."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import DecodeError, EncodeError, IntegrityError
from protocols.keyblock import component as subject
from protocols.keyblock.codes import Cipher
from protocols.keyblock.component import Share
from protocols.primitives import has_odd_parity, with_odd_parity
from protocols.secret import ClearKey

KEY = bytes(with_odd_parity(bytes(range(1, 17))))
NOISE = random.Random(11568).randbytes(4096)


@given(st.binary(min_size=1, max_size=40), st.integers(2, 9), st.binary(min_size=320, max_size=320))
def test_components_give_the_key(key: bytes, count: int, noise: bytes) -> None:
    parts = subject.split(key, count, noise)
    try:
        assert subject.join(parts) == ClearKey(key)
    except DecodeError:  # two equal components, as random ones of one octet may be
        assert len({bytes(part.reveal()) for part in parts}) < count


@pytest.mark.parametrize("count", [2, 3, 4])
def test_components_of_odd_parity(count: int) -> None:
    parts = subject.split(KEY, count, NOISE, odd_parity=True)
    assert all(has_odd_parity(part) for part in parts)
    assert subject.join(parts, odd_parity=True) == ClearKey(KEY)


def test_three_components_added_by_hand() -> None:
    """The exclusive or is what anybody computes; the check value is the one of the key 0123456789ABCDEFFEDCBA98..."""
    parts = [bytes.fromhex("01" * 16), bytes.fromhex("23" * 16)]
    key = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
    third = bytes(a ^ b ^ c for a, b, c in zip(key, *parts, strict=True))
    joined = subject.join([*parts, third])
    assert joined == ClearKey(key)
    assert subject.key_check_value(Cipher.TDES, joined).hex().upper() == "08D7B4"


@pytest.mark.parametrize(
    "components",
    [[], [KEY], [KEY] * 10, [KEY, KEY], [KEY, KEY[:8]], [b"", b""], [KEY, bytes(16), KEY]],
)
def test_mistakes_with_components_are_found(components: list[bytes]) -> None:
    with pytest.raises(DecodeError):
        subject.join(components)


@pytest.mark.parametrize(("count", "noise"), [(1, NOISE), (10, NOISE), (3, bytes(31))])
def test_what_cannot_be_split(count: int, noise: bytes) -> None:
    with pytest.raises(EncodeError):
        subject.split(KEY, count, noise)


@pytest.mark.parametrize(("needed", "total"), [(2, 2), (2, 3), (3, 5), (5, 6), (2, 255)])
def test_any_enough_shares_give_the_key(needed: int, total: int) -> None:
    shares = subject.share(KEY, needed, total, NOISE)
    assert [part.number for part in shares] == list(range(1, total + 1))
    for chosen in itertools.islice(itertools.combinations(shares, needed), 60):
        assert subject.combine(chosen) == ClearKey(KEY)
        assert subject.combine([*chosen[::-1]]) == ClearKey(KEY)
    assert subject.combine(shares[-needed:]) == ClearKey(KEY)
    assert subject.combine(shares) == ClearKey(KEY)


def times(first: int, second: int) -> int:
    """Multiplication in GF(256) bit by bit: another way than tables."""
    product = 0
    while second:
        product ^= first * (second & 1)
        first = first << 1 ^ (0x11B if first & 0x80 else 0)
        second >>= 1
    return product


@given(st.integers(0, 255), st.integers(1, 255))
def test_the_field(first: int, second: int) -> None:
    assert subject._times(first, second) == times(first, second)
    assert subject._times(subject._over(first, second), second) == first


@given(st.binary(min_size=1, max_size=4), st.binary(min_size=8, max_size=8), st.integers(1, 255))
def test_a_share_is_the_polynomials_value(key: bytes, noise: bytes, number: int) -> None:
    shares = subject.share(key, 3, 255, noise)
    size = len(key)
    expected = bytes(
        key[place] ^ times(noise[place], number) ^ times(times(noise[size + place], number), number)
        for place in range(size)
    )
    assert bytes(shares[number - 1].octets.reveal()) == expected


def test_one_share_less_says_nothing() -> None:
    """For every other key there is a share that would give it: two shares of three fit all 256 values of an octet."""
    shares = subject.share(b"\x2a", 3, 5, NOISE)
    reached = {
        bytes(subject.combine([*shares[:2], Share(3, 3, ClearKey(bytes((octet,))))]).reveal()) for octet in range(256)
    }
    assert len(reached) == 256


@pytest.mark.parametrize(
    "shares",
    [
        [],
        [Share(1, 2, ClearKey(b"a"))],
        [Share(1, 2, ClearKey(b"a")), Share(1, 2, ClearKey(b"b"))],
        [Share(1, 2, ClearKey(b"a")), Share(2, 3, ClearKey(b"b"))],
        [Share(1, 2, ClearKey(b"a")), Share(2, 2, ClearKey(b"bb"))],
        [Share(0, 2, ClearKey(b"a")), Share(2, 2, ClearKey(b"b"))],
        [Share(256, 2, ClearKey(b"a")), Share(2, 2, ClearKey(b"b"))],
    ],
)
def test_mistakes_with_shares_are_found(shares: list[Share]) -> None:
    with pytest.raises(DecodeError):
        subject.combine(shares)


@pytest.mark.parametrize(
    ("needed", "total", "noise"), [(1, 3, NOISE), (3, 2, NOISE), (2, 256, NOISE), (3, 5, bytes(31))]
)
def test_what_cannot_be_shared(needed: int, total: int, noise: bytes) -> None:
    with pytest.raises(EncodeError):
        subject.share(KEY, needed, total, noise)


def test_check_values() -> None:
    assert subject.key_check_value(Cipher.TDES, bytes.fromhex("12345678" * 4)).hex().upper() == "6FB1C8"
    aes = bytes.fromhex("88E1AB2A2E3DD38C1FA039A536500CC8A87AB9D62DC92C01058FA79F44657DE6")
    assert subject.key_check_value(Cipher.AES, aes).hex().upper() == "2331550BC9"  # block KP of X9.143:2021, 8.6
    subject.confirm(Cipher.AES, aes, bytes.fromhex("2331550BC9"))
    subject.confirm(Cipher.AES, aes, bytes.fromhex("2331"))
    for wrong in (b"", b"\x23", bytes.fromhex("2332"), bytes.fromhex("2331550BC900")):
        with pytest.raises(IntegrityError):
            subject.confirm(Cipher.AES, aes, wrong)


def test_keys_that_no_device_takes() -> None:
    assert subject.is_weak(Cipher.TDES, bytes(16))
    assert subject.is_weak(Cipher.AES, bytes(16))
    assert subject.is_weak(Cipher.TDES, KEY[:8] * 2)
    assert not subject.is_weak(Cipher.TDES, KEY)
    assert not subject.is_weak(Cipher.AES, KEY[:8] * 2)
    assert not subject.is_weak(Cipher.TDES, KEY[:8])
