# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The cipher seam: published cipher values, chaining from any state, check values, parity, and what is left behind."""

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import EncodeError
from protocols.primitives import (
    AesKey,
    BlockKey,
    OneTimeKeys,
    Sm4Key,
    TdesKey,
    Use,
    cbc_decipher,
    cbc_encipher,
    check_value,
    check_value_cmac,
    cmac,
    has_odd_parity,
    is_single_strength,
    one_time_aes,
    one_time_tdes,
    with_odd_parity,
)
from protocols.secret import ClearKey
from tests.protocols.leftovers import counted

H = bytes.fromhex
TEST_TDES = H("0123456789ABCDEFFEDCBA9876543210")
KEYS: list[tuple[type[BlockKey], bytes]] = [
    (TdesKey, TEST_TDES[:8]),
    (TdesKey, TEST_TDES),
    (TdesKey, TEST_TDES + H("1122334455667788")),
    (AesKey, bytes(range(16))),
    (AesKey, bytes(range(24))),
    (AesKey, bytes(range(32))),
    (Sm4Key, bytes(range(16))),
]


def test_published_cipher_values() -> None:
    # FIPS 81 / SP 800-20 for DES, FIPS 197 Appendix C for AES, GB/T 32907-2016 Appendix A for SM4.
    assert TdesKey(TEST_TDES[:8]).encipher(b"Now is t") == H("3FA40E8A984D4815")
    assert AesKey(bytes(range(16))).encipher(H("00112233445566778899AABBCCDDEEFF")) == H(
        "69C4E0D86A7B0430D8CDB78070B4C55A"
    )
    assert AesKey(bytes(range(24))).encipher(H("00112233445566778899AABBCCDDEEFF")) == H(
        "DDA97CA4864CDFE06EAF70A0EC0D7191"
    )
    assert AesKey(bytes(range(32))).encipher(H("00112233445566778899AABBCCDDEEFF")) == H(
        "8EA2B7CA516745BFEAFC49904B496089"
    )
    sm4 = H("0123456789ABCDEFFEDCBA9876543210")
    assert Sm4Key(sm4).encipher(sm4) == H("681EDF34D206965E86B3E94F536E4246")


def test_check_values() -> None:
    assert check_value(TdesKey(TEST_TDES)) == H("08D7B4")
    assert check_value(TdesKey(TEST_TDES), 8)[:3] == H("08D7B4")
    assert (
        check_value_cmac(AesKey(H("2B7E151628AED2A6ABF7158809CF4F3C")))
        == cmac(AesKey(H("2B7E151628AED2A6ABF7158809CF4F3C")), bytes(16))[:5]
    )
    with pytest.raises(EncodeError, match="1 to 8 octets"):
        check_value(TdesKey(TEST_TDES), 9)
    with pytest.raises(EncodeError, match="1 to 16 octets"):
        check_value_cmac(AesKey(bytes(16)), 17)


@pytest.mark.parametrize(("kind", "octets"), KEYS)
def test_modes_invert_each_other_and_messages_do_not_chain(kind: type[BlockKey], octets: bytes) -> None:
    key = kind(octets)
    size = key.block_octets
    data = bytes(range(6 * size))
    iv = bytes(range(100, 100 + size))
    assert key.decipher(key.encipher(data)) == data
    first = cbc_encipher(key, iv, data)
    assert cbc_encipher(key, iv, data) == first, "the live context carried its state into the next message"
    assert cbc_decipher(key, iv, first) == data
    by_hand, before = b"", iv
    for start in range(0, len(data), size):
        mixed = bytes(a ^ b for a, b in zip(data[start : start + size], before, strict=True))
        before = key.encipher(mixed)
        by_hand += before
    assert first == by_hand
    assert cbc_encipher(key, iv, b"") == b"" == cbc_decipher(key, iv, b"")


@pytest.mark.parametrize(("kind", "octets"), KEYS)
@given(cut=st.integers(1, 200))
def test_broken_blocks_are_refused(kind: type[BlockKey], octets: bytes, cut: int) -> None:
    key = kind(octets)
    data = bytes(cut if cut % key.block_octets else cut + 1)
    for call in (key.encipher, key.decipher, lambda broken: key.cbc_encipher(bytes(key.block_octets), broken)):
        with pytest.raises(EncodeError):
            call(data)
    with pytest.raises(EncodeError):
        key.cbc_decipher(bytes(3), bytes(key.block_octets))


def test_a_key_of_another_length_is_refused_without_being_shown() -> None:
    for kind, size in ((TdesKey, 15), (AesKey, 8), (Sm4Key, 32)):
        with pytest.raises(EncodeError) as caught:
            kind(b"\xab" * size)
        assert str(size) in str(caught.value)
        assert "ab" not in str(caught.value).lower().replace("abc", "")
    with pytest.raises(EncodeError):
        BlockKey(b"")


