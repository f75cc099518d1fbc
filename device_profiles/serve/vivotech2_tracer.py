# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What goes over a ViVOtech2 reader's line, told in redacted words. A reply is read by the request that it answers."""

from collections import deque
from collections.abc import Collection

from protocols.serial.vivotech2 import Frame, FrameFramer
from protocols.serial.vivotech2_messages import redacted_reply, redacted_request
from tillguard.voice import Voice

MOST_OPEN = 16


class Vivotech2Tracer:
    """One framer per direction; requests wait for their replies, which come in order."""

    def __init__(self, high_first: Collection[int], voice: Voice) -> None:
        self._requests = FrameFramer(high_first)
        self._replies = FrameFramer()
        self._open: deque[tuple[int, int]] = deque(maxlen=MOST_OPEN)
        self._voice = voice

    def __call__(self, direction: str, octets: bytes) -> None:
        """Tell what these octets complete."""
        if direction == ">":
            for event in self._requests.feed(octets):
                if isinstance(event, Frame):
                    self._open.append((event.command, event.detail))
                self._tell(direction, redacted_request(event))
            return
        for event in self._replies.feed(octets):
            asked = self._open.popleft() if self._open and isinstance(event, Frame) else None
            self._tell(direction, redacted_reply(event, to=asked))

    def _tell(self, direction: str, text: str) -> None:
        if self._voice.as_json:
            self._voice.data({"event": "traffic", "wire": "reader", "direction": direction, "text": text})
        else:
            self._voice.tell(f"reader {direction} {text}")
