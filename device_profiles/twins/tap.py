# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What a tap on a serial wire keeps, changes and plays again. Octets and times only: no port, no clock, no protocol.

A recording is JSON lines: a head, then one line for each piece that came over the wire, with its time in milliseconds
since the first, the side it went to, and its octets as hexadecimal digits. It is byte-exact and so may hold card data.
"""

import json
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from protocols.errors import DecodeError

VERSION = 1
LONGEST_LINE = 1 << 20
LONGEST_FIND = 4096
LATEST_MS = 1 << 53  # up to there a float holds every one
MOST_LINES = 1 << 20  # of one recording: a reader that looks for cards fills a day and a half with them


class Side(Enum):
    """Whom octets go to."""

    DEVICE = "device"
    HOST = "host"


@dataclass(frozen=True, slots=True)
class Piece:
    """Octets as they came. Prints without them."""

    ms: int
    to: Side
    octets: bytes

    def __repr__(self) -> str:
        return f"Piece({self.ms} ms, to {self.to.value}, {len(self.octets)} octets)"


@dataclass(frozen=True, slots=True)
class Recording:
    """A session: the model of the device, where it is known, and every piece in order."""

    model: str
    pieces: tuple[Piece, ...]


def head_line(model: str) -> str:
    """The first line of a recording."""
    return json.dumps({"recording": "serial", "version": VERSION, "model": model})


def piece_line(piece: Piece) -> str:
    """The line of one piece."""
    return json.dumps({"ms": piece.ms, "to": piece.to.value, "hex": piece.octets.hex().upper()})


def read_recording(lines: Iterable[str]) -> Recording:
    """A recording from its lines; :class:`DecodeError` names the line and never quotes it."""
    model: str | None = None
    pieces: list[Piece] = []
    for number, line in enumerate(lines, start=1):
        where = f"recording, line {number}"
        if number > MOST_LINES:
            raise DecodeError(where, f"a recording has no more than {MOST_LINES} lines")
        document = _document(line, where)
        if model is None:
            if document.get("recording") != "serial" or document.get("version") != VERSION:
                raise DecodeError(where, f"the head of a serial recording of version {VERSION} expected")
            model = str(document.get("model", ""))
            continue
        pieces.append(_piece(document, where, pieces[-1].ms if pieces else 0))
    if model is None:
        raise DecodeError("recording", "empty")
    return Recording(model, tuple(pieces))


def _document(line: str, where: str) -> dict[str, object]:
    if len(line) > LONGEST_LINE:
        raise DecodeError(where, f"longer than {LONGEST_LINE} characters")
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        raise DecodeError(where, "a JSON object expected") from None
    if not isinstance(document, dict):
        raise DecodeError(where, "a JSON object expected")
    return document


def _piece(document: dict[str, object], where: str, after_ms: int) -> Piece:
    ms, to, text = document.get("ms"), document.get("to"), document.get("hex")
    if type(ms) is not int or not after_ms <= ms <= LATEST_MS:
        raise DecodeError(where, f"ms: a whole number up to {LATEST_MS}, not before that of the line above, expected")
    if to not in ("device", "host"):
        raise DecodeError(where, "to: device or host expected")
    try:
        octets = bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        octets = b""
    if not octets:
        raise DecodeError(where, "hex: hexadecimal digits of one octet or more expected")
    return Piece(ms, Side(to), octets)


class ReplayTwin:
    """Plays the device of a recording: says what it said, when the host has said what it said. Else it is silent."""

    def __init__(self, recording: Recording) -> None:
        self._script = deque(recording.pieces)
        self._heard = bytearray()
        self._told = 0
        self._last_ms = 0
        self._said_at: float | None = None
        self.mismatch = ""
        """Where the host said something else, in words; empty as long as it did not."""

    @property
    def finished(self) -> bool:
        """Whether the whole recording was played."""
        return not self._script

    def feed(self, octets: bytes, now: float) -> bytes:
        """Octets from the host; returns what the device says at once."""
        if not self.mismatch:
            self._heard += octets
            self._compare(now)
        return self.tick(now)

    def tick(self, now: float) -> bytes:
        """What became due by ``now``."""
        out = b""
        while (due := self.due) is not None and due <= now:
            piece = self._script.popleft()
            self._said_at, self._last_ms = due, piece.ms
            out += piece.octets
            self._compare(now)
        return out

    @property
    def due(self) -> float | None:
        """When :meth:`tick` has something to do next."""
        if self.mismatch or not self._script or self._script[0].to is not Side.HOST:
            return None
        if self._said_at is None:
            return 0.0
        return self._said_at + (self._script[0].ms - self._last_ms) / 1000

    def _compare(self, now: float) -> None:
        while self._heard and self._script and self._script[0].to is Side.DEVICE:
            piece = self._script[0]
            size = min(len(piece.octets), len(self._heard))
            if piece.octets[:size] != self._heard[:size]:
                differs = next(at for at in range(size) if piece.octets[at] != self._heard[at])
                self.mismatch = f"octet {self._told + differs + 1} from the host is not the recorded one"
                return
            if size < len(piece.octets):
                return
            del self._heard[:size]
            self._told += size
            self._script.popleft()
            self._said_at, self._last_ms = now, piece.ms
        if self._heard and not self._script:
            self.mismatch = f"octet {self._told + 1} from the host is beyond the recording's end"


@dataclass(frozen=True, slots=True)
class Alteration:
    """One thing that a man in the middle does: ``find`` on its way to a side becomes ``put``, at most so often."""

    to: Side
    find: bytes
    put: bytes
    after: int = 0
    """So many finds are let through first."""
    most: int = 1


class Middle:
    """One direction of a wire under alterations. Octets that may begin a find wait for what follows, or for a lapse."""

    def __init__(self, side: Side, rules: Sequence[Alteration]) -> None:
        self._rules = [rule for rule in rules if rule.to is side]
        self._seen = [0] * len(self._rules)
        self._held = b""
        self.altered = 0

    def feed(self, octets: bytes) -> bytes:
        """What goes on."""
        return self._pass(self._held + octets, hold=True)

    def lapse(self) -> bytes:
        """The line fell silent: what was held goes on as it is."""
        return self._pass(self._held, hold=False)

    @property
    def holding(self) -> bool:
        """Whether octets wait for a find to be completed."""
        return bool(self._held)

    def _pass(self, octets: bytes, *, hold: bool) -> bytes:
        out = bytearray()
        at = 0
        while at < len(octets):
            found = next((number for number, rule in enumerate(self._rules) if octets.startswith(rule.find, at)), None)
            if found is not None:
                rule = self._rules[found]
                self._seen[found] += 1
                acts = rule.after < self._seen[found] <= rule.after + rule.most
                self.altered += acts
                out += rule.put if acts else rule.find
                at += len(rule.find)
            elif hold and any(_begins(octets, at, rule.find) for rule in self._rules):
                break
            else:
                out.append(octets[at])
                at += 1
        self._held = octets[at:]
        return bytes(out)


def _begins(octets: bytes, at: int, find: bytes) -> bool:
    return len(octets) - at < len(find) and find.startswith(octets[at:])
