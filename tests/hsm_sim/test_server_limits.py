# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""No host ends or stalls the unit: a thousand idle ones, half frames, slow readers; on both event loops."""

import resource
import signal
import socket
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from hsm_sim.payshield.server import Connection, Hosts
from hsm_sim.payshield.session import Session
from tests.hsm_sim import live
from tests.hsm_sim.raw_client import RawClient
from tests.hsm_sim.running import running
from tests.hsm_sim.test_session import ENGINE
from tests.hsm_sim.units import unit
from tests.patience import PATIENCE_S

LOOPS = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])


def room_for(files: int) -> None:
    """This process needs a file for each host too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))


@LOOPS
def test_a_thousand_idle_hosts(tmp_path: Path, loop: str) -> None:
    room_for(1200)
    with running(settings=f'event-loop = "{loop}"\n', folder=tmp_path) as unit, ExitStack() as idle:
        with RawClient(unit.address()) as first:
            first.ask(live.COMMANDS["CA"])
            before = unit.resident_kib
        for number in range(1000):
            host = idle.enter_context(socket.create_connection(unit.address(), timeout=PATIENCE_S))
            if number % 2:
                host.sendall(b"\x00\x06ab")
        with RawClient(unit.address()) as busy:
            took = []
            for _ in range(100):
                began = time.monotonic()
                assert busy.ask(live.COMMANDS["CA"])[:4] == b"CB00"
                took.append(time.monotonic() - began)
            assert min(took) < 0.02, "a busy machine may hold up any of them, but not all"
        assert unit.resident_kib - before < 20_000


def test_half_a_frame_is_not_waited_for_forever_and_idle_hosts_are(tmp_path: Path) -> None:
    with (
        running(settings="unfinished-s = 1\n", folder=tmp_path) as unit,
        RawClient(unit.address()) as half,
        RawClient(unit.address()) as idle,
    ):
        idle.ask("NC")
        half.socket.sendall(b"\x00\x06ab")
        began = time.monotonic()
        with suppress(ConnectionResetError):
            assert half.socket.recv(1) == b""
        assert time.monotonic() - began > 0.9
        assert idle.ask("NC")[:4] == b"ND00"


class Wire:
    """A transport that remembers."""

    def __init__(self, connection: Connection) -> None:
        self.sent = b""
        self.open = True
        self._connection = connection

    def get_extra_info(self, name: str) -> None:
        return None

    def is_closing(self) -> bool:
        return not self.open

    def write(self, octets: bytes) -> None:
        self.sent += octets

    def abort(self) -> None:
        self.open = False
        self._connection.connection_lost(None)


def test_which_hosts_stand_still() -> None:
    hosts = Hosts(10)
    found = []
    for _ in range(3):
        connection = Connection(Session(unit(ENGINE)), hosts)
        wire = Wire(connection)
        connection.connection_made(wire)  # type: ignore[arg-type]
        found.append((connection, wire))
    (_, idle), (growing, grown), (half, cut) = found

    def arrives(connection: Connection, octets: bytes) -> None:
        connection.get_buffer(0)[: len(octets)] = octets
        connection.buffer_updated(len(octets))

    arrives(growing, b"\x00\x06ab")
    arrives(half, b"\x00\x06ab")
    assert hosts.end_stalled() == 0
    arrives(growing, b"c")
    assert hosts.end_stalled() == 1
    arrives(growing, b"dNC")
    assert hosts.end_stalled() == 0
    assert (idle.open, grown.open, cut.open) == (True, True, False)
    assert grown.sent[2:8] == b"abcdND"
    assert hosts.stalled == 1


@LOOPS
def test_memory_stays_flat_whatever_is_sent(tmp_path: Path, loop: str) -> None:
    with running(settings=f'event-loop = "{loop}"\n', folder=tmp_path) as unit:
        commands = [command for code, command in live.COMMANDS.items() if code != "EI"]  # making RSA keys takes long

        def round_of_work() -> None:
            for _ in range(5):
                with RawClient(unit.address()) as host:
                    host.socket.sendall(b"".join(host.framed(command) for command in commands))
                    for _ in commands:
                        host.receive()
                    host.socket.sendall(host.framed(b"B2F000" + bytes(0xF000)))
                    host.receive()
                    host.socket.sendall(b"\xff\xff" + bytes(1000))

        round_of_work()
        before = unit.resident_kib
        for _ in range(4):
            round_of_work()
        assert unit.resident_kib - before < 4000


@LOOPS
def test_hosts_that_send_and_never_read(tmp_path: Path, loop: str) -> None:
    with running(settings=f'event-loop = "{loop}"\n', folder=tmp_path) as unit, ExitStack() as hosts:
        with RawClient(unit.address()) as first:
            first.ask("NC")
            before = unit.resident_kib
        for _ in range(6):
            host = hosts.enter_context(RawClient(unit.address()))
            host.socket.settimeout(0.1)
            echo = host.framed(b"B2F000" + bytes(0xF000))
            with suppress(TimeoutError):
                for _ in range(100):
                    host.socket.sendall(echo)
        with RawClient(unit.address()) as other:
            assert other.ask("NC")[:4] == b"ND00"
        assert unit.resident_kib - before < 60_000


def test_what_takes_long_holds_up_only_who_asked() -> None:
    with running() as unit, RawClient(unit.address(), b"") as slow, RawClient(unit.address()) as other:
        headers = [b"%04d" % number for number in range(8)]
        work = b"".join(slow.framed("EI0204802", header) for header in headers) + slow.framed("NC", b"last")

        def held_up() -> bool:
            """Whether all that is slow was answered before the other host was."""
            slow.socket.sendall(work)
            assert other.ask(live.COMMANDS["CA"])[:4] == b"CB00"
            slow.socket.setblocking(False)
            already = b""
            with suppress(BlockingIOError):
                already = slow.socket.recv(1 << 20, socket.MSG_PEEK)
            slow.socket.settimeout(PATIENCE_S)
            assert [slow.receive()[:8] for _ in headers] == [header + b"EJ00" for header in headers]
            assert slow.receive()[:8] == b"lastND00"
            return b"lastND" in already

        assert not all(held_up() for _ in range(10)), "a busy machine may hold up any of them, but not all"


def test_a_signal_ends_it_while_something_takes_long() -> None:
    with running() as unit, RawClient(unit.address()) as host:
        host.socket.sendall(host.framed("EI0204802") * 50 + host.framed("NC"))
        with RawClient(unit.address()) as other:
            other.ask("NC")
        unit.process.send_signal(signal.SIGTERM)
        assert unit.process.wait(PATIENCE_S) == 0
