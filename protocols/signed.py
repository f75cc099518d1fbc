# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Statements that persons sign: policies, exceptions, orders, updates. Decides whether to believe one; keeps no file.

A statement says what it is (kind), for whom (a terminal, or every one), which version, from when until when, and its
body, a text. It travels in an envelope, one JSON document::

    {"statement":"<base64>","signatures":[{"key":"<16 hex digits>","signature":"<base64>"}]}

Signed with Ed25519 (RFC 8032) are the octets of the statement behind a line that no other use of the keys begins with.
It is believed when enough different persons signed it, each with a key that may sign this kind; when it is of the kind
and for the terminal in question; when its time has come and is not over; and when it is not older than what was
believed before. Nothing of a statement is read before a known key has signed it.

What this cannot do: notice that a newer statement is being kept back (its end does that), or that the floor itself was
rolled back with the disk. The verifying function is an argument, so that a process with few libraries brings its own.
"""

import json
import re
from base64 import b64decode, b64encode
from binascii import Error as BinasciiError
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any

from protocols.errors import DecodeError, EncodeError, IntegrityError
from protocols.public_key import PUBLIC_OCTETS
from protocols.strict_json import strict_object

LARGEST = 2 << 20  # an envelope: a policy of 1 MiB in base64, and its signatures
MOST_SIGNATURES = 16
EVERY_TERMINAL = "*"
_CONTEXT = b"tillguard signed statement, version 1\n"
_KIND = re.compile(r"[a-z][a-z0-9-]{0,31}", re.ASCII)
_AUDIENCE = re.compile(r"[A-Za-z0-9-]{1,32}|\*", re.ASCII)
_KEY_ID = re.compile(r"[0-9a-f]{16}", re.ASCII)
_LATEST_S = 253_402_300_799  # the end of the year 9999
_NAMES = {"kind": str, "for": str, "version": int, "from_s": int, "until_s": int, "body": str}

Verify = Callable[[bytes, bytes, bytes], bool]
"""Ed25519: public key of 32 octets, message, signature of 64 octets; whether it fits."""
Sign = Callable[[bytes], bytes]
"""Ed25519 by one person's key: message to signature."""


class Cause(StrEnum):
    """Why a statement is not believed."""

    NOBODY = "no known key signed it"
    TOO_FEW = "too few persons signed it"
    OTHER_KIND = "it is of another kind"
    OTHER_TERMINAL = "it is for another terminal"
    NOT_YET = "its time has not come"
    OVER = "its time is over"
    OLD = "a newer version was believed before"
    TWIN = "another statement of this version was believed before"
    AGAIN = "this very statement was believed before"
    SKIPS = "it skips versions"


class Refused(IntegrityError):
    """A statement that is not believed: ``cause``, and what was found and expected."""

    def __init__(self, cause: Cause, more: str = "") -> None:
        super().__init__(f"{cause}{f': {more}' if more else ''}")
        self.cause = cause


@dataclass(frozen=True, slots=True)
class Statement:
    """What is said."""

    kind: str
    audience: str
    version: int
    from_s: int
    until_s: int
    body: str

    def encode(self) -> bytes:
        """Its octets, which are what is signed; :class:`EncodeError` for what could not be read back."""
        document = dict(zip(_NAMES, (self.kind, self.audience, self.version, self.from_s, self.until_s, self.body),
                            strict=True))  # fmt: skip
        try:
            _checked(document)
        except DecodeError as fault:
            raise EncodeError(str(fault)) from None
        return json.dumps(document, ensure_ascii=True, separators=(",", ":")).encode("ascii")


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature and the key that is said to have made it."""

    key_id: str
    octets: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """A statement's octets, not believed yet, and signatures."""

    statement: bytes
    signatures: tuple[Signature, ...] = ()

    def encode(self) -> bytes:
        """As one line of JSON."""
        document = {
            "statement": b64encode(self.statement).decode("ascii"),
            "signatures": [
                {"key": one.key_id, "signature": b64encode(one.octets).decode("ascii")} for one in self.signatures
            ],
        }
        return json.dumps(document, separators=(",", ":")).encode("ascii") + b"\n"

    def signed_by(self, public: bytes, sign: Sign) -> "Envelope":
        """With one signature more; a key that has signed already signs anew."""
        mine = Signature(key_id(public), sign(to_be_signed(self.statement)))
        others = tuple(one for one in self.signatures if one.key_id != mine.key_id)
        return Envelope(self.statement, (*others, mine))

    @property
    def unverified(self) -> Statement:
        """What it says, for a person who is about to sign it. Nobody vouches for it."""
        return _statement(self.statement)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody whose signature counts: a name, a public key, and what kinds of statement it may be under."""

    name: str
    public: bytes
    kinds: frozenset[str]


@dataclass(frozen=True, slots=True)
class Trust:
    """Who may sign what, and how many persons it takes; a kind without a number is believed by nobody."""

    persons: tuple[Person, ...]
    thresholds: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Floor:
    """What was believed last: nothing older is taken, and nothing else of the same version."""

    version: int
    digest: str


@dataclass(frozen=True, slots=True)
class Believed:
    """A statement that is believed, and who stands for it."""

    statement: Statement
    persons: tuple[str, ...]
    digest: str

    @property
    def floor(self) -> Floor:
        """The floor for what comes after it."""
        return Floor(self.statement.version, self.digest)


def key_id(public: bytes) -> str:
    """A key's short name: the first 8 octets of its SHA-256, hexadecimal."""
    return sha256(public).hexdigest()[:16]


