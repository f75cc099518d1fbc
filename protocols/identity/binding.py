# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The binding of a terminal: one machine, one merchant, one place; and the proof of it in each payment. Holds no key.

Five elements make a binding: acquirer, merchant number, the merchant's licence, the machine's serial number, and the
location. It has a version that only grows; a change of any element is a new version, and the old ones stay as history.

The proof of one payment is a CMAC (NIST SP 800-38B), its left 8 octets, over a label, the serial number, a random
factor and the binding's version. It travels beside them as text, so that the acquirer, who knows the serial number and
the version in force, can tell a terminal that moved, and one that is only called so.
"""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields

from protocols.errors import DecodeError, EncodeError
from protocols.primitives import BlockKey, Octets

FACTOR_OCTETS = 8
PROOF_OCTETS = 8
LARGEST_VERSION = 9_999
LABEL = b"tillguard binding proof 2\0"
"""What every message under a binding key begins with."""
_SHAPES: Mapping[str, tuple[re.Pattern[str], str]] = {
    "acquirer": (re.compile(r"[0-9]{6,11}", re.ASCII), "6 to 11 digits (ISO 8583 DE32)"),
    "merchant": (re.compile(r"[A-Z0-9 ]{1,15}", re.ASCII), "1 to 15 capitals, digits or blanks (ISO 8583 DE42)"),
    "licence": (re.compile(r"[A-Za-z0-9-]{4,32}", re.ASCII), "4 to 32 letters, digits and hyphens"),
    "serial": (re.compile(r"[A-Za-z0-9-]{4,32}", re.ASCII), "4 to 32 letters, digits and hyphens"),
    "location": (
        re.compile(r"[+-][0-9]{2}\.[0-9]{4}[+-][0-9]{3}\.[0-9]{4}", re.ASCII),
        "latitude and longitude as in +52.5200+013.4050 (ISO 6709)",
    ),
}
_PROOF = re.compile(rf"BP([0-9]{{4}})([0-9A-F]{{{2 * FACTOR_OCTETS}}})([0-9A-F]{{{2 * PROOF_OCTETS}}})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Binding:
    """The five elements. ``location`` is what the contract says, to about ten metres."""

    acquirer: str
    merchant: str
    licence: str
    serial: str
    location: str

    def faults(self) -> dict[str, str]:
        """What is wrong with each element, by its name; empty where all hold."""
        return {
            name: f"{words} expected"
            for name, (shape, words) in _SHAPES.items()
            if not shape.fullmatch(getattr(self, name))
        }

    def changed_to(self, other: "Binding") -> tuple[str, ...]:
        """Names of the elements that differ."""
        return tuple(one.name for one in fields(self) if getattr(self, one.name) != getattr(other, one.name))


@dataclass(frozen=True, slots=True)
class Proof:
    """One payment's proof as it travels."""

    version: int
    factor: bytes
    mac: bytes

    def encode(self) -> str:
        """As text: ``BP``, four digits of version, 16 of the factor, 16 of the proof, hexadecimal."""
        if not 1 <= self.version <= LARGEST_VERSION or (len(self.factor), len(self.mac)) != (
            FACTOR_OCTETS,
            PROOF_OCTETS,
        ):
            raise EncodeError(f"binding proof: version 1 to {LARGEST_VERSION}, factor and proof of 8 octets expected")
        return f"BP{self.version:04d}{self.factor.hex().upper()}{self.mac.hex().upper()}"


def read_proof(text: str) -> Proof:
    """A proof from its text; :class:`DecodeError` for anything else."""
    found = _PROOF.fullmatch(text)
    if found is None:
        raise DecodeError("binding proof", "BP, 4 digits, 16 and 16 hexadecimal digits expected")
    version, factor, mac = found.groups()
    return Proof(int(version), bytes.fromhex(factor), bytes.fromhex(mac))


def challenge(serial: str, factor: bytes, version: int) -> bytes:
    """What is proven, behind :data:`LABEL`."""
    return serial.encode("ascii") + b"\0" + factor + version.to_bytes(4, "big")


def proof(key: BlockKey, said: Octets) -> bytes:
    """The CMAC of a challenge, one whole block of the key's cipher; both sides."""
    return key.cmac(LABEL + bytes(said))


def holds(key: BlockKey, serial: str, received: Proof) -> bool:
    """Whether a proof is that of the machine with this serial number; the acquirer's side, in constant time."""
    made = proof(key, challenge(serial, received.factor, received.version))
    return hmac.compare_digest(made[:PROOF_OCTETS], received.mac)
