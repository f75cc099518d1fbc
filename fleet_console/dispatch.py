# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Orders on their way: from the store to the broker, and their answers back. Signs none and judges none.

An order is handed over once it has all its signatures, with an expiry at the broker, never retained. The broker's
acknowledgement says little: it has nobody to keep an order for whose terminal was never connected, and what it kept it
may forget. So an order that has no answer is handed over again once its terminal is heard, after a while in which the
answer to the first may come, and then ever more rarely. The terminal knows an order that it has carried out by its
number, so twice does no harm; it tells of it as of any replay, which is why the waiting.
"""

from collections.abc import Callable, Container
from dataclasses import dataclass

from fleet_console.feed import Feed
from fleet_console.store.port import Database, Row, Step
from protocols.telemetry.envelope import Report
from protocols.telemetry.topics import order_topic

MOST_AT_ONCE = 50
ANSWER = "UPDATE orders SET state = $4, result = $5, changed_ms = $6 WHERE terminal = $1 AND sequence = $2 AND id = $3"
"""What a terminal reported of an order is committed along with its report."""
_ANSWERED = {"order.done": "done", "order.refused": "refused"}
_READY = (
    "SELECT o.terminal, o.sequence, o.envelope, o.until_s FROM orders o "
    "LEFT JOIN terminals t ON t.terminal = o.terminal "
    "WHERE o.state = 'ready' AND COALESCE(t.shard, 0) % $1 = $2 ORDER BY o.made_ms LIMIT $3"
)
_SENT = (
    "SELECT o.terminal, o.sequence, o.until_s, o.changed_ms, o.handed FROM orders o "
    "LEFT JOIN terminals t ON t.terminal = o.terminal "
    "WHERE o.state = 'sent' AND COALESCE(t.shard, 0) % $1 = $2"
)
_STILL_SENT = "SELECT envelope FROM orders WHERE terminal = $1 AND sequence = $2 AND state = 'sent'"
_HANDED = (
    "UPDATE orders SET state = 'sent', changed_ms = $3, handed = handed + 1 "
    "WHERE terminal = $1 AND sequence = $2 AND state IN ('ready', 'sent')"
)
_EXPIRED = "UPDATE orders SET state = 'expired', changed_ms = $1 WHERE state IN ('ready', 'sent') AND until_s <= $2"
ANSWER_MS = 5_000  # how long the answer of a terminal that is there may take before its order is handed over again
RARER = 4  # so many times as long before the next time
LONGEST_WAIT_MS = 3_600_000
REFUSED_MS = 10_000  # how long an order waits that the broker refused
SWEEP_MS = 10_000
Number = tuple[str, int]
"""A terminal, and the sequence number of an order for it."""


@dataclass(slots=True)
class _Sent:
    """An order that the broker took and nobody has answered."""

    until_s: int
    handed_ms: int
    times: int
    there_ms: int | None = None
    """When its terminal was first heard since."""

    def is_due(self, now_ms: int) -> bool:
        if self.there_ms is None:
            return False
        wait_ms: int = min(LONGEST_WAIT_MS, ANSWER_MS * RARER ** max(0, self.times - 1))
        return now_ms >= self.there_ms + ANSWER_MS and now_ms >= self.handed_ms + wait_ms


def answer(report: Report, now_ms: int) -> Row | None:
    """The values for :data:`ANSWER` where a report answers an order."""
    fields = report.event.fields
    state = _ANSWERED.get(report.event.name)
    if state is None:
        return None
    words = str(fields.get("result", fields.get("reason", "")))
    return report.terminal, fields["sequence"], fields["order"], state, words, now_ms


class Dispatch:
    """The orders of the terminals of one shard group."""

    def __init__(self, database: Database, group: int, groups: int, clock_ms: Callable[[], int]) -> None:
        self._database = database
        self._group, self._groups = group, groups
        self._clock_ms = clock_ms
        self._sent: dict[Number, _Sent] = {}
        self._under_way: dict[int, tuple[Number, int]] = {}
        self._taken: list[tuple[Number, int]] = []
        self._refused: dict[Number, int] = {}
        self._swept_ms = 0

    async def load(self) -> None:
        """What was handed over before."""
        for terminal, sequence, until_s, handed_ms, times in await self._database.read(
            _SENT, self._groups, self._group
        ):
            self._sent[terminal, sequence] = _Sent(until_s, handed_ms, times)

    def heard(self, terminals: Container[str]) -> None:
        """These terminals have just spoken."""
        now = self._clock_ms()
        for (terminal, _), one in self._sent.items():
            if one.there_ms is None and terminal in terminals:
                one.there_ms = now

    async def send(self, feed: Feed) -> int:
        """Hand over what is ready, and again what its terminal seems to lack; returns how many."""
        now = self._clock_ms()
        await self._note(now)
        handed = {number for number, _ in self._under_way.values()}
        count = 0
        for terminal, sequence, envelope, until_s in await self._database.read(
            _READY, self._groups, self._group, MOST_AT_ONCE
        ):
            number = terminal, sequence
            if number not in handed and now >= self._refused.get(number, 0):
                count += self._hand_over(feed, number, bytes(envelope), until_s)
        for number, one in list(self._sent.items()):
            if number in handed or not one.is_due(now):
                continue
            found = await self._database.read(_STILL_SENT, *number)
            if found:
                count += self._hand_over(feed, number, bytes(found[0][0]), one.until_s)
            else:
                del self._sent[number]  # it has its answer
        feed.flush()
        return count

    def answered(self, packet_id: int, *, taken: bool) -> None:
        """The broker has answered a publish, perhaps one of an order."""
        if (one := self._under_way.pop(packet_id, None)) is None:
            return
        if taken:
            self._taken.append(one)
        else:
            self._refused[one[0]] = self._clock_ms() + REFUSED_MS

    def _hand_over(self, feed: Feed, number: Number, envelope: bytes, until_s: int) -> bool:
        left_s = until_s - self._clock_ms() // 1_000
        if left_s <= 0 or not feed.free:
            return False
        packet_id = feed.publish(order_topic(number[0]), envelope, left_s)
        assert packet_id is not None  # QoS 1
        self._under_way[packet_id] = number, until_s
        return True

    async def _note(self, now: int) -> None:
        """Keep what the broker took, and what is over."""
        steps: list[Step] = []
        taken, self._taken = self._taken, []
        for number, until_s in taken:
            times = self._sent[number].times + 1 if number in self._sent else 1
            self._sent[number] = _Sent(until_s, now, times)
            steps.append((_HANDED, [(*number, now)]))
        if now - self._swept_ms >= SWEEP_MS:
            self._swept_ms = now
            steps.append((_EXPIRED, [(now, now // 1_000)]))
            self._sent = {number: one for number, one in self._sent.items() if one.until_s > now // 1_000}
            self._refused = {number: until_ms for number, until_ms in self._refused.items() if until_ms > now}
        if steps:
            await self._database.write(steps)
