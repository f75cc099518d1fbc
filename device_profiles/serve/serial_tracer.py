# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What goes over a twin's serial line, told in redacted words, one line per frame. Frames may come in any pieces."""

from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar

from tillguard.voice import Voice

E_co = TypeVar("E_co", covariant=True)
E = TypeVar("E")


class Framer(Protocol[E_co]):
    """A byte-fed framer."""

    def feed(self, data: bytes) -> Iterable[E_co]:
        """Octets in, complete events out."""
        ...


class SerialTracer(Generic[E]):
    """One framer per direction, so that neither direction's pieces disturb the other."""

    def __init__(
        self,
        wire: str,
        framer: Callable[[], Framer[E]],
        words: Callable[[E], str],
        voice: Voice,
        words_back: Callable[[E], str] | None = None,
    ) -> None:
        """``words_back`` for what comes from the device, where the two directions do not read alike."""
        self._wire = wire
        self._framers = {">": framer(), "<": framer()}
        self._words = {">": words, "<": words_back or words}
        self._voice = voice

    def __call__(self, direction: str, octets: bytes) -> None:
        """Tell what these octets complete."""
        for event in self._framers[direction].feed(octets):
            text = self._words[direction](event)
            if self._voice.as_json:
                self._voice.data({"event": "traffic", "wire": self._wire, "direction": direction, "text": text})
            else:
                self._voice.tell(f"{self._wire} {direction} {text}")
