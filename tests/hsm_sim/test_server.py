# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The running simulator on real sockets, asked by a client that shares no code with it."""

import json
import os
import signal
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from tests.hsm_sim import live
from tests.hsm_sim.raw_client import RawClient
from tests.hsm_sim.running import Address, running
from tests.patience import PATIENCE_S


def test_every_command(simulator: Address) -> None:
    with RawClient(simulator) as client:
        for code, command in live.COMMANDS.items():
            answer = client.ask(command)
            assert answer[:4] == code[:1].encode() + bytes((ord(code[1]) + 1,)) + b"00"


def test_one_octet_at_a_time(simulator: Address) -> None:
    with RawClient(simulator) as client:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for octet in client.framed(live.COMMANDS["KQ"]):
            client.socket.sendall(bytes((octet,)))
        assert client.receive()[4:8] == b"KR00"


def test_two_frames_in_one_segment_and_a_third_begun(simulator: Address) -> None:
    with RawClient(simulator) as client:
        third = client.framed(live.COMMANDS["CM"])
        client.socket.sendall(client.framed("NC") + client.framed(live.COMMANDS["CA"]) + third[:20])
        assert client.receive()[4:8] == b"ND00"
        assert client.receive()[4:8] == b"CB00"
        client.socket.sendall(third[20:])
        assert client.receive()[4:8] == b"CN00"


def test_a_thousand_commands_at_once_are_answered_in_order(simulator: Address) -> None:
    with RawClient(simulator, header=b"") as client:
        headers = [f"{number:04}".encode() for number in range(1000)]
        commands = [live.COMMANDS["CA"] if number % 2 else b"NC" for number in range(1000)]
        stream = b"".join(client.framed(command, header) for command, header in zip(commands, headers, strict=True))
        sender = threading.Thread(target=client.socket.sendall, args=(stream,))
        sender.start()
        answers = [client.receive() for _ in headers]
        sender.join()
        assert [answer[:4] for answer in answers] == headers
        assert [answer[4:8] for answer in answers] == [b"CB00" if number % 2 else b"ND00" for number in range(1000)]


def test_an_unknown_command_is_answered_and_the_next_one_too(simulator: Address) -> None:
    with RawClient(simulator) as client:
        assert client.ask("ZY123") == b"ZZ68"
        assert client.ask("NC")[:4] == b"ND00"


@pytest.mark.parametrize("octets", [b"\x00\x00", b"\x00\x03abc", b"\x00\x06abcd\x00\x00", b"\xff\xff" + bytes(0xFFFF)])
def test_what_is_no_command_closes_that_connection_only(octets: bytes, simulator: Address) -> None:
    with RawClient(simulator) as other, RawClient(simulator) as client:
        client.socket.sendall(octets)
        assert client.receive() == b""
        assert other.ask("NC")[:4] == b"ND00"


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    """A unit that takes short frames of two hosts."""
    folder = tmp_path_factory.mktemp("narrow")
    with running(settings="largest-frame = 512\nconnections = 2\n", folder=folder) as unit:
        yield unit.address()


def test_a_frame_above_the_bound_closes_at_its_length(narrow: Address) -> None:
    with RawClient(narrow) as client:
        assert client.ask(b"B201F6" + bytes(502)) == b"B300" + bytes(502)
        client.socket.sendall(struct.pack(">H", 513))
        assert client.receive() == b""


def test_a_half_closed_connection_still_gets_its_answers(simulator: Address) -> None:
    with RawClient(simulator) as client:
        client.socket.sendall(client.framed("NC") * 300 + client.framed("NC")[:3])
        client.socket.shutdown(socket.SHUT_WR)
        answers = [client.receive()[4:8] for _ in range(300)]
        assert answers == [b"ND00"] * 300
        assert client.receive() == b""


def test_a_reset_connection_harms_nobody(simulator: Address) -> None:
    for _ in range(20):
        client = RawClient(simulator)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.socket.sendall(client.framed("NC") * 50 + b"\x00")
        client.socket.close()
    with RawClient(simulator) as client:
        assert client.ask("NC")[:4] == b"ND00"


