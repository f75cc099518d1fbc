# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The load on a host command server, as its own process: prints commands per second. Shares no code with the server.

    python -m tests.bench.hsm_load HOST PORT CLIENTS WINDOW SECONDS    command in hexadecimal, framed, on stdin

One client has WINDOW commands under way at once, sent in two halves, so that the server has work while the answers to
one half are read; of many clients each has one. The first answer is printed too, in hexadecimal; every later one
must be equal to it, octet by octet, so the command must be one whose answer does not change.
"""

import select
import socket
import sys
import time

READ_OCTETS = 1 << 16
BATCHES = 2


def connected(address: tuple[str, int]) -> socket.socket:
    """A connection that sends at once."""
    line = socket.create_connection(address, timeout=10)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return line


def asked_once(line: socket.socket, command: bytes) -> bytes:
    """The framed answer to one command."""
    line.sendall(command)
    head = line.recv(2, socket.MSG_WAITALL)
    return head + line.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL)


def of_one(line: socket.socket, batch: bytes, expected: bytes, batches: int, seconds: float) -> float:
    """Batches per second over about so many seconds, by the wall clock, while so many batches are under way."""
    size = len(expected)
    line.sendall(batch * (batches - 1))
    done, started = 0, time.perf_counter()
    deadline = started + seconds
    while time.perf_counter() < deadline:
        line.sendall(batch)
        if line.recv(size, socket.MSG_WAITALL) != expected:
            raise ConnectionError("the server closed the connection, or gave another answer than before")
        done += 1
    return done / (time.perf_counter() - started)


def of_many(lines: list[socket.socket], batch: bytes, expected: bytes, seconds: float) -> float:
    """As :func:`of_one`, over all connections: each asks again as soon as it is answered."""
    poll = select.epoll()
    by_number = {line.fileno(): line for line in lines}
    held = dict.fromkeys(by_number, b"")
    for number in by_number:
        poll.register(number, select.EPOLLIN)
    done, started = 0, time.perf_counter()
    deadline = started + seconds
    for line in lines:
        line.sendall(batch)
    while time.perf_counter() < deadline:
        for number, _ in poll.poll(1):
            line = by_number[number]
            found = line.recv(READ_OCTETS)
            if found != expected:
                found = held[number] = held[number] + found
                if not expected.startswith(found):
                    raise ConnectionError("another answer than before")
                if len(found) < len(expected):
                    continue
                held[number] = b""
            line.sendall(batch)
            done += 1
    return done / (time.perf_counter() - started)


def main() -> None:
    """Load, then say how it went."""
    host, port, clients, window, seconds = sys.argv[1:]
    command = bytes.fromhex(sys.stdin.read())
    lines = [connected((host, int(port))) for _ in range(int(clients))]
    first = asked_once(lines[0], command)
    batches = min(int(window), BATCHES)
    size = int(window) // batches
    batch, expected = command * size, first * size
    if len(lines) == 1:
        rate = of_one(lines[0], batch, expected, batches, float(seconds))
    else:
        rate = of_many(lines, batch, expected, float(seconds))
    print(rate * size, first.hex())


if __name__ == "__main__":
    main()
