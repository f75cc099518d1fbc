# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What `fleet-console watch` prints for what it is sent, for a person and as JSON."""

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from device_profiles.twins.pki import Authority, Credential
from fleet_console.feed import Joined, Parted
from fleet_console.watch import GAP_S, Certificates, Watch
from protocols.mqtt.session import Message
from protocols.telemetry.batch import encode_batch
from protocols.telemetry.envelope import Report, encode, genesis
from protocols.telemetry.events import Lane, make
from protocols.telemetry.keys import signer_from_pem
from protocols.telemetry.topics import order_topic, receipt_topic, report_topic
from tests.protocols.telemetry.report_keys import signer
from tests.protocols.telemetry.test_events import AT, SOUND
from tillguard.voice import Fault, Voice


class Screen:
    def __init__(self, *, as_json: bool, certificates: Certificates | None = None) -> None:
        self.out, self.err = io.StringIO(), io.StringIO()
        self.now = 0.0
        voice = Voice("fleet-console", as_json=as_json, out=self.out, err=self.err)
        self.watch = Watch(voice, certificates, lambda: self.now)

    def settles(self) -> str:
        """What is said once what stands open has stood for a while."""
        self.out.truncate(self.out.seek(0))
        self.now += GAP_S
        self.watch.settle()
        return self.out.getvalue()

    def shows(
        self,
        seq: int,
        name: str = "device.back",
        *,
        topic: str | None = None,
        payload: bytes | None = None,
        by: str = "TG000001",
    ) -> str:
        report = Report("TG000001", 7, seq, genesis("TG000001"), make(name, AT, **SOUND[name]))
        where = topic or report_topic("TG000001", report.lane)
        if payload is None:
            payload = encode_batch([encode(report)], signer(by))
        self.out.truncate(self.out.seek(0))
        self.watch.show(Message(where, payload, seq, False, False, 1))
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
        "verified": False,
    }


def test_signatures_are_verified_with_the_terminals_certificates(tmp_path: Path) -> None:
    authority = Authority(datetime.now(UTC))
    first, second = authority.client("TG000001"), authority.client("TG000001")
    path = tmp_path / "TG000001.pem"
    path.write_bytes(first.certificate)
    screen = Screen(as_json=True, certificates=Certificates(tmp_path))

    def sent(seq: int, credential: Credential, terminal: str = "TG000001") -> dict[str, Any]:
        report = Report(terminal, 7, seq, genesis(terminal), make("device.back", AT, device="reader"))
        payload = encode_batch([encode(report)], signer_from_pem(credential.key, "key"))
        said = screen.shows(seq, topic=report_topic(terminal, Lane.HEALTH), payload=payload)
        return dict(json.loads(said.splitlines()[-1]))

    assert sent(1, first)["verified"] is True
    assert sent(2, second)["reason"] == "batch: not signed by the terminal of its topic"
    path.write_bytes(second.certificate)  # renewed
    assert sent(3, second)["verified"] is True
    assert sent(4, first)["event"] == "refused"
    assert sent(1, first, "TG000009")["reason"] == "batch: the terminal's certificate is not known here"
    with pytest.raises(Fault, match="no such folder"):
        Certificates(tmp_path / "none")


def test_what_head_office_says_itself_is_not_shown() -> None:
    screen = Screen(as_json=True)
    assert screen.shows(1, topic=order_topic("TG000001")) == screen.shows(1, topic=receipt_topic("TG000001")) == ""


def test_duplicate_says_nothing_and_gap_says_what_is_missing_when_it_has_stood() -> None:
    screen = Screen(as_json=False)
    screen.shows(1)
    assert screen.shows(1) == ""
    screen.shows(4)
    screen.shows(6)
    screen.shows(3)
    assert screen.settles() == ("TG000001: report 2 missing so far\nTG000001: report 5 missing so far\n")
    assert screen.settles() == ""
    screen.shows(9)
    assert screen.settles() == "TG000001: reports 7..8 missing so far\n"
    screen.shows(12)
    screen.shows(10)
    screen.shows(11)
    assert screen.settles() == ""


def test_unlinked_report_is_said_and_shown() -> None:
    screen = Screen(as_json=True)
    screen.shows(1)
    lines = [json.loads(line) for line in screen.shows(2).splitlines()]
    assert [line["event"] for line in lines] == ["unlinked", "report"]


def test_a_life_that_continues_nothing_is_said_when_it_has_stood() -> None:
    screen = Screen(as_json=True)
    screen.shows(1)
    report = Report("TG000001", 9, 1, "0" * 64, make("agent.stopping", AT))
    topic = report_topic("TG000001", Lane.HEALTH)
    screen.shows(1, topic=topic, payload=encode_batch([encode(report)], signer("TG000001")))
    said = json.loads(screen.settles())
    assert said == {"event": "unlinked", "terminal": "TG000001", "boot": 9, "seq": 1}
    assert screen.settles() == ""


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
