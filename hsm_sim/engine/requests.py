# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the engine can be asked, and what it answers: typed requests and results, free of any wire's codes.

A verification that fails is a result; a request that the engine will not carry out is :class:`Refused`.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

from hsm_sim.engine.key_types import KeyType
from hsm_sim.engine.wrapping import WrappedKey
from protocols.dukpt.ksn import TdesKsn
from protocols.emv.cryptogram import Version
from protocols.hsm.codes import KeyScheme
from protocols.mac import Padding
from protocols.pan import Pan
from protocols.pin.iso9564 import Format

R = TypeVar("R")


class Request(Generic[R]):
    """A request whose result is an ``R``."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class KeyUnderLmk:
    """A key as hosts hold it: the type that it is said to have, and its cryptogram under the LMK."""

    kind: KeyType
    wrapped: WrappedKey


# Keys


@dataclass(frozen=True, slots=True)
class LmkCheckValue(Request[bytes]):
    """Eight octets that tell one LMK from another."""


@dataclass(frozen=True, slots=True)
class Export:
    """Under which transport key, and how, a new key shall also be given out."""

    under: KeyUnderLmk
    scheme: KeyScheme


@dataclass(frozen=True, slots=True)
class GeneratedKey:
    """A new key under the LMK, under the transport key if asked for, and its check value of 3 octets."""

    under_lmk: WrappedKey
    exported: WrappedKey | None
    check_value: bytes


@dataclass(frozen=True, slots=True)
class GenerateKey(Request[GeneratedKey]):
    """Make a random key of a type."""

    kind: KeyType
    scheme: KeyScheme
    export: Export | None = None


@dataclass(frozen=True, slots=True)
class CheckValue(Request[bytes]):
    """The check value of a key, 3 or 8 octets."""

    key: KeyUnderLmk
    octets: int


# PINs


@dataclass(frozen=True, slots=True)
class EncipheredPin:
    """A PIN block as received: its octets, its format, and the account that it is bound to."""

    block: bytes
    format: Format
    pan: Pan


@dataclass(frozen=True, slots=True)
class TranslatedPin:
    """A PIN block under another key, and the number of digits of the PIN in it."""

    block: bytes
    digits: int


@dataclass(frozen=True, slots=True)
class TranslatePin(Request[TranslatedPin]):
    """Move a PIN block from one key to another, also to another format where ISO 9564-1 allows."""

    pin: EncipheredPin
    source: KeyUnderLmk
    destination: KeyUnderLmk
    format: Format


@dataclass(frozen=True, slots=True)
class Pvv:
    """A Visa PIN verification value and its key."""

    key: KeyUnderLmk
    index: int
    value: str


@dataclass(frozen=True, slots=True)
class VerifyPinByPvv(Request[bool]):
    """Whether the PIN in a block under a TPK or ZPK has this PVV."""

    pin: EncipheredPin
    key: KeyUnderLmk
    reference: Pvv


@dataclass(frozen=True, slots=True)
class VerifyDukptPinByPvv(Request[bool]):
    """Whether the PIN in a block under a TDES DUKPT key has this PVV."""

    pin: EncipheredPin
    bdk: KeyUnderLmk
    ksn: TdesKsn
    reference: Pvv


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


@dataclass(frozen=True, slots=True)
class MacInput:
    """What is MACed and how; ``chaining`` continues a message whose earlier pieces gave it."""

    key: KeyUnderLmk
    algorithm: MacAlgorithm
    padding: Padding
    piece: Piece
    data: bytes
    chaining: bytes | None = None


@dataclass(frozen=True, slots=True)
class MakeMac(Request[bytes]):
    """The MAC of a whole message or last piece, 8 octets; of a first or middle piece the chaining value."""

    input: MacInput


@dataclass(frozen=True, slots=True)
class VerifyMac(Request[bool]):
    """Whether ``mac`` is the left part of the MAC of a whole message or last piece."""

    input: MacInput
    mac: bytes


# Cards


@dataclass(frozen=True, slots=True)
class CardCodeInput:
    """What a card verification value is made of; ``expiry`` in the order that the issuer uses."""

    key: KeyUnderLmk
    pan: Pan
    expiry: str
    service_code: str


@dataclass(frozen=True, slots=True)
class MakeCardCode(Request[str]):
    """The card verification value, 3 digits."""

    input: CardCodeInput


@dataclass(frozen=True, slots=True)
class VerifyCardCode(Request[bool]):
    """Whether ``value`` is the card verification value."""

    input: CardCodeInput
    value: str


@dataclass(frozen=True, slots=True)
class CryptogramVerdict:
    """Whether the cryptogram was right (or was not looked at), and the issuer's answer if asked for."""

    right: bool
    arpc: bytes | None


@dataclass(frozen=True, slots=True)
class CheckCryptogram(Request[CryptogramVerdict]):
    """Verify an application cryptogram and, with ``response_code`` given, answer it; no answer to a wrong one."""

    key: KeyUnderLmk
    account: bytes
    version: Version
    data: bytes
    cryptogram: bytes
    verify: bool = True
    response_code: bytes | None = None
