# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Message authentication codes: published values, pieces against the whole, padding, verification."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import EncodeError, IntegrityError
from protocols.mac import (
    CbcMacKey,
    ChainedMac,
    CmacKey,
    Padding,
    RetailMacKey,
    Sha2,
    TwoKeyMac,
    hmac_sha2,
    pad,
    unionpay_ecb_mac,
    verify,
)
from protocols.primitives import AesKey, BlockKey, Sm4Key, TdesKey
from protocols.secret import ClearKey

H = bytes.fromhex
VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "mac.json").read_text())["vectors"]
TEST_KEY = H("0123456789ABCDEFFEDCBA9876543210")
CIPHERS: dict[str, type[BlockKey]] = {"AES": AesKey, "TDES": TdesKey}


def calculated(given_input: dict[str, str | int]) -> bytes:
    """The MAC that a vector asks for."""
    text = {name: str(value) for name, value in given_input.items()}
    if "cup" in text:
        if text["cup"] == "key":
            return TdesKey(H(text["tmk"])).decipher(H(text["key_under_tmk"]))
        return bytes.fromhex(unionpay_ecb_mac(TdesKey(H(text["key"])), H(text["folded"])).decode())
    if "hash" in text:
        key = text["key_ascii"].encode() if "key_ascii" in text else H(text["key"])
        return hmac_sha2(ClearKey(bytearray(key)), text["data_ascii"].encode())
    if "cipher" in text:
        return CmacKey(CIPHERS[text["cipher"]](H(text["key"]))).mac(H(text["data"]))
    data, padding = text["data_ascii"].encode(), Padding(int(text["padding"]))
    if "key1" in text:
        return TwoKeyMac(TdesKey(H(text["key1"])), TdesKey(H(text["key2"]))).mac(data, padding)
    if text["alg"] == "3":
        return RetailMacKey(H(text["key"])).mac(data, padding)
    return CbcMacKey(TdesKey(H(text["key"]))).mac(data, padding)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_vectors(vector: dict[str, object]) -> None:
    given_input = vector["input"]
    assert isinstance(given_input, dict)
    assert calculated(given_input).hex().upper() == vector["expected"]


def makers() -> list[ChainedMac]:
    """One of each kind."""
    return [
        RetailMacKey(TEST_KEY),
        CbcMacKey(TdesKey(TEST_KEY)),
        CbcMacKey(AesKey(TEST_KEY)),
        TwoKeyMac(AesKey(TEST_KEY), AesKey(bytes(16))),
    ]


