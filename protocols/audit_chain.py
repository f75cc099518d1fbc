# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Hash chains of records: link, verify, remember the head. Writes no file, reads no clock, holds no key.

A record is one line of JSON, in this order and with no space::

    {"seq":3,"at_ms":1763800000000,"name":"device.lost","fields":{…},"prev":"<hash of record 2>","hash":"<SHA-256>"}

``hash`` is SHA-256 over the octets of the line before ``,"hash"``, so a verifier needs no canonical form: it hashes
what is there. ``prev`` of record 1 is the genesis of the chain's name: the records of one chain are none of another.

What a chain shows: any change, any record missing from the middle, any change of order. What it cannot show alone: that
its tail was cut, or that somebody who can write the file made it anew from some record on. For both, remember a
:class:`Head` elsewhere (in another chain, at head office) and give it to :func:`verify`.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from protocols.errors import DecodeError, EncodeError, IntegrityError

Value = str | int | bool
"""What a field may hold. No floats: their text differs between writers."""

LONGEST_LINE = 16_384  # a record is an event with a few bounded fields; more is not ours
HASH_OCTETS = 32  # FIPS 180-4: SHA-256
_HASH = re.compile(rb"[0-9a-f]{64}")
_CHAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9./:-]{0,63}", re.ASCII)
_GENESIS = b"tillguard audit chain 1\x00"
_HASH_TAIL = len(',"hash":"') + 2 * HASH_OCTETS + len('"}')
_BODY_TAIL = len(',"prev":"') + 2 * HASH_OCTETS + len('"')


class Damage(Enum):
    """What is wrong with a chain."""

    TORN = "torn"
    CHANGED = "changed"
    MISSING = "missing"
    REORDERED = "reordered"
    REWRITTEN = "rewritten"
    FOREIGN = "foreign"
    TRUNCATED = "truncated"


class ChainError(IntegrityError):
    """A chain does not hold. ``record`` is the number of the first record that shows it, ``damage`` how."""

    def __init__(self, record: int, damage: Damage, why: str) -> None:
        super().__init__(record, damage, why)
        self.record = record
        self.damage = damage
        self.why = why

    def __str__(self) -> str:
        return f"record {self.record}: {self.damage.value}: {self.why}"


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain: how many records it has and the hash of the last. Worth remembering somewhere else."""

    chain: str
    seq: int
    hash: bytes

    def text(self) -> str:
        """``name:seq:hash`` for a file or another chain's field."""
        return f"{self.chain}:{self.seq}:{self.hash.hex()}"

    @classmethod
    def from_text(cls, text: str) -> "Head":
        """Read what :meth:`text` wrote."""
        rest, _, digest = text.rpartition(":")
        chain, _, seq = rest.rpartition(":")
        if not (
            _CHAIN_NAME.fullmatch(chain)
            and re.fullmatch(r"0|[1-9][0-9]{0,17}", seq, re.ASCII)
            and _HASH.fullmatch(digest.encode("utf-8", "replace"))
        ):
            raise DecodeError("chain head", "name:records:hash expected, the hash as 64 hexadecimal digits")
        return cls(chain, int(seq), bytes.fromhex(digest))


@dataclass(frozen=True, slots=True)
class Record:
    """One record, linked. ``line`` is what is stored, newline included; ``head`` is the chain's head behind it."""

    seq: int
    at_ms: int
    name: str
    fields: Mapping[str, Value]
    line: bytes
    head: Head


@dataclass(frozen=True, slots=True)
class Summary:
    """A chain that holds: its head and the times of its first and last record (None when empty)."""

    head: Head
    first_ms: int | None
    last_ms: int | None

    @property
    def records(self) -> int:
        """How many records were verified."""
        return self.head.seq


def genesis(chain: str) -> Head:
    """The head of a chain with no record yet; its hash binds every later record to the chain's name."""
    if not _CHAIN_NAME.fullmatch(chain):
        raise EncodeError("chain name: 1 to 64 letters, digits, '.', '/', ':' or '-' expected, a letter or digit first")
    return Head(chain, 0, hashlib.sha256(_GENESIS + chain.encode("ascii")).digest())


def link(head: Head, at_ms: int, name: str, fields: Mapping[str, Value]) -> Record:
    """The next record behind ``head``; ``at_ms`` is milliseconds of Unix time. The caller stores ``line`` durably."""
    for key, value in fields.items():
        if not isinstance(key, str) or not isinstance(value, str | int):
            raise EncodeError("a record's field is text, a whole number or true/false, under a name")
    seq = head.seq + 1
    start = _dump({"seq": seq, "at_ms": at_ms, "name": name, "fields": dict(fields)})
    body = b'%s,"prev":"%s"' % (start[:-1], head.hash.hex().encode("ascii"))
    digest = hashlib.sha256(body).digest()
    line = b'%s,"hash":"%s"}\n' % (body, digest.hex().encode("ascii"))
    if len(line) > LONGEST_LINE:
        raise EncodeError(f"a record takes at most {LONGEST_LINE} octets, this one {len(line)}")
    return Record(seq, at_ms, name, dict(fields), line, Head(head.chain, seq, digest))


