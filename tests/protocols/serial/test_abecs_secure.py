# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: a packet comes out of its session as it went in; what was changed on the way is an IntegrityError."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import DecodeError, EncodeError, IntegrityError
from protocols.octets import crc16
from protocols.secret import ClearKey
from protocols.serial.abecs import LONGEST_DATA, Packet
from protocols.serial.abecs_messages import Command, Response, decode_command
from protocols.serial.abecs_secure import (
    LARGEST_CLEAR,
    SessionCipher,
    decode_open_secure,
    decode_opened,
    is_sealed,
    open_secure,
    opened_block,
    wrap_session_key,
)

VECTOR = json.loads((Path(__file__).parents[2] / "vectors/abecs_secure_session.json").read_text())
KEY = bytes.fromhex(VECTOR["session_key"])
CLEAR, SEALED = Packet(bytes.fromhex(VECTOR["clear"])), Packet(bytes.fromhex(VECTOR["sealed"]))
MODULUS = bytes(range(255, -1, -1))


@pytest.fixture(scope="module")
def rsa() -> RSAPrivateKey:
    return generate_private_key(65537, 2048)


def test_the_printed_example() -> None:
    with SessionCipher(KEY) as cipher:
        assert crc16(CLEAR.data, 0) == int(VECTOR["crc"], 16)
        assert cipher.seal(CLEAR) == SEALED
        assert cipher.open(SEALED) == CLEAR
    assert decode_command(CLEAR).name == "GIX"
    assert is_sealed(SEALED)
    assert not is_sealed(CLEAR)


@given(st.binary(min_size=1, max_size=LARGEST_CLEAR))
def test_any_packet_survives(data: bytes) -> None:
    with SessionCipher(KEY) as cipher:
        sealed = cipher.seal(Packet(data))
        assert cipher.open(sealed) == Packet(data)
        assert len(sealed.data) <= LONGEST_DATA


def test_every_changed_bit_is_noticed() -> None:
    with SessionCipher(KEY) as cipher:
        for place in range(8 * len(SEALED.data)):
            octets = bytearray(SEALED.data)
            octets[place // 8] ^= 1 << place % 8
            with pytest.raises(IntegrityError):
                cipher.open(Packet(bytes(octets)))


@pytest.mark.parametrize("cut", [1, 2, 16, 17, 31])
def test_pieces_are_refused(cut: int) -> None:
    with SessionCipher(KEY) as cipher, pytest.raises(IntegrityError):
        cipher.open(Packet(SEALED.data[:-cut]))


def test_what_does_not_fit_is_refused() -> None:
    with SessionCipher(KEY) as cipher:
        with pytest.raises(EncodeError):
            cipher.seal(Packet(bytes(LARGEST_CLEAR + 1)))
        with pytest.raises(IntegrityError):
            cipher.open(CLEAR)
    with pytest.raises(EncodeError):
        SessionCipher(bytes(8))


@pytest.mark.parametrize("exponent", [3, 13, 65537, 0xFFFFFF])
def test_openings_survive(exponent: int) -> None:
    assert decode_open_secure(decode_command(open_secure(MODULUS, exponent).packet())) == (MODULUS, exponent)


def test_an_opening_as_printed() -> None:
    """A modulus of 256 octets and the exponent 13: ``OPN519 0 256 modulus 1 0D``."""
    octets = open_secure(MODULUS, 13).packet().data
    assert octets.startswith(b"OPN5190256" + MODULUS.hex().upper().encode()[:8])
    assert octets.endswith(b"10D")


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"1256" + b"A" * 512 + b"10D",
        b"0128" + b"A" * 512 + b"10D",
        b"0256" + b"A" * 512,
        b"0256" + b"A" * 512 + b"40D",
        b"0256" + b"A" * 512 + b"10D0",
        b"0256" + b"G" * 512 + b"10D",
        b"0256" + b"A" * 512 + b"00D",
    ],
)
def test_other_openings_are_refused(block: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_open_secure(Command("OPN", (block,)))


def test_openings_that_cannot_be() -> None:
    for modulus, exponent in ((MODULUS[1:], 3), (MODULUS, 1), (MODULUS, 1 << 24)):
        with pytest.raises(EncodeError):
            open_secure(modulus, exponent)


def test_a_session_key_arrives(rsa: RSAPrivateKey) -> None:
    modulus = rsa.public_key().public_numbers().n.to_bytes(256, "big")
    wrapped = wrap_session_key(modulus, 65537, ClearKey(KEY))
    assert decode_opened(Response("OPN", 0, (opened_block(wrapped),))) == wrapped
    assert rsa.decrypt(wrapped, PKCS1v15()) == KEY
    with pytest.raises(DecodeError):
        wrap_session_key(bytes(256), 65537, ClearKey(KEY))


@pytest.mark.parametrize(
    "blocks", [(), (b"256",), (b"255" + b"A" * 512,), (b"256" + b"A" * 511,), (b"256" + b"G" * 512,)]
)
def test_other_answers_are_refused(blocks: tuple[bytes, ...]) -> None:
    with pytest.raises(DecodeError):
        decode_opened(Response("OPN", 0, blocks))
