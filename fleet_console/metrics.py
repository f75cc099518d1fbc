# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Numbers of a running ingest for Prometheus: the counts, their text, and the little HTTP that gives it on loopback.

The text is exposition format 0.0.4. No label comes from a message: a terminal cannot make a new time series.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from fleet_console.judge import Reason

LONGEST_REQUEST = 4_096
LONGEST_WAIT_S = 10.0
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "tillguard_ingest_"
_COUNTS = {
    "reports": "Reports committed.",
    "duplicates": "Reports that were here already.",
    "wills": "Wills heard.",
    "dropped": "Reports that terminals say they have dropped.",
    "receipts": "Receipts handed to the broker.",
    "commits": "Commits of reports.",
    "findings": "Faults in terminals' stories.",
    "orders": "Orders handed to the broker.",
    "list_renewals": "Lists of withdrawn certificates written and read by the broker.",
    "list_failures": "Lists of withdrawn certificates that could not be made, written or read.",
}


@dataclass(slots=True)
class Counts:
    """What has happened since the start."""

    counts: Counter[str] = field(default_factory=Counter)
    dead: Counter[Reason] = field(default_factory=Counter)
    commit_s: float = 0.0
    connected: dict[int, bool] = field(default_factory=dict)
    """Groups that this process holds, and whether their connection stands."""
    list_ends_ms: int | None = None
    """When the list of withdrawn certificates ends, 0 where there is none; None where the settings name none."""

    def text(self) -> str:
        """All of it, for Prometheus."""
        return "".join(self._lines())

    def _lines(self) -> Iterator[str]:
        for name, words in _COUNTS.items():
            yield from _family(f"{name}_total", "counter", words, [("", self.counts[name])])
        dead = [(f'{{reason="{reason.value}"}}', self.dead[reason]) for reason in Reason]
        yield from _family("dead_letters_total", "counter", "Messages not taken, by reason.", dead)
        seconds: list[tuple[str, float]] = [("", round(self.commit_s, 6))]
        yield from _family("commit_seconds_total", "counter", "Time spent on judging and committing.", seconds)
        held = [(f'{{group="{group}"}}', int(up)) for group, up in sorted(self.connected.items())]
        if self.list_ends_ms is not None:
            ends = [("", self.list_ends_ms // 1000)]
            words = "When the list of withdrawn certificates ends, in seconds since 1970."
            yield from _family("list_ends_timestamp_seconds", "gauge", words, ends)
        yield from _family("connected", "gauge", "1 for a shard group whose connection stands.", held)


def _family(name: str, kind: str, words: str, samples: list[tuple[str, float]] | list[tuple[str, int]]) -> list[str]:
    head = f"# HELP {PREFIX}{name} {words}\n# TYPE {PREFIX}{name} {kind}\n"
    return [head, *(f"{PREFIX}{name}{labels} {value}\n" for labels, value in samples)]


async def serve(counts: Counts, port: int) -> asyncio.Server:
    """Answer GET /metrics on 127.0.0.1; raises OSError where the port is taken."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(LONGEST_WAIT_S):
                request = await reader.readuntil(b"\r\n\r\n")
                found = request.startswith((b"GET /metrics ", b"GET /metrics?"))
                body = (counts.text() if found else "not here; GET /metrics\n").encode()
                status = "200 OK" if found else "404 Not Found"
                head = f"HTTP/1.1 {status}\r\nContent-Type: {CONTENT_TYPE}\r\nContent-Length: {len(body)}\r\n"
                writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    return await asyncio.start_server(answer, "127.0.0.1", port, limit=LONGEST_REQUEST)
