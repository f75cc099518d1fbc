# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the engine can be asked, and what it answers: typed requests and results, free of any wire's codes.

A verification that fails is a result; a request that the engine will not carry out is :class:`Refused`.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar, dataclass_transform

from hsm_sim.engine.key_types import KeyType
from hsm_sim.engine.wrapping import WrappedKey
from protocols.emv.cryptogram import Version
from protocols.hsm.codes import KeyScheme
from protocols.hsm.key_block import BlockHeader
from protocols.mac import Padding
from protocols.pan import Pan
from protocols.pin.iso9564 import Format

R = TypeVar("R")
T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def record(shape: type[T]) -> type[T]:
    """A dataclass that the type checker holds to be frozen; freezing at run time triples the cost of making one."""
    return dataclass(slots=True)(shape)


class Request(Generic[R]):
    """A request whose result is an ``R``."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, eq=False)
class KeyUnderLmk:
    """A key as hosts hold it: the type that it is said to have, and its cryptogram under the LMK.

    The keyring remembers live keys by this object and not by its content, so a face gives one object for one field.
    """

    kind: KeyType
    wrapped: WrappedKey


# Keys


@record
class LmkCheckValue(Request[bytes]):
    """Eight octets that tell one LMK from another."""


@record
class Export:
    """Under which transport key, and how, a new key shall also be given out."""

    under: KeyUnderLmk
    scheme: KeyScheme
    exportability: str = "N"
    """What its key block says there, where it travels in one."""


@record
class BlockKind:
    """What a new key is under a key block LMK: what its block shall say, and its length in octets."""

    header: BlockHeader
    octets: int


@record
class GeneratedKey:
    """A new key under the LMK, under the transport key if asked for, and its check value of 8 octets."""

    under_lmk: WrappedKey
    exported: WrappedKey | None
    check_value: bytes


@record
class GenerateKey(Request[GeneratedKey]):
    """Make a random key of a type."""

    kind: KeyType
    scheme: KeyScheme
    export: Export | None = None
    block: BlockKind | None = None


@record
class CheckValue(Request[bytes]):
    """The check value of a key, 3 or 8 octets."""

    key: KeyUnderLmk
    octets: int


# PINs


@record
class EncipheredPin:
    """A PIN block as received: its octets, its format, and the account that it is bound to."""

    block: bytes
    format: Format
    pan: Pan


@record
class TranslatedPin:
    """A PIN block under another key, and the number of digits of the PIN in it."""

    block: bytes
    digits: int


@record
class TranslatePin(Request[TranslatedPin]):
    """Move a PIN block from one key to another, also to another format where ISO 9564-1 allows."""

    pin: EncipheredPin
    source: KeyUnderLmk
    destination: KeyUnderLmk
    format: Format


@record
class Pvv:
    """A Visa PIN verification value and its key; of ``pan``, where given, it is made instead of the block's account."""

    key: KeyUnderLmk
    index: int
    value: str
    pan: Pan | None = None


# MACs


class Piece(Enum):
    """Which piece of a message a MAC request carries."""

    WHOLE = "whole"
    FIRST = "first"
    MIDDLE = "middle"
    LAST = "last"


class MacAlgorithm(Enum):
    """Algorithms of ISO/IEC 9797-1 by their number."""

    CBC = 1
    RETAIL = 3


@record
class MacInput:
    """What is MACed and how; ``chaining`` continues a message whose earlier pieces gave it."""

    key: KeyUnderLmk
    algorithm: MacAlgorithm
    padding: Padding
    piece: Piece
    data: bytes
    chaining: bytes | None = None


@record
class MakeMac(Request[bytes]):
    """The MAC of a whole message or last piece, 8 octets; of a first or middle piece the chaining value."""

    input: MacInput


@record
class VerifyMac(Request[bool]):
    """Whether ``mac`` is the left part of the MAC of a whole message or last piece."""

    input: MacInput
    mac: bytes


# Cards


@record
class CardCodeInput:
    """What a card verification value is made of; ``expiry`` in the order that the issuer uses."""

    key: KeyUnderLmk
    pan: Pan
    expiry: str
    service_code: str


@record
class MakeCardCode(Request[str]):
    """The card verification value, 3 digits."""

    input: CardCodeInput


@record
class VerifyCardCode(Request[bool]):
    """Whether ``value`` is the card verification value."""

    input: CardCodeInput
    value: str


@record
class MakeSecurityCodes(Request[str]):
    """American Express card security codes of 5, 4 and 3 digits in a row."""

    key: KeyUnderLmk
    pan: Pan
    expiry: str


@record
class VerifySecurityCodes(Request[bool]):
    """Whether ``codes`` are the three in a row."""

    key: KeyUnderLmk
    pan: Pan
    expiry: str
    codes: str


@record
class CryptogramVerdict:
    """Whether the cryptogram was right (or was not looked at), and the issuer's answer if asked for."""

    right: bool
    arpc: bytes | None


@record
class StatusUpdate:
    """What an answer by method 2 tells the card (EMV 4.3 Book 2, 8.2.2): 4 octets, and up to 8 of the issuer's own."""

    update: bytes
    proprietary: bytes = b""


@record
class CheckCryptogram(Request[CryptogramVerdict]):
    """Verify an application cryptogram and, with ``answer`` given, answer it; no answer to a wrong one.

    ``answer`` is a response code of 2 octets, by method 1, or a status update, by method 2. ``counter`` and
    ``unpredictable_number`` make the session key where ``version`` has one.
    """

    key: KeyUnderLmk
    account: bytes
    version: Version
    data: bytes
    cryptogram: bytes
    verify: bool = True
    answer: bytes | StatusUpdate | None = None
    counter: bytes = bytes(2)
    unpredictable_number: bytes = bytes(4)
