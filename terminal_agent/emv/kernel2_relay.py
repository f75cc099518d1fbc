# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Kernel 2's relay resistance exchange: the command, its time, and again if it was slow. The rule is relay.py's.

EMV Contactless Book C-2, states S3.65 and SR1, as public kernels name them.
"""

from collections.abc import Generator

from protocols.emv import apdu, status
from protocols.emv.apdu import Response
from protocols.emv.bits import Aip, Tvr
from protocols.emv.tags import Tag
from terminal_agent.emv import relay
from terminal_agent.emv.contactless_run import Done, Go, TapRun
from terminal_agent.emv.outcome import Alert, Decision
from terminal_agent.emv.relay import Exchanged, Pace

SUBJECT, SOURCE = "relay", "Book C-2, SR1"


def resist_relay(tap: TapRun) -> Generator[bytes, bytes, Done]:
    """See how fast the card answers, where both can and the terminal has a clock."""
    clock = tap.means.clock if tap.terminal.relay_resistance else None
    if clock is None or Aip.RELAY_RESISTANCE not in tap.aip:
        tap.tvr |= Tvr.RELAY_NOT_PERFORMED
        if clock is not None:
            tap.trail.note(SUBJECT, "the card does not offer relay resistance", "Book C-2, S3.65")
        return Go.ON
    if Aip.CDA not in tap.aip:
        said = "the card offers relay resistance and signs nothing: its times would be anybody's"
        return tap.trail.end(Decision.OTHER_INTERFACE, said, "house rule")
    times, number = tap.terminal.relay, tap.given[Tag.UNPREDICTABLE_NUMBER]
    for left in reversed(range(relay.MOST_EXCHANGES)):
        began = clock()
        response = Response.decode((yield apdu.exchange_relay_resistance_data(number).encode()))
        taken = clock() - began
        if not response.ok:
            said = f"the card does not exchange relay resistance data: {status.words(response.status)}"
            return tap.trail.end(Decision.ENDED, said, "Book C-2, SR1")
        made = tap.exchanged = Exchanged.decode(number, response.data)
        found = relay.pace(times, made, taken)
        if found is Pace.TOO_FAST:
            tap.trail.alert(Alert.RELAY_SUSPECTED)
            said = "the answer came faster than this card can give it: it was known before"
            return tap.trail.end(Decision.ENDED, said, "Book C-2, SR1.20")
        if found is Pace.IN_TIME or not left or tap.means.numbers is None:
            break
        number = tap.given[Tag.UNPREDICTABLE_NUMBER] = tap.means.numbers()
    judged = relay.findings(times, made, taken)
    tap.tvr |= judged
    needed = relay.processing_time(times, made, taken)
    said = f"the card needed {needed / 10:.1f} ms, by its own word {made.least / 10:.1f} to "
    tap.trail.note(SUBJECT, f"{said}{made.most / 10:.1f} ms", SOURCE)
    if judged & (Tvr.RELAY_TIME_EXCEEDED | Tvr.RELAY_THRESHOLD_EXCEEDED):
        tap.trail.alert(Alert.RELAY_SUSPECTED)
        suspect = judged & ~Tvr.RELAY_PERFORMED
        tap.trail.note(SUBJECT, "; ".join(suspect.words()), "Book C-2, SR1.28 to SR1.30")
    return Go.ON
