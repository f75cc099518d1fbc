# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What hosts see of faults on purpose: each action over a real socket, and that others are served meanwhile."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.hsm_sim import live
from tests.hsm_sim.raw_client import RawClient
from tests.hsm_sim.running import Running, running

Start = Callable[..., AbstractContextManager[Running]]


@pytest.fixture
def faulty(tmp_path: Path) -> Start:
    @contextmanager
    def start(text: str, *arguments: str) -> Iterator[Running]:
        script = tmp_path / "faults.toml"
        script.write_text(text)
        with running("--faults", str(script), *arguments) as unit:
            yield unit

    return start


def rule(action: str, **parts: object) -> str:
    lines = [f"{name} = {value!r}".replace("'", '"') for name, value in {"action": action, **parts}.items()]
    return "[[faults]]\n" + "\n".join(lines) + "\n"


def test_a_delay_keeps_the_order_and_holds_nobody_else_up(faulty: Start) -> None:
    with (
        faulty(rule("delay", command="CA", ms=300, count=1)) as unit,
        RawClient(unit.address(), b"") as slow,
        RawClient(unit.address()) as other,
    ):
        began = time.monotonic()
        slow.socket.sendall(slow.framed(live.COMMANDS["CA"], b"0001") + slow.framed("NC", b"0002"))
        assert other.ask("NC")[:4] == b"ND00"
        assert time.monotonic() - began < 0.25
        assert [slow.receive()[:6] for _ in range(2)] == [b"0001CB", b"0002ND"]
        assert time.monotonic() - began >= 0.29


def test_an_answer_that_never_comes(faulty: Start) -> None:
    with faulty(rule("drop", command="NC", count=1)) as unit, RawClient(unit.address(), b"") as host:
        host.socket.sendall(host.framed("NC", b"0001") + host.framed("NC", b"0002"))
        assert host.receive()[:4] == b"0002"


@pytest.mark.parametrize(("octets", "expected"), [(None, 17), (0, 0), (5, 5)])
def test_a_connection_that_ends_inside_a_frame(faulty: Start, octets: int | None, expected: int) -> None:
    parts = {} if octets is None else {"octets": octets}
    with faulty(rule("close", count=1, **parts)) as unit, RawClient(unit.address()) as host:
        host.socket.sendall(host.framed("NC") * 3)
        found = b""
        while piece := host.socket.recv(100):
            found += piece
        assert len(found) == expected
        with RawClient(unit.address()) as again:
            assert again.ask("NC")[:4] == b"ND00"


def test_another_header_and_another_length(faulty: Start) -> None:
    script = rule("wrong-header", count=1) + rule("wrong-length", after=1, count=1, octets=3)
    with faulty(script) as unit, RawClient(unit.address()) as host:
        host.socket.sendall(host.framed("NC"))
        assert host.receive()[:6] == bytes(octet ^ 0xFF for octet in b"0001") + b"ND"
        host.socket.sendall(host.framed("NC") * 2)
        assert host.socket.recv(2, socket.MSG_WAITALL) == (33 + 3).to_bytes(2, "big")


def test_an_error_on_purpose(faulty: Start) -> None:
    with faulty(rule("error", command="CA", error="41", every=2)) as unit, RawClient(unit.address()) as host:
        assert [host.ask(live.COMMANDS["CA"])[:4] for _ in range(4)] == [b"CB41", b"CB00", b"CB41", b"CB00"]


def test_two_answers_change_places_and_a_lonely_one_comes_late(faulty: Start) -> None:
    with faulty(rule("reorder", command="CA")) as unit, RawClient(unit.address(), b"") as host:
        host.socket.sendall(host.framed(live.COMMANDS["CA"], b"0001") + host.framed("NC", b"0002"))
        assert [host.receive()[:4] for _ in range(2)] == [b"0002", b"0001"]
        began = time.monotonic()
        host.socket.sendall(host.framed(live.COMMANDS["CA"], b"0003"))
        assert host.receive()[:4] == b"0003"
        assert time.monotonic() - began >= 0.09


def test_a_busy_unit_answers_nobody_for_a_while(faulty: Start) -> None:
    with (
        faulty(rule("busy", command="CA", ms=300)) as unit,
        RawClient(unit.address()) as first,
        RawClient(unit.address()) as second,
    ):
        began = time.monotonic()
        first.socket.sendall(first.framed(live.COMMANDS["CA"]))
        time.sleep(0.05)  # until the unit has seen it: then the other host must wait
        assert second.ask("NC")[:4] == b"ND00"
        assert time.monotonic() - began >= 0.29
        assert first.receive()[4:8] == b"CB00"


def test_many_faults_at_once_and_every_command_is_met_by_its_own(faulty: Start) -> None:
    script = rule("drop", every=5, after=4) + rule("delay", every=7, ms=1) + rule("error", every=3, error="42")
    with faulty(script) as unit, RawClient(unit.address(), b"") as host:
        host.socket.sendall(b"".join(host.framed("NC", b"%04d" % number) for number in range(200)))
        found = [host.receive() for _ in range(160)]
        headers = [int(answer[:4]) for answer in found]
        assert headers == [number for number in range(200) if number < 4 or (number - 4) % 5]
        for number, answer in zip(headers, found, strict=True):
            wrong = number % 3 == 0 and number % 7 != 0
            assert answer[6:8] == (b"42" if wrong else b"00"), number


def test_a_trace_says_that_it_was_on_purpose(faulty: Start) -> None:
    with faulty(rule("drop"), "--trace") as unit, RawClient(unit.address()) as host:
        host.socket.sendall(host.framed("NC"))
        assert unit.process.stdout is not None
        lines = [unit.process.stdout.readline() for _ in range(3)]
        assert "fault on purpose: drop" in lines[2]
