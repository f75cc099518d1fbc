# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Commands on digests and HMACs: GM, L0, LQ, LS. Layouts only."""

from typing import Annotated

from protocols.hsm.codes import ErrorCode
from protocols.hsm.commands.command import Command, Row
from protocols.hsm.data_fields import After, CountedOctets
from protocols.hsm.evidence import Evidence
from protocols.hsm.fields import Choice, Digits, Rest
from protocols.hsm.layout import Fields, layout

HASHES = ("01", "02", "05", "06", "07", "08")
"""01 SHA-1, 02 MD5, 05 SHA-224, 06 SHA-256, 07 SHA-384, 08 SHA-512."""
HMAC_HASHES = ("01", "05", "06", "07", "08")
LARGEST_DATA = 0xFFFF
LARGEST_KEY = 256
LARGEST_DIGEST = 64

HashId = Annotated[str, Choice(HASHES, refusal=ErrorCode.INVALID_LENGTH_FLAG)]
HmacHash = Annotated[str, Choice(HMAC_HASHES, refusal=ErrorCode.INVALID_LENGTH_FLAG)]
KeyFormat = Annotated[str, Choice(("00",), refusal=ErrorCode.COMMAND_SPECIFIC_06)]
"""00: the unit's own form under its LMK."""
HmacKey = Annotated[bytes, CountedOctets(4, LARGEST_KEY)]
Digest = Annotated[bytes, CountedOctets(4, LARGEST_DIGEST)]
Data = Annotated[bytes, CountedOctets(5, LARGEST_DATA)]
DataBehind = Annotated[bytes, After(b";", CountedOctets(5, LARGEST_DATA))]
DigestLength = Annotated[str, Digits(4)]


@layout
class GM(Fields):
    """Hash data."""

    hash_id: HashId
    data: Data


@layout
class GN(Fields):
    """The digest, in octets."""

    digest: Annotated[bytes, Rest(LARGEST_DIGEST)]


@layout
class L0(Fields):
    """Make an HMAC key of so many octets for one hash function."""

    hash_id: HmacHash
    key_format: KeyFormat = "00"
    length: DigestLength


@layout
class L1(Fields):
    """The key under the LMK."""

    key: HmacKey


@layout
class LQ(Fields):
    """Make an HMAC of so many octets."""

    hash_id: HmacHash
    length: DigestLength
    key_format: KeyFormat = "00"
    key: HmacKey
    data: DataBehind


@layout
class LR(Fields):
    """The HMAC, in octets."""

    hmac: Digest


@layout
class LS(Fields):
    """Verify an HMAC."""

    hash_id: HmacHash
    hmac: Digest
    key_format: KeyFormat = "00"
    key: HmacKey
    data: DataBehind


@layout
class LT(Fields):
    """Nothing: the error code is the answer."""


_OWN = "a key under the LMK is in a form of our own: no public source shows a unit's"

ROWS: tuple[Row, ...] = (
    Command(
        "hash data",
        GM,
        GN,
        Evidence(("TS", "UT", "I8"), vectors=5),
        {"05": "invalid hash identifier", "80": "data length"},
    ),
    Command(
        "make an HMAC key",
        L0,
        L1,
        Evidence(),
        {"05": "invalid hash identifier", "06": "invalid key format", "80": "invalid key length"},
        note="one source names the command, none its fields; " + _OWN,
    ),
    Command(
        "make an HMAC",
        LQ,
        LR,
        Evidence(("DU",)),
        {
            "05": "invalid hash identifier",
            "06": "invalid key format",
            "80": "invalid length",
            "49": "no such key",
            "78": "key length error",
        },
        note=_OWN,
    ),
    Command(
        "verify an HMAC",
        LS,
        LT,
        Evidence(("DU",)),
        {
            "01": "HMAC verification failed",
            "05": "invalid hash identifier",
            "06": "invalid key format",
            "80": "invalid length",
            "49": "no such key",
            "78": "key length error",
        },
        note=_OWN,
    ),
)
