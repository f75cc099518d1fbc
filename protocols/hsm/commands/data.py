# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Commands that encipher data: M0, M2, M4, HE, HG. Layouts only."""

from types import MappingProxyType
from typing import Annotated

from protocols.hsm.codes import USUAL_KSN_DESCRIPTOR, ErrorCode
from protocols.hsm.commands.command import AnyKey, Command, Descriptor, Ksn, Row, derives
from protocols.hsm.data_fields import NextValue
from protocols.hsm.evidence import Evidence
from protocols.hsm.fields import Choice, Counted, Hex, KeyField
from protocols.hsm.layout import Fields, When, layout

MODES = ("00", "01", "02", "03")
"""00 ECB, 01 CBC, 02 CFB of 8 bits, 03 CFB of whole blocks."""
CHAINED = ("01", "02", "03")
BINARY, HEXADECIMAL, TEXT = "0", "1", "2"
DUKPT_TYPES = ("009", "609", "809")
DATA_TYPES = ("00A", "00B", "30B", "FFF", *DUKPT_TYPES)

Mode = Annotated[str, Choice(MODES, refusal=ErrorCode.COMMAND_SPECIFIC_02)]
OutMode = Annotated[str, Choice(MODES, refusal=ErrorCode.COMMAND_SPECIFIC_07)]
InputFormat = Annotated[str, Choice((BINARY, HEXADECIMAL, TEXT), refusal=ErrorCode.COMMAND_SPECIFIC_03)]
OutputFormat = Annotated[str, Choice((BINARY, HEXADECIMAL, TEXT), refusal=ErrorCode.INVALID_TYPE_CODE)]
CipherFormat = Annotated[str, Choice((BINARY, HEXADECIMAL), refusal=ErrorCode.COMMAND_SPECIFIC_03)]
CipherOutputFormat = Annotated[str, Choice((BINARY, HEXADECIMAL), refusal=ErrorCode.INVALID_TYPE_CODE)]
DataKeyType = Annotated[str, Choice(DATA_TYPES, refusal=ErrorCode.INVALID_LENGTH_FLAG)]
OutKeyType = Annotated[str, Choice(DATA_TYPES, refusal=ErrorCode.COMMAND_SPECIFIC_08)]
Block = Annotated[bytes, Hex(16)]
LongBlock = Annotated[bytes, Hex(32)]
Data = Annotated[bytes, Counted(4, short=ErrorCode.COMMAND_SPECIFIC_06)]
"""As it travels; in hexadecimal two digits for an octet, and the length counts digits."""
DES, AES, NONE = "TDES", "AES", "none"


def _chaining(mode: str, key: KeyField) -> str:
    """Whose blocks the initial value of a mode is as long as."""
    if mode not in CHAINED:
        return NONE
    return AES if key.algorithm == "A" else DES


def _serial(key_type: str, key: KeyField) -> str:
    return "number" if key_type in DUKPT_TYPES or derives(key) else NONE


@layout
class DataNumber(Fields):
    """The key serial number behind a BDK, with its descriptor."""

    descriptor: Descriptor = USUAL_KSN_DESCRIPTOR
    ksn: Ksn


@layout
class M0(Fields):
    """Encipher data with a ZEK, DEK, TEK, or the data key of a serial number.

    Formats: 0 binary, 1 hexadecimal, 2 text, which must be printable.
    """

    mode: Mode
    input_format: InputFormat = BINARY
    output_format: CipherOutputFormat = BINARY
    key_type: DataKeyType
    key: AnyKey
    number: Annotated[DataNumber | None, When("derivation", "number")] = None
    iv: Annotated[Block | None, When("chaining", DES)] = None
    long_iv: Annotated[LongBlock | None, When("chaining", AES)] = None
    data: Data

    @property
    def derivation(self) -> str:
        """Whether the key is a BDK, by its type or its key block."""
        return _serial(self.key_type, self.key)

    @property
    def chaining(self) -> str:
        """How long the initial value is."""
        return _chaining(self.mode, self.key)


@layout
class M1(Fields):
    """The initial value for the next piece where the mode has one, and the data."""

    next_iv: Annotated[bytes | None, NextValue((32, 16))] = None
    data: Data


