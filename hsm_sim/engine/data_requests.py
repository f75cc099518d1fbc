# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Requests about data that is not a PIN: enciphering, moving, hashing, MACs under DUKPT keys. No wire."""

from enum import Enum

from hsm_sim.engine.requests import KeyUnderLmk, Request, record
from protocols.dukpt.ksn import TdesKsn


class Mode(Enum):
    """Modes of operation of ISO/IEC 10116."""

    ECB = "ECB"
    CBC = "CBC"
    CFB_8 = "CFB, 8 bits"
    CFB = "CFB, whole blocks"


@record
class DataKey:
    """A data key, or a BDK with the serial number whose data key is meant."""

    key: KeyUnderLmk
    ksn: TdesKsn | None = None


@record
class Chained:
    """A mode and the initial value that it starts from; none with ECB."""

    mode: Mode
    iv: bytes | None = None


@record
class Processed:
    """Data, and the initial value of the piece that follows; none with ECB."""

    data: bytes
    next_iv: bytes | None


@record
class EncipherData(Request[Processed]):
    """Clear data under a key."""

    key: DataKey
    how: Chained
    data: bytes


@record
class DecipherData(Request[Processed]):
    """The clear data again."""

    key: DataKey
    how: Chained
    data: bytes


@record
class MoveData(Request[bytes]):
    """Data from under one key to under another; it is not seen clear."""

    source: DataKey
    source_how: Chained
    destination: DataKey
    how: Chained
    data: bytes


@record
class EncipherBlock(Request[bytes]):
    """One block under a key that may do that."""

    key: KeyUnderLmk
    block: bytes


@record
class DecipherBlock(Request[bytes]):
    """One block from under a key that may do that."""

    key: KeyUnderLmk
    block: bytes


@record
class MakeDukptMac(Request[bytes]):
    """The retail MAC (X9.19) of a message of a terminal under its DUKPT key for requests, 8 octets."""

    bdk: KeyUnderLmk
    ksn: TdesKsn
    data: bytes


@record
class VerifyDukptMac(Request[bool]):
    """Whether ``mac`` is the left part of that MAC."""

    bdk: KeyUnderLmk
    ksn: TdesKsn
    data: bytes
    mac: bytes


class Hash(Enum):
    """Hash functions by the names of FIPS 180-4 and RFC 1321."""

    MD5 = "md5"
    SHA_1 = "sha1"
    SHA_224 = "sha224"
    SHA_256 = "sha256"
    SHA_384 = "sha384"
    SHA_512 = "sha512"


@record
class MakeHmacKey(Request[bytes]):
    """A random HMAC key for one hash function, sealed under the LMK."""

    function: Hash
    octets: int


@record
class MakeHmac(Request[bytes]):
    """The left ``octets`` of an HMAC."""

    function: Hash
    key: bytes
    data: bytes
    octets: int


@record
class VerifyHmac(Request[bool]):
    """Whether ``hmac`` is the left part of the HMAC."""

    function: Hash
    key: bytes
    data: bytes
    hmac: bytes
