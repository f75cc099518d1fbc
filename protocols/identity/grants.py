# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What a technician may do at a terminal, as head office's persons sign it: a statement. Believes none, keeps none.

A grant names the technician, the actions, and one proof of who they are: a public key (Ed25519), or a TOTP secret
(RFC 6238) that is sealed to the terminal's own key, so that neither the paper way nor the broker sees it. It holds for
one terminal, for a while, and works without a line to head office.
"""

import json
import re
from base64 import b64decode, b64encode
from binascii import Error as BinasciiError
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from protocols.errors import DecodeError, EncodeError
from protocols.signed import Statement
from protocols.strict_json import strict_object

KIND = "technician-grant"
LONGEST_S = 30 * 24 * 3600
KEY_OCTETS = 32
LARGEST_BOX = 512
LARGEST_GRANT = 16_384  # octets, signatures included
_PERSON = re.compile(r"[\w.'-]{1,32}( [\w.'-]{1,32}){0,3}")
_NAMES = frozenset({"person", "actions", "key", "totp"})


class Action(StrEnum):
    """What a technician may be let in for."""

    DIAGNOSTICS = "diagnostics"
    DEVICES = "devices"
    RECOVER = "recover"
    KEYS = "keys"


WORDS: Mapping[Action, str] = MappingProxyType(
    {
        Action.DIAGNOSTICS: "look: readers, pads, lines, the audit log",
        Action.DEVICES: "exchange a reader or pad",
        Action.RECOVER: "apply anew with fresh keys",
        Action.KEYS: "be there when keys are loaded",
    }
)


@dataclass(frozen=True, slots=True)
class Grant:
    """Who may do what, and how they prove who they are: ``key`` of 32 octets, or ``totp``, a sealed box."""

    person: str
    actions: tuple[Action, ...]
    key: bytes = b""
    totp: bytes = b""

    def statement(self, terminal: str, version: int, from_s: int, until_s: int) -> Statement:
        """As a statement to sign; :class:`EncodeError` for what :func:`read_grant` would refuse, or too long a time."""
        if until_s - from_s > LONGEST_S:
            raise EncodeError(f"grant: at most {LONGEST_S // 86_400} days expected")
        body = {
            "person": self.person,
            "actions": [action.value for action in self.actions],
            "key": b64encode(self.key).decode("ascii"),
            "totp": b64encode(self.totp).decode("ascii"),
        }
        text = json.dumps(body, ensure_ascii=True, separators=(",", ":"))
        try:
            read_grant(text)
        except DecodeError as fault:
            raise EncodeError(str(fault)) from None
        return Statement(KIND, terminal, version, from_s, until_s, text)


def box_context(terminal: str, person: str) -> bytes:
    """What a TOTP secret's box is bound to."""
    return f"tillguard technician {terminal} {person}".encode()


def to_be_answered(terminal: str, action: Action, challenge: bytes) -> bytes:
    """What a technician's key signs to be let in, once."""
    return b"tillguard technician, version 1\n" + f"{terminal} {action}\n".encode("ascii") + challenge


def read_grant(body: str) -> Grant:
    """What a statement's body says; :class:`DecodeError` for anything else."""
    found = strict_object(body.encode("utf-8"), "grant", _NAMES)
    person, listed = found["person"], found["actions"]
    if not isinstance(person, str) or not _PERSON.fullmatch(person):
        raise DecodeError("grant, person", "a name of one to four words expected")
    if not isinstance(listed, list) or not listed or len(listed) != len({str(one) for one in listed}):
        raise DecodeError("grant, actions", "a list of different actions expected")
    try:
        actions = tuple(Action(one) for one in listed)
    except ValueError:
        raise DecodeError("grant, actions", f"some of {', '.join(Action)} expected") from None
    key, totp = (_octets(found[name], name) for name in ("key", "totp"))
    if bool(key) == bool(totp) or len(key) not in (0, KEY_OCTETS) or len(totp) > LARGEST_BOX:
        raise DecodeError("grant", f"either a key of {KEY_OCTETS} octets or a sealed TOTP secret expected")
    return Grant(person, actions, key, totp)


def _octets(text: object, name: str) -> bytes:
    try:
        if isinstance(text, str):
            return b64decode(text.encode("ascii"), validate=True)
    except (BinasciiError, UnicodeEncodeError):
        pass
    raise DecodeError(f"grant, {name}", "base64 expected")
