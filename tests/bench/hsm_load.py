# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The load on a host command server, as its own process: prints commands per second. Shares no code with the server.

    python -m tests.bench.hsm_load HOST PORT WINDOW SECONDS    command in hexadecimal, framed, on stdin

An answer's length is learnt from the first one; every answer must have it. WINDOW commands are under way at once.
"""

import socket
import sys
import time


def load(address: tuple[str, int], command: bytes, window: int, seconds: float) -> float:
    """Commands per second over about `seconds`, by the wall clock."""
    with socket.create_connection(address, timeout=10) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.sendall(command)
        head = line.recv(2, socket.MSG_WAITALL)
        answer = 2 + len(line.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL))
        batch, expected = command * window, answer * window
        done, started = 0, time.perf_counter()
        deadline = started + seconds
        while time.perf_counter() < deadline:
            line.sendall(batch)
            if len(line.recv(expected, socket.MSG_WAITALL)) != expected:
                raise ConnectionError("the server closed the connection")
            done += window
        return done / (time.perf_counter() - started)


if __name__ == "__main__":
    host, port, window, seconds = sys.argv[1:]
    print(load((host, int(port)), bytes.fromhex(sys.stdin.read()), int(window), float(seconds)))