def parse(line: bytes, chain: str) -> Record:
    """One stored line as a record whose own hash holds; says nothing about its neighbours.

    Raises :class:`DecodeError` where it is no record, :class:`ChainError` where its hash is not of what it says.
    """
    where = "audit record"
    stated, body = _halves(line, where)
    if hashlib.sha256(body).digest() != stated:
        raise ChainError(_number(line) or 0, Damage.CHANGED, "its hash is not of what it says")
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        raise DecodeError(where, "not JSON") from None
    if not isinstance(document, dict) or list(document) != ["seq", "at_ms", "name", "fields", "prev", "hash"]:
        raise DecodeError(where, "seq, at_ms, name, fields, prev and hash expected, in this order")
    seq, at_ms, name, fields = (document[key] for key in ("seq", "at_ms", "name", "fields"))
    if seq != _number(line) or type(at_ms) is not int or type(name) is not str or not isinstance(fields, dict):
        raise DecodeError(where, "a number above 0, a time in whole milliseconds, a name and fields expected")
    if not all(isinstance(value, str | int) for value in fields.values()):
        raise DecodeError(where, "a field is neither text nor a whole number nor true/false")
    return Record(seq, at_ms, name, fields, line, Head(chain, seq, stated))


def verify(chain: str, lines: Iterable[bytes], remembered: Head | None = None) -> Summary:
    """Check every record of ``chain`` from its first; ``lines`` as a binary file yields them, newlines included.

    ``remembered`` is a head kept elsewhere: the chain must still contain it. Raises :class:`ChainError` for the first
    record that does not hold. Whoever writes the chain resumes from ``Summary.head``.
    """
    head = genesis(chain)
    if remembered is not None and remembered.chain != chain:
        raise ChainError(0, Damage.FOREIGN, "the remembered head is of another chain")
    last, seq = head.hash, 0
    first_line = last_line = b""
    rest = iter(lines)
    for line in rest:
        seq += 1
        last = _follow(seq, last, line, rest)
        first_line, last_line = first_line or line, line
        if remembered is not None and seq == remembered.seq and last != remembered.hash:
            raise ChainError(seq, Damage.REWRITTEN, "not the record that the remembered head saw")
    if remembered is not None and seq < remembered.seq:
        raise ChainError(
            seq + 1, Damage.TRUNCATED, f"the chain ends at {seq}, the remembered head saw {remembered.seq} records"
        )
    end = Head(chain, seq, last)
    if not seq:
        return Summary(end, None, None)
    return Summary(end, parse(first_line, chain).at_ms, parse(last_line, chain).at_ms)


def _follow(seq: int, prev: bytes, line: bytes, rest: Iterator[bytes]) -> bytes:
    """The hash of ``line`` when it is record ``seq`` behind a record with hash ``prev``."""
    body = line[: -_HASH_TAIL - 1]
    stated = line[-67:-3]
    digest = hashlib.sha256(body).digest()
    if (
        stated == digest.hex().encode("ascii")
        and line.endswith(b'"}\n')
        and body.endswith(b',"prev":"%s"' % prev.hex().encode("ascii"))
        and body.startswith(b'{"seq":%d,' % seq)
        and line[-_HASH_TAIL - 1 : -67] == b',"hash":"'
        and len(line) <= LONGEST_LINE
    ):
        return digest
    raise _diagnose(seq, prev, line, rest)


def _diagnose(seq: int, prev: bytes, line: bytes, rest: Iterator[bytes]) -> ChainError:
    """Why ``line`` is not record ``seq``: the slow way, taken once."""
    if not line.endswith(b"\n"):
        return ChainError(seq, Damage.TORN, "the last line is incomplete, as a crash while writing leaves it")
    try:
        stated, body = _halves(line, "audit record")
    except DecodeError as fault:
        return ChainError(seq, Damage.CHANGED, fault.why)
    if hashlib.sha256(body).digest() != stated:
        return ChainError(seq, Damage.CHANGED, "its hash is not of what it says")
    number = _number(line)
    if number is None:
        return ChainError(seq, Damage.CHANGED, "it does not begin with its number")
    if number > seq and any(_number(later) == seq for later in rest):
        return ChainError(seq, Damage.REORDERED, f"record {number} stands in its place")
    if number > seq:
        return ChainError(seq, Damage.MISSING, f"record {number} follows record {seq - 1}")
    if number < seq:
        return ChainError(seq, Damage.REORDERED, f"record {number} stands in its place, again or late")
    if seq == 1:
        return ChainError(seq, Damage.FOREIGN, "it does not begin the chain of this name")
    return ChainError(seq, Damage.REWRITTEN, f"it does not follow record {seq - 1}: one of the two was made anew")


def _halves(line: bytes, where: str) -> tuple[bytes, bytes]:
    """The stated hash and the octets that it covers."""
    if len(line) > LONGEST_LINE:
        raise DecodeError(where, f"longer than {LONGEST_LINE} octets")
    body, tail = line[: -_HASH_TAIL - 1], line[-_HASH_TAIL - 1 :]
    if (
        len(tail) != _HASH_TAIL + 1
        or not tail.startswith(b',"hash":"')
        or not tail.endswith(b'"}\n')
        or not _HASH.fullmatch(tail[9:-3])
        or len(body) < _BODY_TAIL
        or not _HASH.fullmatch(body[-65:-1])
    ):
        raise DecodeError(where, "not the form of a record")
    return bytes.fromhex(tail[9:-3].decode("ascii")), body


def _number(line: bytes) -> int | None:
    found = re.match(rb'\{"seq":([1-9][0-9]{0,17}),', line)
    return int(found[1]) if found else None


def _dump(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, ensure_ascii=True, separators=(",", ":")).encode("ascii")