def public_from_base64(text: object, where: str) -> bytes:
    """A person's public key of 32 octets as a document carries it."""
    public = _base64(text, where)
    if len(public) != PUBLIC_OCTETS:
        raise DecodeError(where, f"a key of {PUBLIC_OCTETS} octets expected")
    return public


def to_be_signed(statement: bytes) -> bytes:
    """What a person's key signs: the context, then the statement's octets."""
    return _CONTEXT + statement


def read(octets: bytes) -> Envelope:
    """An envelope; :class:`DecodeError` for anything else. Its statement is not looked into."""
    if len(octets) > LARGEST:
        raise DecodeError("envelope", f"{len(octets)} octets; at most {LARGEST} expected")
    document = strict_object(octets, "envelope", {"statement", "signatures"})
    listed = document["signatures"]
    if not isinstance(listed, list) or len(listed) > MOST_SIGNATURES:
        raise DecodeError("envelope, signatures", f"a list of at most {MOST_SIGNATURES} expected")
    signatures = []
    for place, one in enumerate(listed):
        where = f"envelope, signature {place + 1}"
        if not isinstance(one, dict) or set(one) != {"key", "signature"}:
            raise DecodeError(where, "key and signature expected")
        if not isinstance(one["key"], str) or not _KEY_ID.fullmatch(one["key"]):
            raise DecodeError(where, "the key's name: 16 hexadecimal digits expected")
        signature = _base64(one["signature"], where)
        if len(signature) != 64:
            raise DecodeError(where, f"{len(signature)} octets; 64 expected")
        signatures.append(Signature(one["key"], signature))
    return Envelope(_base64(document["statement"], "envelope, statement"), tuple(signatures))


def signers(envelope: Envelope, trust: Trust, verify: Verify) -> tuple[Person, ...]:
    """The known persons whose signature fits."""
    message = to_be_signed(envelope.statement)
    return tuple(
        person
        for person in trust.persons
        for one in envelope.signatures
        if one.key_id == key_id(person.public) and verify(person.public, message, one.octets)
    )


def believe(
    envelope: Envelope,
    trust: Trust,
    verify: Verify,
    *,
    kind: str,
    terminal: str,
    now_s: int,
    floor: Floor | None = None,
) -> Believed:
    """The statement, if it is to be believed now and here; else :class:`Refused` with its cause."""
    found = vouched(envelope, trust, verify, kind=kind, terminal=terminal)
    statement = found.statement
    if now_s < statement.from_s:
        raise Refused(Cause.NOT_YET)
    if now_s >= statement.until_s:
        raise Refused(Cause.OVER)
    if floor is not None and statement.version < floor.version:
        raise Refused(Cause.OLD, f"version {statement.version}, at least {floor.version} expected")
    if floor is not None and statement.version == floor.version and found.digest != floor.digest:
        raise Refused(Cause.TWIN, f"version {statement.version}")
    return found


def vouched(envelope: Envelope, trust: Trust, verify: Verify, *, kind: str, terminal: str) -> Believed:
    """Signatures, kind and terminal alone: for a statement that was believed in its time and is read again."""
    persons = signers(envelope, trust, verify)
    if not persons:
        raise Refused(Cause.NOBODY)
    statement = _statement(envelope.statement)
    if statement.kind != kind:
        raise Refused(Cause.OTHER_KIND, f"{statement.kind}; {kind} expected")
    names = tuple(dict.fromkeys(person.name for person in persons if kind in person.kinds))
    needed = trust.thresholds.get(kind, 0)
    if needed < 1 or len(names) < needed:
        raise Refused(Cause.TOO_FEW, f"{len(names)} who may; {needed or 'nobody said how many'} expected")
    if statement.audience not in (EVERY_TERMINAL, terminal):
        raise Refused(Cause.OTHER_TERMINAL, f"for {statement.audience}")
    return Believed(statement, names, sha256(envelope.statement).hexdigest())


def _statement(octets: bytes) -> Statement:
    document = strict_object(octets, "statement", _NAMES.keys())
    _checked(document)
    return Statement(*(document[name] for name in _NAMES))


def _checked(document: Mapping[str, Any]) -> None:
    for name, kind in _NAMES.items():
        if type(document[name]) is not kind:
            raise DecodeError(f"statement, {name}", "a text expected" if kind is str else "a whole number expected")
    if not _KIND.fullmatch(document["kind"]):
        raise DecodeError("statement, kind", "small letters, digits and hyphens expected")
    if not _AUDIENCE.fullmatch(document["for"]):
        raise DecodeError("statement, for", "a terminal's name, or * for every one, expected")
    if not 1 <= document["version"] < 1 << 53:
        raise DecodeError("statement, version", "1 or more expected")
    if not 0 <= document["from_s"] < document["until_s"] <= _LATEST_S:
        raise DecodeError("statement, until_s", "a moment after from_s expected")
    if len(document["body"]) > LARGEST:
        raise DecodeError("statement, body", f"more than {LARGEST} characters")


def _base64(text: object, where: str) -> bytes:
    try:
        if isinstance(text, str):
            return b64decode(text.encode("ascii"), validate=True)
    except (BinasciiError, UnicodeEncodeError):
        pass
    raise DecodeError(where, "base64 expected")