@given(data=st.binary(max_size=120), cuts=st.lists(st.integers(0, 12), max_size=3), padding=st.sampled_from(Padding))
def test_pieces_give_the_mac_of_the_whole(data: bytes, cuts: list[int], padding: Padding) -> None:
    for maker in makers():
        size = maker.block_octets
        if padding == Padding.NONE and (len(data) % size or not data):
            continue
        places = sorted({0, *(min(cut * size, len(data) // size * size) for cut in cuts)})
        places = [place for place in places if padding == Padding.NONE or place <= len(data)]
        if places[-1] == len(data) and data:
            places.pop()
        pieces = [data[start:end] for start, end in zip(places, [*places[1:], len(data)], strict=True)]
        if len(pieces) == 1:
            chaining = maker.first(b"", padding, len(data))
        else:
            chaining = maker.first(pieces[0], padding, len(data))
            for piece in pieces[1:-1]:
                chaining = maker.middle(chaining, piece)
        assert maker.last(chaining, pieces[-1], padding) == maker.mac(data, padding)


@given(data=st.binary(max_size=100), blocks=st.integers(0, 5))
def test_cmac_in_pieces(data: bytes, blocks: int) -> None:
    for key in (AesKey(TEST_KEY), TdesKey(TEST_KEY), Sm4Key(TEST_KEY)):
        maker = CmacKey(key)
        cut = min(blocks, max(len(data) - 1, 0) // key.block_octets) * key.block_octets
        chaining = maker.middle(maker.first(data[:cut]), b"")
        assert maker.last(chaining, data[cut:]) == maker.mac(data)


def test_cmac_refuses_what_it_cannot_do() -> None:
    maker = CmacKey(AesKey(TEST_KEY))
    with pytest.raises(EncodeError, match="cannot be empty"):
        maker.last(maker.first(bytes(16)), b"")
    for call in (lambda: maker.mac(b"", Padding.ZEROS), lambda: maker.first(b"", Padding.LENGTH)):
        with pytest.raises(EncodeError, match="pads by itself"):
            call()
    maker.verify(b"abc", maker.mac(b"abc")[:8])


def test_length_padding_needs_the_total() -> None:
    with pytest.raises(EncodeError, match="total octets"):
        RetailMacKey(TEST_KEY).first(bytes(8), Padding.LENGTH)


@given(data=st.binary(max_size=40), size=st.sampled_from([8, 16]))
def test_padding(data: bytes, size: int) -> None:
    zeros = pad(data, Padding.ZEROS, size)
    assert len(zeros) % size == 0 < len(zeros)
    assert zeros.rstrip(b"\0") == data.rstrip(b"\0")
    one = pad(data, Padding.ONE_AND_ZEROS, size)
    assert one.rstrip(b"\0") == data + b"\x80"
    assert len(one) - len(data) <= size
    length = pad(data, Padding.LENGTH, size)
    assert int.from_bytes(length[:size], "big") == 8 * len(data)
    assert length[size:] == zeros
    if data and len(data) % size == 0:
        assert pad(data, Padding.NONE, size) == data
    else:
        with pytest.raises(EncodeError, match="no padding"):
            pad(data, Padding.NONE, size)


def test_chaining_value_of_another_size_is_refused() -> None:
    maker = RetailMacKey(TEST_KEY)
    for call in (lambda: maker.middle(bytes(7), bytes(8)), lambda: maker.last(bytes(16), b"")):
        with pytest.raises(EncodeError, match="chaining value"):
            call()
    with pytest.raises(EncodeError):
        maker.first(bytes(9))
    with pytest.raises(EncodeError, match="one block cipher"):
        TwoKeyMac(TdesKey(TEST_KEY), AesKey(TEST_KEY))


def test_retail_mac_by_key_length() -> None:
    single = RetailMacKey(TEST_KEY[:8])
    assert single.mac(b"message") == CbcMacKey(TdesKey(TEST_KEY[:8])).mac(b"message")
    assert RetailMacKey(TEST_KEY).mac(b"message") == RetailMacKey(TEST_KEY + TEST_KEY[:8]).mac(b"message")
    assert repr(single) == "RetailMacKey(redacted)"


@given(st.binary(max_size=40), st.integers(4, 8), st.integers(0, 63))
def test_verification(data: bytes, size: int, flipped: int) -> None:
    maker = RetailMacKey(TEST_KEY)
    mac = maker.mac(data)
    maker.verify(data, mac[:size])
    wrong = bytearray(mac)
    wrong[flipped // 8] ^= 1 << flipped % 8
    if flipped // 8 < size:
        with pytest.raises(IntegrityError) as caught:
            maker.verify(data, wrong[:size])
        assert mac.hex() not in str(caught.value)
    for bad in (mac[:3], b"", mac + b"\0"):
        with pytest.raises(IntegrityError, match="octets"):
            verify(mac, bad)


@pytest.mark.parametrize("function", Sha2)
def test_hmac_takes_any_key_length(function: Sha2) -> None:
    for size in (0, 16, 64, 200):
        assert hmac_sha2(bytes(size), b"data", function) != hmac_sha2(b"\1" * (size + 1), b"data", function)


def test_unionpay_block_follows_the_cipher() -> None:
    data = bytes(range(50))
    folded = bytearray(16)
    for place, octet in enumerate(data):
        folded[place % 16] ^= octet
    text = folded.hex().upper().encode()
    key = Sm4Key(TEST_KEY)
    once = key.encipher(text[:16])
    twice = key.encipher(bytes(a ^ b for a, b in zip(once, text[16:], strict=True)))
    assert unionpay_ecb_mac(key, data) == twice.hex().upper()[:8].encode()
