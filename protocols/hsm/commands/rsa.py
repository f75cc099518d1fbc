# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Commands on RSA keys and signatures: EI, EO, EW, EY. Layouts only."""

from types import MappingProxyType
from typing import Annotated

from protocols.hsm.codes import ErrorCode
from protocols.hsm.commands.command import Command, Row
from protocols.hsm.data_fields import After, CountedOctets, DerSequence
from protocols.hsm.evidence import Evidence
from protocols.hsm.fields import Choice, Digits, Octets
from protocols.hsm.layout import Fields, layout

LARGEST_DER = 1100
LARGEST_PRIVATE = 4096
LARGEST_SIGNATURE = 512
LARGEST_MESSAGE = 9999
HASHES = ("01", "04", "05", "06", "07", "08")
"""01 SHA-1, 05 SHA-224, 06 SHA-256, 07 SHA-384, 08 SHA-512; 04: the data is already a DigestInfo."""

Encoding = Annotated[str, Choice(("01", "02"), refusal=ErrorCode.COMMAND_SPECIFIC_03)]
"""DER with integers unsigned (01) or signed (02)."""
HashId = Annotated[str, Choice(HASHES, refusal=ErrorCode.INVALID_LENGTH_FLAG)]
SignatureId = Annotated[str, Choice(("01",), refusal=ErrorCode.COMMAND_SPECIFIC_06)]
PadMode = Annotated[str, Choice(("01",), refusal=ErrorCode.COMMAND_SPECIFIC_07)]
PublicKey = Annotated[bytes, DerSequence(LARGEST_DER)]
KeyMac = Annotated[bytes, Octets(4)]
Message = CountedOctets(4, LARGEST_MESSAGE)


@layout
class EI(Fields):
    """Make an RSA key pair: type 0 for signatures, 1 for key management, 2 for both; length in bits."""

    key_type: Annotated[str, Choice(("0", "1", "2"), refusal=ErrorCode.INVALID_LENGTH_FLAG)]
    bits: Annotated[str, Digits(4, refusal=ErrorCode.INVALID_TYPE_CODE)]
    encoding: Encoding = "01"


@layout
class EJ(Fields):
    """The public key, and the private key under the LMK."""

    public_key: PublicKey
    private_key: Annotated[bytes, CountedOctets(4, LARGEST_PRIVATE)]


@layout
class EO(Fields):
    """Take a public key in: vouch for it to this unit."""

    encoding: Encoding = "01"
    public_key: PublicKey


@layout
class EP(Fields):
    """A MAC over the key under the LMK, and the key."""

    mac: KeyMac
    public_key: PublicKey


@layout
class EW(Fields):
    """Sign data."""

    hash_id: HashId
    signature_id: SignatureId = "01"
    pad_mode: PadMode = "01"
    data: Annotated[bytes, Message]
    flag: Annotated[str, After(b";", Choice(("99",), refusal=ErrorCode.INVALID_TYPE_CODE))] = "99"
    """99: the private key follows."""
    private_key: Annotated[bytes, CountedOctets(4, LARGEST_PRIVATE)]


@layout
class EX(Fields):
    """The signature."""

    signature: Annotated[bytes, CountedOctets(4, LARGEST_SIGNATURE)]


@layout
class EY(Fields):
    """Verify a signature with a public key that this unit vouched for."""

    hash_id: HashId
    signature_id: SignatureId = "01"
    pad_mode: PadMode = "01"
    signature: Annotated[bytes, CountedOctets(4, LARGEST_SIGNATURE)]
    data: Annotated[bytes, After(b";", Message)]
    mac: Annotated[bytes, After(b";", Octets(4))]
    public_key: PublicKey


@layout
class EZ(Fields):
    """Nothing: the error code is the answer."""


_IDENTIFIERS = MappingProxyType(
    {
        "05": "invalid hash identifier",
        "06": "invalid signature identifier",
        "07": "invalid pad mode identifier",
        "74": "invalid digest info syntax",
        "80": "data length error",
    }
)

ROWS: tuple[Row, ...] = (
    Command(
        "generate an RSA key pair",
        EI,
        EJ,
        Evidence(("UT", "I8", "PT", "KA")),
        {
            "03": "invalid public key encoding",
            "04": "key length error",
            "05": "invalid key type",
        },
        note="the public exponent is 65537; the private key under the LMK is in a form of our own; one source says "
        "that type 0 is for key management and 1 for signatures, so only 2 is safe to use",
    ),
    Command(
        "take a public key in",
        EO,
        EP,
        Evidence(("KA",)),
        {"03": "invalid public key encoding", "04": "key length error"},
        note="how a unit computes the MAC is not public: ours is own; further data to authenticate, and the form under "
        "a key block LMK (`~`, `#` and attributes), are not taken",
    ),
    Command(
        "sign data",
        EW,
        EX,
        Evidence(("UT", "I8", "KA")),
        {
            "03": "invalid private key type",
            "04": "invalid private key flag",
            **_IDENTIFIERS,
            "49": "no such private key",
            "78": "private key length error",
        },
        note="PKCS #1 v1.5; the private key is in a form of our own; a key in user storage (`K`), and the length "
        "`FFFF` that one source writes under a key block LMK, are not taken",
    ),
    Command(
        "verify a signature",
        EY,
        EZ,
        Evidence(("KA",)),
        {"01": "MAC of the public key failed", "02": "signature verification failed", **_IDENTIFIERS},
        note="a public key in a key block, as the source writes it under a key block LMK, is not taken",
    ),
)
