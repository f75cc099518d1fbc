# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the issuer answers to the chip: code, authentication data, scripts. It believes nothing and sends nothing.

The octets come out of a message whose MAC the caller has verified; what they say is for the card to check.
"""

from collections.abc import Iterator
from typing import NamedTuple

from protocols.emv import tlv
from protocols.emv.tags import Tag
from protocols.errors import DecodeError

AUTHENTICATION_OCTETS = range(8, 17)  # EMV 4.4 Book 3, Annex A1, tag 91
CODE_LENGTH = 2  # ibid., tag 8A


class Script(NamedTuple):
    """An issuer script: its identifier (4 octets, zeros where it has none) and its commands (Book 3, 10.10)."""

    identifier: bytes
    commands: tuple[bytes, ...]


class IssuerAnswer(NamedTuple):
    """The issuer's decision and what goes with it to the card."""

    code: str
    """Authorisation response code, 8A: two characters, as data element 39 has them."""
    approved: bool
    authentication: bytes = b""
    before: tuple[Script, ...] = ()
    """Scripts in template 71: before the second cryptogram."""
    after: tuple[Script, ...] = ()
    """Scripts in template 72: after it."""
    fault: str = ""
    """Why data that came are not used."""

    @classmethod
    def from_message(cls, code: str, *, approved: bool, icc: bytes) -> "IssuerAnswer":
        """Read data element 55 of an answer (EMV 4.4 Book 4, 12.2); unreadable data count as none, with the reason.

        Raises ValueError for a code that is not two characters: such an answer must not get this far.
        """
        if len(code) != CODE_LENGTH or not code.isascii():
            raise ValueError("response code: two characters expected")
        where = "issuer data"
        try:
            objects = tlv.decode(icc, where=where)
            proof = objects.first(Tag.ISSUER_AUTHENTICATION_DATA) or b""
            if proof and len(proof) not in AUTHENTICATION_OCTETS:
                raise DecodeError(where, f"authentication data of {len(proof)} octets, 8 to 16 expected")
            before = tuple(_scripts(objects, Tag.ISSUER_SCRIPT_1))
            after = tuple(_scripts(objects, Tag.ISSUER_SCRIPT_2))
        except DecodeError as refused:
            return cls(code, approved, fault=str(refused))
        return cls(code, approved, proof, before, after)


def _scripts(objects: tlv.Objects, template: Tag) -> Iterator[Script]:
    for script in objects.every(template):
        if not isinstance(script, tlv.Objects):
            continue
        identifier = script.first(Tag.ISSUER_SCRIPT_IDENTIFIER) or bytes(4)
        commands = tuple(value for value in script.every(Tag.ISSUER_SCRIPT_COMMAND) if isinstance(value, bytes))
        if len(identifier) != 4:
            raise DecodeError("issuer data", f"a script identifier of {len(identifier)} octets, 4 expected")
        yield Script(identifier, commands)
