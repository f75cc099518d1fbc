# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Orders on their way: from the store to the broker, and their answers back. Signs none and judges none.

An order is handed over once it has all its signatures, with an expiry at the broker, and again only if the broker did
not take it: the terminal knows an order that it has carried out by its number.
"""

from collections.abc import Callable

from fleet_console.feed import Feed
from fleet_console.store.port import Database, Row
from protocols.telemetry.envelope import Report
from protocols.telemetry.topics import order_topic, shard

MOST_AT_ONCE = 50
ANSWER = "UPDATE orders SET state = $4, result = $5, changed_ms = $6 WHERE terminal = $1 AND sequence = $2 AND id = $3"
"""What a terminal reported of an order is committed along with its report."""
_ANSWERED = {"order.done": "done", "order.refused": "refused"}
_STATE = "UPDATE orders SET state = $3, changed_ms = $4 WHERE terminal = $1 AND sequence = $2 AND state = 'ready'"


def answer(report: Report, now_ms: int) -> Row | None:
    """The values for :data:`ANSWER` where a report answers an order."""
    fields = report.event.fields
    state = _ANSWERED.get(report.event.name)
    if state is None:
        return None
    words = str(fields.get("result", fields.get("reason", "")))
    return report.terminal, fields["sequence"], fields["order"], state, words, now_ms


class Dispatch:
    """The orders of the terminals whose shard is ``ours``."""

    def __init__(self, database: Database, ours: Callable[[int], bool], clock_ms: Callable[[], int]) -> None:
        self._database = database
        self._ours = ours
        self._clock_ms = clock_ms
        self._under_way: dict[int, tuple[str, int]] = {}
        self._taken: list[tuple[str, int]] = []

    async def send(self, feed: Feed) -> int:
        """Hand over what is ready; returns how many."""
        now = self._clock_ms()
        if self._taken:
            taken, self._taken = self._taken, []
            await self._database.write([(_STATE, [(*one, "sent", now) for one in taken])])
        count = 0
        for terminal, sequence, envelope, until_s in await self._database.read(
            "SELECT terminal, sequence, envelope, until_s FROM orders WHERE state = 'ready' ORDER BY made_ms LIMIT $1",
            MOST_AT_ONCE,
        ):
            if not self._ours(shard(terminal)) or (terminal, sequence) in self._under_way.values():
                continue
            left_s = until_s - now // 1_000
            if left_s <= 0:
                await self._database.write([(_STATE, [(terminal, sequence, "expired", now)])])
            elif feed.free:
                number = feed.publish(order_topic(terminal), bytes(envelope), left_s)
                assert number is not None  # QoS 1
                self._under_way[number] = (terminal, sequence)
                count += 1
        feed.flush()
        return count

    def taken(self, number: int) -> None:
        """The broker has acknowledged a publish."""
        if (one := self._under_way.pop(number, None)) is not None:
            self._taken.append(one)
