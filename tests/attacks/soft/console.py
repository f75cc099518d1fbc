# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A head office that lacks one defence: it believes what a report says of itself, or keeps no terminal's story."""

from fleet_console.story import Finding, Stories, Verdict
from fleet_console.watch import Watch
from protocols.mqtt.session import Message
from protocols.telemetry.envelope import Report, decode
from tillguard.voice import Voice


class CredulousWatch(Watch):
    """Takes the terminal from the payload and asks for no topic."""

    def show(self, message: Message) -> None:
        """See :class:`Watch`."""
        self._report(decode(message.payload))


class ForgetfulStories(Stories):
    """Finds every report new and well linked."""

    def hear(self, report: Report, octets: bytes) -> Finding:
        """See :class:`Stories`."""
        return Finding(Verdict.NEW)


class ForgetfulWatch(Watch):
    """Shows whatever comes."""

    def __init__(self, voice: Voice) -> None:
        super().__init__(voice)
        self._stories = ForgetfulStories()
