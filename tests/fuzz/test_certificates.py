# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: whatever comes as a certificate or as a request for one, only :class:`DecodeError` comes of it.

A terminal's request travels in a report, and one that could not be read must not hold up the others' renewals.
"""

import base64
import random
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from fleet_console.authority import read_request, serial_of
from protocols.errors import DecodeError
from protocols.telemetry.keys import from_certificate, valid_ms
from terminal_agent.identity import certificates

CASES = 1_500
_KEY = ec.derive_private_key(0x7117, ec.SECP256R1())
_NAME = x509.Name(
    [x509.NameAttribute(NameOID.COMMON_NAME, "TG000001"), x509.NameAttribute(NameOID.SERIAL_NUMBER, "SN-1")]
)


def request() -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(_NAME)
    return builder.sign(_KEY, hashes.SHA256(), ecdsa_deterministic=True).public_bytes(Encoding.DER)


def certificate() -> bytes:
    builder = x509.CertificateBuilder().subject_name(_NAME).issuer_name(_NAME).public_key(_KEY.public_key())
    builder = builder.not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
    builder = builder.not_valid_after(datetime(2027, 1, 1, tzinfo=UTC))
    return builder.serial_number(7).sign(_KEY, hashes.SHA256(), ecdsa_deterministic=True).public_bytes(Encoding.DER)


REQUEST, CERTIFICATE = request(), certificate()


def pem(der: bytes, label: bytes) -> bytes:
    return b"-----BEGIN " + label + b"-----\n" + base64.encodebytes(der) + b"-----END " + label + b"-----\n"


def spoilt(der: bytes, chance: random.Random) -> bytes:
    octets = bytearray(der)
    for _ in range(chance.choice((1, 1, 2, 4))):
        place = chance.randrange(len(octets))
        match chance.randrange(3):
            case 0:
                octets[place] = chance.randrange(256)
            case 1:
                del octets[place : place + chance.randrange(1, 4)]
            case _:
                octets[place:place] = chance.randbytes(chance.randrange(1, 3))
    return bytes(octets)


READERS: dict[str, Callable[[bytes], object]] = {
    "serial": serial_of,
    "report key": lambda octets: from_certificate(octets, "x"),
    "validity": lambda octets: valid_ms(octets, "x"),
    "slot": lambda octets: certificates.read(octets, "x"),
}


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@pytest.mark.parametrize("reader", READERS)
def test_certificates(reader: str) -> None:
    chance = random.Random(reader)
    for _ in range(CASES):
        with suppress(DecodeError):
            READERS[reader](pem(spoilt(CERTIFICATE, chance), b"CERTIFICATE"))


def test_requests() -> None:
    chance = random.Random("requests")
    for _ in range(2 * CASES):
        with suppress(DecodeError):
            read_request(pem(spoilt(REQUEST, chance), b"CERTIFICATE REQUEST").decode("ascii"))


@pytest.mark.parametrize("version", [1, 8, 55])
def test_a_version_that_there_is_not(version: int) -> None:
    wrong = REQUEST.replace(b"\x02\x01\x00", bytes([2, 1, version]), 1)
    with pytest.raises(DecodeError, match="PKCS #10"):
        read_request(pem(wrong, b"CERTIFICATE REQUEST").decode("ascii"))
    wrong = CERTIFICATE.replace(b"\x02\x01\x02", bytes([2, 1, version + 5]), 1)
    for read in READERS.values():
        with pytest.raises(DecodeError):
            read(pem(wrong, b"CERTIFICATE"))
