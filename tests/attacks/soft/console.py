# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A head office that lacks one defence: it believes what a report says of itself, or keeps no terminal's story."""

from collections.abc import Callable

from fleet_console.heard import Finding, Heard, Verdict
from fleet_console.watch import Keys, Watch
from protocols.mqtt.session import Message
from protocols.telemetry.batch import lines, read_batch
from protocols.telemetry.envelope import Report
from tillguard.voice import Voice


class CredulousWatch(Watch):
    """Takes the terminal from the payload and asks for no topic."""

    def show(self, message: Message) -> None:
        """See :class:`Watch`."""
        for line in lines(read_batch(message.payload)):
            self._report(line.report)


class ForgetfulHeard(Heard):
    """Finds every report new and well linked."""

    def hear(self, report: Report, octets: bytes) -> Finding:
        """See :class:`Heard`."""
        return Finding(Verdict.NEW)


class ForgetfulWatch(Watch):
    """Shows whatever comes."""

    def __init__(self, voice: Voice, keys: Keys | None, steady_s: Callable[[], float]) -> None:
        super().__init__(voice, keys, steady_s)
        self._heard = ForgetfulHeard()


class TrustingWatch(Watch):
    """Verifies no signature: whoever may publish on a topic is believed."""

    def __init__(self, voice: Voice, keys: Keys | None, steady_s: Callable[[], float]) -> None:
        super().__init__(voice, None, steady_s)
