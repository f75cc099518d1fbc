# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Numbers of a running unit for Prometheus: the text, and the little HTTP that gives it. Measures nothing by itself.

The text is exposition format 0.0.4. Nothing in it comes from a host but command codes that this program knows, so no
host can make a new time series. The HTTP end answers GET /metrics, one request per connection, on loopback.
"""

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import cast

from hsm_sim.engine.states import State
from hsm_sim.engine.vault import Kind
from hsm_sim.payshield.server import Hosts
from hsm_sim.simulator import ACTIVITIES, Simulator

LONGEST_REQUEST = 4096
LONGEST_WAIT_S = 10.0
"""So long a reader may take to say what it wants."""
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "hsm_sim_"

Sample = tuple[dict[str, str], float]


def text_of(simulator: Simulator, hosts: Hosts, uptime_s: float) -> str:
    """All metrics of one moment."""
    return "".join(_lines(simulator, hosts, uptime_s))


def _lines(simulator: Simulator, hosts: Hosts, uptime_s: float) -> Iterator[str]:
    unit, counts = simulator.unit, simulator.counters.counts
    answers = [({"command": code, "error": "00"}, float(count)) for code, count in sorted(unit.succeeded.items())]
    answers += [
        ({"command": code, "error": error}, float(count)) for (code, error), count in sorted(unit.answers.items())
    ]
    yield from _family("commands_total", "counter", "Commands by code and error code; ?? is any unknown code.", answers)
    yield from _one("connections", "gauge", "Hosts connected.", len(hosts))
    yield from _one("connections_accepted_total", "counter", "Connections taken.", hosts.accepted)
    yield from _one("connections_refused_total", "counter", "Connections closed as they came.", hosts.refused)
    yield from _one("connections_stalled_total", "counter", "Connections closed with half a frame.", hosts.stalled)
    yield from _one("busy_seconds_total", "counter", "Processor time spent on hosts.", hosts.busy_s)
    yield from _family(
        "state",
        "gauge",
        "1 for the state that the unit is in.",
        [({"state": state.value}, float(state is simulator.states.state)) for state in State],
    )
    authorised = simulator.states.authorised()
    yield from _family(
        "authorised_seconds",
        "gauge",
        "How long each activity is still authorised.",
        [({"activity": name}, round(authorised.get(name, 0.0), 3)) for name in ACTIVITIES],
    )
    yield from _one("verification_failures_total", "counter", "PIN verifications that failed.", counts.total)
    yield from _one("verification_closed", "gauge", "1 while closed to PIN verifications.", float(counts.tripped))
    yield from _one("audit_records_total", "counter", "Records of the audit.", simulator.audit.head.seq)
    yield from _one("audit_commits_total", "counter", "Writes of the audit to the disk.", simulator.audit.commits)
    yield from _one("audit_waiting", "gauge", "Records not yet on the disk.", simulator.audit.waiting)
    if simulator.vault is not None:
        yield from _one("vault_keys", "gauge", "Keys in the vault.", simulator.vault.count(Kind.KEY))
    if simulator.injector is not None:
        hits = simulator.injector.hits
        yield from _family(
            "faults_total",
            "counter",
            "Faults on purpose, by action.",
            [({"action": action}, float(count)) for action, count in sorted(hits.items())],
        )
    yield from _one("resident_bytes", "gauge", "Resident memory of the process.", _resident_bytes())
    yield from _one("uptime_seconds", "gauge", "Time since the unit was ready.", round(uptime_s, 3))


def _one(name: str, kind: str, words: str, value: float) -> Iterator[str]:
    return _family(name, kind, words, [({}, value)])


def _family(name: str, kind: str, words: str, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# HELP {PREFIX}{name} {words}\n# TYPE {PREFIX}{name} {kind}\n"
    for labels, value in samples:
        # Label values are codes and words of this program: letters, digits, '?', '-'. None needs an escape.
        labelled = ",".join(f'{label}="{said}"' for label, said in labels.items())
        where = f"{{{labelled}}}" if labels else ""
        yield f"{PREFIX}{name}{where} {_number(value)}\n"


def _number(value: float) -> str:
    """Every digit of it: a counter that loses its last ones looks as if it stood still."""
    return str(int(value)) if value == int(value) else repr(float(value))


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class _Reader(asyncio.Protocol):
    """One request for the metrics."""

    _transport: asyncio.Transport

    def __init__(self, text: Callable[[], str]) -> None:
        self._text = text
        self._request = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._end = asyncio.get_running_loop().call_later(LONGEST_WAIT_S, self._transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end.cancel()

    def data_received(self, data: bytes) -> None:
        if self._transport.is_closing():
            return
        self._request += data
        if b"\r\n\r\n" in self._request:
            self._answer()
        elif len(self._request) > LONGEST_REQUEST:
            self._transport.abort()

    def _answer(self) -> None:
        method, _, rest = self._request.partition(b" ")
        path, _, protocol = rest.partition(b"\r\n")[0].partition(b" ")
        path = path.partition(b"?")[0]
        if not protocol.startswith(b"HTTP/1."):
            status, body = "400 Bad Request", "HTTP/1.1 expected\n"
        elif method != b"GET":
            status, body = "405 Method Not Allowed", "only GET\n"
        elif path != b"/metrics":
            status, body = "404 Not Found", "see /metrics\n"
        else:
            status, body = "200 OK", self._text()
        octets = body.encode()
        head = f"HTTP/1.1 {status}\r\nContent-Type: {CONTENT_TYPE}\r\nContent-Length: {len(octets)}\r\n"
        self._transport.write(head.encode() + b"Connection: close\r\n\r\n" + octets)
        self._transport.close()


async def serve_metrics(text: Callable[[], str], address: str, port: int) -> asyncio.Server:
    """Give the metrics to whoever asks there."""
    return await asyncio.get_running_loop().create_server(lambda: _Reader(text), address, port)
