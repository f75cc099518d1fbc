# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The slots of the vault as data: which key may rest in each, and what it may do there. Holds no key.

A slot is a purpose. What comes in a key block says in its header what it is (X9.143:2021, tables 3 to 6), and is taken
only where that is the slot's purpose: so no key that enciphers PINs is ever asked for anything else, and a key that
was made for data cannot be smuggled into the place of a PIN key.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from protocols.keyblock.codes import Algorithm
from protocols.keyblock.header import Header
from protocols.primitives import is_single_strength
from protocols.secret import ClearKey

TRANSPORT: Final = "transport"
PIN: Final = "pin"
DATA: Final = "data"
MAC_MASTER: Final = "mac-master"
BINDING: Final = "binding"

CREDENTIAL: Final = "credential"
"""No slot: the RSA key by which TR-34 brings keys. It is made here, and nothing is ever loaded in its place."""

LEAST_VERSIONS: Final = ("B", "D")
"""Versions that bind key and header well, and that the transport keys here can open; A and C do not bind as well."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a key came: under what, and how strong that is."""

    origin: str
    bits: int
    """Strength of what protected it (NIST SP 800-57 part 1 rev. 5, table 2)."""
    refusal: str = ""
    """Why nothing is taken that comes so, whatever it is."""

    @classmethod
    def of_block(cls, version: str, protection_octets: int) -> "Way":
        """By a key block of that version, under a transport key of so many octets."""
        why = (
            "" if version in LEAST_VERSIONS else f"version {version} of key block, {' or '.join(LEAST_VERSIONS)} taken"
        )
        return cls(f"block {version}", _strength("T" if version == "B" else "A", protection_octets), why)


@dataclass(frozen=True, slots=True)
class Slot:
    """One purpose."""

    name: str
    words: str
    usages: tuple[str, ...]
    modes: str
    lengths: Mapping[str, tuple[int, ...]]
    """Octets by algorithm."""
    dukpt: bool = False
    """Whether what rests here is a state of future keys rather than the key that came."""


_TDES_OR_AES = MappingProxyType({Algorithm.TDES.value: (16,), Algorithm.AES.value: (16, 24, 32)})

SLOTS: Mapping[str, Slot] = MappingProxyType(
    {
        slot.name: slot
        for slot in (
            Slot(
                TRANSPORT,
                "opens key blocks",
                ("K1",),
                "BDN",
                MappingProxyType({Algorithm.TDES.value: (16, 24), Algorithm.AES.value: (16, 24, 32)}),
            ),
            Slot(PIN, "DUKPT for PIN blocks alone", ("B1",), "XN", _TDES_OR_AES, dukpt=True),
            Slot(DATA, "DUKPT for account data alone", ("B1",), "XN", _TDES_OR_AES, dukpt=True),
            Slot(
                MAC_MASTER,
                "opens MAC session keys",
                ("K0",),
                "BDN",
                MappingProxyType({Algorithm.TDES.value: (16, 24)}),
            ),
            Slot(
                BINDING,
                "proves to the acquirer which terminal this is",
                ("M6",),
                "CGN",
                MappingProxyType({Algorithm.TDES.value: (16, 24), Algorithm.AES.value: (16, 24, 32)}),
            ),
        )
    }
)


def refusal(slot: Slot, header: Header, key: ClearKey, way: Way) -> str | None:
    """Why a key that came as ``header`` is not taken into ``slot``, in words; None where it is."""
    lengths = slot.lengths.get(header.algorithm)
    rules = (
        (not way.refusal, way.refusal),
        (header.usage in slot.usages, f"usage {header.usage}, {' or '.join(slot.usages)} expected in slot {slot.name}"),
        (header.mode in slot.modes, f"mode {header.mode}, one of {', '.join(slot.modes)} expected"),
        (lengths is not None, f"algorithm {header.algorithm} is not taken in slot {slot.name}"),
        (lengths is None or len(key) in lengths, f"{len(key)} octets are no key of slot {slot.name}"),
        (not header.is_component, "the block holds a component of a key, not a key"),
        (
            header.algorithm != Algorithm.TDES or len(key) < 16 or not is_single_strength(key),
            "parts of the TDES key are equal, so it is worth one DES key",
        ),
        (
            _strength(header.algorithm, len(key)) <= way.bits,
            "the key is stronger than the transport key that it came under",
        ),
    )
    return next((words for holds, words in rules if not holds), None)


def _strength(algorithm: str, octets: int) -> int:
    """Bits (NIST SP 800-57 part 1 rev. 5, table 2); of what is neither TDES nor AES nobody can say."""
    if algorithm == Algorithm.TDES:
        return {8: 56, 16: 80, 24: 112}.get(octets, 0)
    return 8 * octets if algorithm == Algorithm.AES else 0