@layout
class M2(Fields):
    """Decipher data; fields as in M0."""

    mode: Mode
    input_format: CipherFormat = BINARY
    output_format: OutputFormat = BINARY
    key_type: DataKeyType
    key: AnyKey
    number: Annotated[DataNumber | None, When("derivation", "number")] = None
    iv: Annotated[Block | None, When("chaining", DES)] = None
    long_iv: Annotated[LongBlock | None, When("chaining", AES)] = None
    data: Data

    @property
    def derivation(self) -> str:
        """Whether the key is a BDK, by its type or its key block."""
        return _serial(self.key_type, self.key)

    @property
    def chaining(self) -> str:
        """How long the initial value is."""
        return _chaining(self.mode, self.key)


@layout
class M3(Fields):
    """As M1."""

    next_iv: Annotated[bytes | None, NextValue((32, 16))] = None
    data: Data


@layout
class M4(Fields):
    """Move enciphered data from one key to another; the clear data stays inside."""

    source_mode: Mode
    mode: OutMode
    input_format: CipherFormat = BINARY
    output_format: CipherOutputFormat = BINARY
    source_type: DataKeyType
    source: AnyKey
    source_number: Annotated[DataNumber | None, When("source_derivation", "number")] = None
    key_type: OutKeyType
    key: AnyKey
    number: Annotated[DataNumber | None, When("derivation", "number")] = None
    source_iv: Annotated[Block | None, When("source_chaining", DES)] = None
    source_long_iv: Annotated[LongBlock | None, When("source_chaining", AES)] = None
    iv: Annotated[Block | None, When("chaining", DES)] = None
    long_iv: Annotated[LongBlock | None, When("chaining", AES)] = None
    data: Data

    @property
    def source_derivation(self) -> str:
        """Whether the source key is a BDK."""
        return _serial(self.source_type, self.source)

    @property
    def derivation(self) -> str:
        """Whether the destination key is a BDK."""
        return _serial(self.key_type, self.key)

    @property
    def source_chaining(self) -> str:
        """How long the source's initial value is."""
        return _chaining(self.source_mode, self.source)

    @property
    def chaining(self) -> str:
        """How long the destination's initial value is."""
        return _chaining(self.mode, self.key)


@layout
class M5(Fields):
    """The data under the other key."""

    data: Data


@layout
class HE(Fields):
    """Encipher one block with a TAK."""

    tak: AnyKey
    block: Block


@layout
class HF(Fields):
    """The block."""

    block: Block


@layout
class HG(Fields):
    """Decipher one block with a TAK."""

    tak: AnyKey
    block: Block


@layout
class HH(Fields):
    """The block."""

    block: Block


_ERRORS = MappingProxyType(
    {
        "02": "invalid mode flag",
        "03": "invalid input format flag",
        "04": "invalid output format flag",
        "05": "invalid key type",
        "06": "invalid message length",
        "35": "illegal message format: text that is not printable",
    }
)
_NOTE = (
    "with hexadecimal data the length counts digits (two sources), not octets (two, one of which does both); "
    "modes 02 and 03 rest on one"
)
_MOVE_ERRORS = MappingProxyType({code: words for code, words in _ERRORS.items() if code != "35"})
_NO_USAGE = "no usage in a key block lets a MAC key encipher, so under a key block LMK the answer is A6"
_TAK = MappingProxyType({"10": "TAK parity error"})

ROWS: tuple[Row, ...] = (
    Command(
        "encipher data",
        M0,
        M1,
        Evidence(("UT", "DU", "I8", "J8"), vectors=1),
        {**_ERRORS, "10": "encryption key parity error"},
        note=_NOTE,
    ),
    Command(
        "decipher data",
        M2,
        M3,
        Evidence(("UT", "DU", "I8", "J8"), vectors=1),
        {**_ERRORS, "10": "decryption key parity error"},
        note=_NOTE,
    ),
    Command(
        "move data from one key to another",
        M4,
        M5,
        Evidence(("UT", "I8", "J8"), vectors=1),
        {
            **_MOVE_ERRORS,
            "07": "invalid destination mode flag",
            "08": "invalid destination key type",
            "10": "decryption key parity error",
            "11": "encryption key parity error",
        },
        note=_NOTE,
    ),
    Command("encipher a block, TAK", HE, HF, Evidence(("J8",)), _TAK, note=_NO_USAGE),
    Command("decipher a block, TAK", HG, HH, Evidence(("J8",)), _TAK, note=_NO_USAGE),
)
