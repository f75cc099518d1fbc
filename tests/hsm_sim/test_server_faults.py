# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What hosts see of faults on purpose: each action over a real socket, and that others are served meanwhile.

One unit serves most tests: its script gives every fault a command of its own, so no test comes into another's way.
"""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hsm_sim import live
from tests.hsm_sim.raw_client import RawClient
from tests.hsm_sim.running import Running, running

HELD_MS = 300
SOON = 0.25
TRIES = 20
"""Seconds: sooner than what is held back for :data:`HELD_MS` can come."""


def rule(action: str, **parts: object) -> str:
    lines = [f"{name} = {value!r}".replace("'", '"') for name, value in {"action": action, **parts}.items()]
    return "[[faults]]\n" + "\n".join(lines) + "\n"


SCRIPT = "".join(
    (
        rule("delay", command="CA", ms=HELD_MS),
        rule("drop", command="CC"),
        rule("close", command="CM"),
        rule("close", command="CI", octets=0),
        rule("close", command="G0", octets=5),
        rule("wrong-header", command="CW"),
        rule("wrong-length", command="CY"),
        rule("wrong-length", command="RY", octets=3),
        rule("error", command="BC", every=2),
        rule("error", command="BE", error="12", after=1, count=2),
        rule("reorder", command="KQ"),
        rule("busy", command="M6", ms=HELD_MS),
        rule("drop", command="EI", count=1),
        rule("wrong-header", command="NO", after=2, count=1),
    )
)


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def unit(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("faults")
    (folder / "faults.toml").write_text(SCRIPT)
    settings = f'event-loop = "{request.param}"\n'
    with running("--faults", str(folder / "faults.toml"), settings=settings, folder=folder) as started:
        yield started


@pytest.fixture
def host(unit: Running) -> Iterator[RawClient]:
    with RawClient(unit.address(), b"") as connected:
        yield connected


def send(host: RawClient, *codes: str) -> None:
    """One command after the other in one segment, with their places as headers."""
    host.socket.sendall(b"".join(host.framed(live.COMMANDS[code], b"%04d" % place) for place, code in enumerate(codes)))


def heads(host: RawClient, count: int) -> list[bytes]:
    """Header, response code and error code of so many answers."""
    return [host.receive()[:8] for _ in range(count)]


def test_a_delay_keeps_the_order_and_holds_nobody_else_up(unit: Running, host: RawClient) -> None:
    with RawClient(unit.address()) as other:
        took = []
        for _ in range(TRIES):
            began = time.monotonic()
            send(host, "CA", "NC")
            assert other.ask("NC")[:4] == b"ND00"
            took.append(time.monotonic() - began)
            assert heads(host, 2) == [b"0000CB00", b"0001ND00"]
            assert time.monotonic() - began >= HELD_MS / 1000 - 0.01
            if took[-1] < SOON:
                break
        assert min(took) < SOON, "a busy machine may hold up any of them, but not all"


def test_an_answer_that_never_comes(host: RawClient) -> None:
    send(host, "CC", "NC", "CC", "NC")
    assert heads(host, 2) == [b"0001ND00", b"0003ND00"]


@pytest.mark.parametrize(("code", "part"), [("CM", b"\x00\x08000"), ("CI", b""), ("G0", b"\x00\x1c000")])
def test_a_connection_that_ends_inside_a_frame(unit: Running, host: RawClient, code: str, part: bytes) -> None:
    send(host, "NC", code, "NC", "NC")
    assert heads(host, 1) == [b"0000ND00"]
    found = b""
    while piece := host.socket.recv(100):
        found += piece
    assert found == part
    with RawClient(unit.address()) as again:
        assert again.ask("NC")[:4] == b"ND00"


def test_another_header(host: RawClient) -> None:
    send(host, "CW", "NC")
    assert heads(host, 2) == [bytes(octet ^ 0xFF for octet in b"0000") + b"CX00", b"0001ND00"]


@pytest.mark.parametrize(("code", "more"), [("CY", 1), ("RY", 3)])
def test_another_length(host: RawClient, code: str, more: int) -> None:
    send(host, "NC", code)
    assert heads(host, 1) == [b"0000ND00"]
    said = int.from_bytes(host.socket.recv(2, socket.MSG_WAITALL), "big")
    assert len(host.socket.recv(said - more, socket.MSG_WAITALL)) == said - more
    host.socket.settimeout(0.05)
    with pytest.raises(TimeoutError):
        host.socket.recv(1)


def test_an_error_on_purpose(host: RawClient) -> None:
    send(host, *["BC"] * 4)
    assert [head[4:] for head in heads(host, 4)] == [b"BD41", b"BD00"] * 2


def test_a_fault_after_so_many_commands_and_for_so_many(host: RawClient) -> None:
    send(host, *["BE"] * 5)
    assert [head[4:] for head in heads(host, 5)] == [b"BF00", b"BF12", b"BF12", b"BF00", b"BF00"]


def test_commands_are_counted_over_all_hosts(unit: Running) -> None:
    found = []
    for _ in range(4):
        with RawClient(unit.address(), b"") as host:
            send(host, "NO")
            found += heads(host, 1)
    assert found == [b"0000NP00", b"0000NP00", b"\xcf\xcf\xcf\xcfNP00", b"0000NP00"]


def test_two_answers_change_places(host: RawClient) -> None:
    send(host, "KQ", "NC", "NC")
    assert heads(host, 3) == [b"0001ND00", b"0000KR00", b"0002ND00"]


def test_an_answer_that_nobody_follows_comes_late(host: RawClient) -> None:
    began = time.monotonic()
    send(host, "KQ")
    assert heads(host, 1) == [b"0000KR00"]
    assert time.monotonic() - began >= 0.09


def test_a_busy_unit_answers_nobody_for_a_while(unit: Running, host: RawClient) -> None:
    with RawClient(unit.address()) as other:
        began = time.monotonic()
        send(host, "NC", "M6", "NC")
        assert heads(host, 1) == [b"0000ND00"]
        assert other.ask("NC")[:4] == b"ND00"
        assert time.monotonic() - began >= HELD_MS / 1000 - 0.01
        assert heads(host, 2) == [b"0001M700", b"0002ND00"]


def test_what_takes_long_is_met_by_a_fault_too(host: RawClient) -> None:
    send(host, "EI", "EI", "NC")
    assert heads(host, 2) == [b"0001EJ00", b"0002ND00"]


def test_a_host_that_hangs_up_while_its_answer_is_held_back_harms_nobody(unit: Running) -> None:
    for code in ("CA", "KQ", "M6"):
        with RawClient(unit.address(), b"") as host:
            send(host, code)
    with RawClient(unit.address()) as other:
        assert other.ask("NC")[:4] == b"ND00"


def test_many_faults_at_once_and_every_command_is_met_by_its_own(tmp_path: Path) -> None:
    script = tmp_path / "faults.toml"
    script.write_text(
        rule("drop", every=5, after=4) + rule("delay", every=7, ms=1) + rule("error", every=3, error="42")
    )
    with running("--trace", "--faults", str(script)) as unit, RawClient(unit.address(), b"") as host:
        send(host, *["NC"] * 200)
        found = [host.receive() for _ in range(160)]
        headers = [int(answer[:4]) for answer in found]
        assert headers == [number for number in range(200) if number < 4 or (number - 4) % 5]
        for number, answer in zip(headers, found, strict=True):
            wrong = number % 3 == 0 and number % 7 != 0
            assert answer[6:8] == (b"42" if wrong else b"00"), number
        assert unit.process.stdout is not None
        lines = [unit.process.stdout.readline() for _ in range(9)]
        assert "fault on purpose: delay" in lines[2]
        assert "fault on purpose" not in lines[3] + lines[4]
