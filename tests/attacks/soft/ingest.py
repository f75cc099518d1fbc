# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""An ingest that lacks one defence: it asks for no signature, knows no story, or keeps every refusal for ever."""

from dataclasses import replace

from fleet_console.desk import Desk, Found
from fleet_console.judge import Accepted, Dead, judge
from fleet_console.register import Register
from fleet_console.store.port import Row
from fleet_console.stories import Finding
from protocols.mqtt.session import Message
from protocols.signed import Trust
from protocols.telemetry.batch import lines, read_batch
from protocols.telemetry.topics import read_report_topic


def judge_nothing(message: Message, _: Register) -> Accepted | Dead:
    """Whatever stands on a terminal's topic is that terminal's: the broker will have seen to it."""
    terminal, lane = read_report_topic(message.topic)
    found = lines(read_batch(message.payload))
    return Accepted(terminal, found[0].report.boot, lane, found)


def taking_retained(message: Message, register: Register) -> Accepted | Dead:
    """A message is a message."""
    return judge(replace(message, retained=False), register)


async def unconcerned(found: Found, *_: object) -> None:
    """Nothing follows from what a story shows."""
    assert found.finding in Finding


class Hoarder(Desk):
    """Keeps every dead letter."""

    def _too_many(self, _: object) -> list[Row]:
        return []


def one_is_enough(trust: Trust) -> Trust:
    """One person may give the grave orders too."""
    return Trust(trust.persons, dict.fromkeys(trust.thresholds, 1))
