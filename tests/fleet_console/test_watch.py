# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What `fleet-console watch` prints for what it is sent, for a person and as JSON."""

import io
import json

from fleet_console.feed import Joined, Parted
from fleet_console.watch import Watch
from protocols.mqtt.session import Message
from protocols.telemetry.envelope import Report, encode, genesis
from protocols.telemetry.events import Lane, make
from protocols.telemetry.topics import report_topic
from tests.protocols.telemetry.test_events import AT, SOUND
from tillguard.voice import Voice


class Screen:
    def __init__(self, *, as_json: bool) -> None:
        self.out, self.err = io.StringIO(), io.StringIO()
        self.watch = Watch(Voice("fleet-console", as_json=as_json, out=self.out, err=self.err))

    def shows(
        self, seq: int, name: str = "device.back", *, topic: str | None = None, payload: bytes | None = None
    ) -> str:
        report = Report("TG000001", 7, seq, genesis("TG000001"), make(name, AT, **SOUND[name]))
        where = topic or report_topic("TG000001", report.lane)
        self.out.truncate(self.out.seek(0))
        self.watch.show(Message(where, encode(report) if payload is None else payload, seq, False, False, 1))
        return self.out.getvalue()


def test_report_for_a_person() -> None:
    line = Screen(as_json=False).shows(1, "payment.finished")
    time, terminal, words = line.rstrip("\n").split(" ", 2)
    assert (len(time), terminal) == (12, "TG000001")
    assert words == (
        "payment p-1 approved, EUR 42.00, code 00, card 400000******0016, KSN FFFF9876543210E00001, 812 ms"
    )


def test_report_as_json() -> None:
    document = json.loads(Screen(as_json=True).shows(1))
    assert document == {
        "event": "report",
        "terminal": "TG000001",
        "boot": 7,
        "seq": 1,
        "lane": "health",
        "at_ms": AT,
        "name": "device.back",
        "fields": {"device": "reader"},
        "words": "reader back",
    }


def test_duplicate_says_nothing_and_gap_says_what_is_missing() -> None:
    screen = Screen(as_json=False)
    screen.shows(1)
    assert screen.shows(1) == ""
    assert screen.shows(4).startswith("TG000001: reports 2 to 3 missing so far\n")
    assert screen.shows(6).startswith("TG000001: report 5 missing so far\n")
    assert screen.watch.shown == 3


def test_unlinked_report_is_said_and_shown() -> None:
    screen = Screen(as_json=True)
    screen.shows(1)
    lines = [json.loads(line) for line in screen.shows(2).splitlines()]
    assert [line["event"] for line in lines] == ["unlinked", "report"]


def test_what_is_no_report_is_refused_and_does_not_count() -> None:
    screen = Screen(as_json=True)
    for line in (
        screen.shows(1, payload=b"\x1b[2Jnoise"),
        screen.shows(1, topic=report_topic("TG000002", Lane.HEALTH)),
        screen.shows(1, topic=report_topic("TG000001", Lane.BULK)),
        screen.shows(1, topic="pos/v1/\x1b[2J"),
    ):
        document = json.loads(line)
        assert document["event"] == "refused"
        assert "\x1b" not in document["topic"] + document["reason"]
    assert screen.watch.shown == 0


def test_connection_is_talk_for_a_person_and_data_for_a_program() -> None:
    screen = Screen(as_json=False)
    screen.watch.connection(Parted("the connection was lost", 0.25))
    screen.watch.connection(Joined(True))
    assert screen.out.getvalue() == ""
    assert screen.err.getvalue() == (
        "disconnected: the connection was lost; again in 0.25 s\nconnected, session kept\n"
    )
    screen = Screen(as_json=True)
    screen.watch.connection(Joined(False))
    assert json.loads(screen.out.getvalue()) == {"event": "connected", "session": "new"}


def test_time_beyond_what_can_be_shown_is_a_number() -> None:
    from fleet_console.watch import _time

    assert _time((1 << 53) - 1) == str((1 << 53) - 1)
