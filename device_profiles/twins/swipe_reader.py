# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The twin of a swipe reader with an enciphering head, in vendor HID mode: reports, no key strokes. No port, no clock.

The track leaves the head enciphered under DUKPT, each swipe under a key of its own (ANSI X9.24-1:2009, A.4.1, data
encipherment), as ASCII in CBC from zero. The host's octets are ignored: such a reader only speaks.
"""

from protocols.dukpt.originator import TdesOriginator
from protocols.dukpt.tdes import Purpose
from protocols.pan import Track2
from protocols.primitives import TdesKey, Use
from protocols.serial.swipe import BLOCK, Swipe


class SwipeReaderTwin:
    """One reader, and a person who swipes ``track`` once, ``after_s`` behind the first look at it."""

    def __init__(self, engine: TdesOriginator, track: Track2 | None, report_octets: int, after_s: float) -> None:
        self._engine = engine
        self._track = track
        self._report_octets = report_octets
        self._after_s = after_s
        self._swipe_at: float | None = None

    def feed(self, octets: bytes, now: float) -> bytes:
        """Octets from the host mean nothing to it."""
        return self.tick(now)

    def tick(self, now: float) -> bytes:
        """The reports of a swipe that became due by ``now``."""
        if self._track is None:
            return b""
        if self._swipe_at is None:
            self._swipe_at = now + self._after_s
        if now < self._swipe_at:
            return b""
        track, self._track = self._track, None
        return b"".join(self._swiped(track).reports(self._report_octets))

    @property
    def due(self) -> float | None:
        """When :meth:`tick` has something to do next; at once before the first look."""
        if self._track is None:
            return None
        return 0.0 if self._swipe_at is None else self._swipe_at

    def _swiped(self, track: Track2) -> Swipe:
        transaction = self._engine.advance()
        if transaction is None:
            return Swipe("", bytes(10), bytes(BLOCK))  # the head's key is used up: it tells nobody's number
        clear = bytearray(track.text("=").encode("ascii"))
        clear += bytes(-len(clear) % BLOCK)
        with transaction, transaction.working_key(Purpose.DATA_REQUEST) as octets, TdesKey(octets, Use.CHAIN) as key:
            cryptogram = key.cbc_encipher(bytes(BLOCK), clear)
        clear[:] = bytes(len(clear))
        return Swipe(track.pan.masked, transaction.ksn.octets, cryptogram)