def test_the_callers_key_is_left_alone_and_ours_is_independent_of_it() -> None:
    octets = bytearray(TEST_TDES)
    key = TdesKey(octets)
    assert octets == TEST_TDES
    octets[:] = bytes(16)
    # The trap this seam exists for: a context made after the wipe would encipher under the all-zero key.
    assert check_value(key) == H("08D7B4")
    assert check_value_cmac(key, 8) != check_value_cmac(TdesKey(bytes(16)), 8)
    assert key.decipher(key.encipher(b"12345678")) == b"12345678"
    with ClearKey(bytearray(TEST_TDES)) as secret:
        key = TdesKey(secret)
    assert check_value(key) == H("08D7B4")


def test_short_keys_equal_their_expansion() -> None:
    block = b"\x5a" * 8
    single = TdesKey(TEST_TDES[:8])
    assert (
        single.encipher(block)
        == TdesKey(TEST_TDES[:8] * 2).encipher(block)
        == TdesKey(TEST_TDES[:8] * 3).encipher(block)
    )
    assert TdesKey(TEST_TDES).encipher(block) == TdesKey(TEST_TDES + TEST_TDES[:8]).encipher(block)


def test_a_key_does_only_what_it_was_made_for() -> None:
    key = TdesKey(TEST_TDES, Use.ENCIPHER)
    assert key.encipher(bytes(8))
    for call in (
        lambda: key.decipher(bytes(8)),
        lambda: key.cbc_encipher(bytes(8), bytes(8)),
        lambda: key.cbc_decipher(bytes(8), bytes(8)),
        lambda: key.cmac(b""),
        lambda: key.decipher_into(bytes(8), bytearray(15)),
    ):
        with pytest.raises(EncodeError, match="without that use"):
            call()
    assert TdesKey(TEST_TDES, Use.DECIPHER).decipher(key.encipher(bytes(8))) == bytes(8)


def test_wiped_keys_refuse_work_and_no_key_is_shown_or_copied() -> None:
    with AesKey(bytes(16)) as key:
        assert key.encipher(bytes(16))
    for call in (lambda: key.encipher(bytes(16)), lambda: key.cmac(b""), lambda: key.decipher(bytes(16))):
        with pytest.raises(EncodeError, match="wiped"):
            call()
    assert repr(AesKey(bytes(16))) == "AesKey(redacted)"
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="refuses"):
            attempt(AesKey(bytes(16)))


@pytest.mark.parametrize(("made", "size", "block"), [(one_time_tdes, 24, 8), (lambda: one_time_aes(32), 32, 16)])
def test_one_time_keys_equal_ordinary_ones(made: object, size: int, block: int) -> None:
    once = made()  # type: ignore[operator]  # one of the two makers above
    for turn in range(5):
        octets = bytes(range(turn, turn + size))
        key = TdesKey(octets) if block == 8 else AesKey(octets)
        assert once.encipher(octets, bytes(block)) == key.encipher(bytes(block))
    with pytest.raises(EncodeError, match="one-time key"):
        once.encipher(bytes(size - 1), bytes(block))
    once.wipe()
    assert once.encipher(bytes(size), bytes(block)), "usable again: each call brings its own key"


def test_one_time_keys_survive_a_library_that_reads_the_key_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("protocols.primitives._key_is_read_late", lambda: False)
    once = one_time_tdes()
    for octets in (bytes(range(24)), TEST_TDES + TEST_TDES[:8]):
        assert once.encipher(octets, bytes(8)) == TdesKey(octets).encipher(bytes(8))
    assert isinstance(once, OneTimeKeys)


@given(st.binary(min_size=1, max_size=32))
def test_parity(octets: bytes) -> None:
    adjusted = with_odd_parity(octets)
    assert has_odd_parity(adjusted)
    assert all(bin(octet).count("1") % 2 for octet in adjusted)
    assert all(old >> 1 == new >> 1 for old, new in zip(octets, adjusted, strict=True))
    assert has_odd_parity(octets) == (adjusted == octets)


def test_single_strength() -> None:
    assert is_single_strength(TEST_TDES[:8] * 2)
    assert is_single_strength(TEST_TDES[:8] + TEST_TDES[8:] * 2)
    assert is_single_strength(bytes(8) + b"\x01" * 8), "parity bits do not make two keys"
    assert not is_single_strength(TEST_TDES)
    assert not is_single_strength(ClearKey(bytearray(TEST_TDES + TEST_TDES[:8])))


@pytest.mark.parametrize(("kind", "size", "held"), [("TdesKey", 16, 0), ("TdesKey", 24, 0), ("AesKey", 32, 4)])
def test_a_key_leaves_no_copy_behind(kind: str, size: int, held: int) -> None:
    """A process that has made a key and wiped its own octets is searched for them.

    A TDES context holds only the key schedule. An AES context holds its first round key, which is the key, until it is
    dropped: at most one copy for each of the four contexts.
    """

    def found(stage: str) -> int:
        return counted("tests.protocols.key_leftovers", kind, str(size), stage)

    assert found("control") > found("held"), "the search must find a copy that is there"
    assert found("held") <= held
    assert found("wiped") == 0