def stuffed(client: RawClient, command: bytes) -> int:
    """Octets of one command, over and over, that went out until neither side's buffers took any more."""
    client.socket.settimeout(0.5)
    sent = 0
    with suppress(TimeoutError):
        while sent < 1 << 28:
            sent += client.socket.send((command * 64)[sent % len(command) :])
    assert sent < 1 << 28
    return sent


def test_a_host_that_does_not_read_stops_being_read_and_loses_nothing() -> None:
    with running() as unit, RawClient(unit.address()) as slow, RawClient(unit.address()) as other:
        echo = slow.framed(b"B21000" + bytes(4096))
        sent = stuffed(slow, echo)
        before = unit.resident_kib
        assert before < 100_000
        assert other.ask("NC")[:4] == b"ND00"
        slow.socket.settimeout(10)
        for _ in range(sent // len(echo)):
            assert slow.receive()[4:8] == b"B300"
        assert unit.resident_kib < before + 10_000


def test_idle_hosts_cost_the_others_nothing(simulator: Address) -> None:
    with ExitStack() as idle:
        clients = [idle.enter_context(RawClient(simulator)) for _ in range(200)]
        for client in clients[:100]:
            client.socket.sendall(b"\x00\x06ab")
        with RawClient(simulator) as busy:
            assert busy.ask("NC")[:4] == b"ND00"
        for client in clients[:100]:
            client.socket.sendall(b"cdNC")
            assert client.receive()[:8] == b"abcdND00"


def test_one_host_too_many_is_closed_at_once(narrow: Address) -> None:
    address = narrow
    with RawClient(address) as first, RawClient(address) as second:
        assert first.ask("NC")[:4] == second.ask("NC")[:4] == b"ND00"
        with RawClient(address) as third, suppress(ConnectionResetError):
            assert third.socket.recv(1) == b""
        first.socket.close()
        for _ in range(100):
            with RawClient(address) as again:
                try:
                    if again.ask("NC")[:4] == b"ND00":
                        break
                except (AssertionError, OSError):
                    continue
        else:
            pytest.fail("the place of a host that left is not given away")
        assert second.ask("NC")[:4] == b"ND00"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_cleanly_with_hosts_connected(number: signal.Signals) -> None:
    with running() as unit, RawClient(unit.address()) as client:
        process, address = unit.process, unit.address()
        assert client.ask("NC")[:4] == b"ND00"
        process.send_signal(number)
        assert process.wait(PATIENCE_S) == 0
        with suppress(ConnectionResetError):
            assert client.socket.recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            RawClient(address)


def test_a_trace_as_json_lines_and_its_end_when_nobody_reads_it() -> None:
    with running("--trace") as unit, RawClient(unit.address()) as client:
        client.ask(live.COMMANDS["CM"])
        process = unit.process
        assert process.stdout is not None
        assert process.stderr is not None
        asked, answered = (json.loads(process.stdout.readline()) for _ in range(2))
        assert {"event": "traffic", "wire": "hsm", "direction": ">"}.items() <= asked.items()
        assert asked["text"].startswith("CM verify a PIN block under DUKPT by its PVV: bdk U")
        assert "account (hidden)" in asked["text"]
        assert answered == {"event": "traffic", "wire": "hsm", "direction": "<", "text": "CN 00 no error"}
        process.stdout.close()
        for _ in range(3):
            assert client.ask("NC")[:4] == b"ND00"
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
        assert "the trace cannot be written" in process.stderr.read()


def test_ten_hosts_at_once_each_get_their_own_answers(simulator: Address) -> None:
    wrong: list[bytes] = []

    def host(number: int) -> None:
        with RawClient(simulator, header=f"{number:04}".encode()) as client:
            for _ in range(50):
                data = os.urandom(16)
                if (answer := client.ask(b"B20010" + data)) != b"B300" + data:
                    wrong.append(answer)

    threads = [threading.Thread(target=host, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
