# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""One terminal of a simulated fleet: what it has to tell, in batches, until it is receipted. No socket, no clock.

It does at the wire what a real terminal does: one chain of hashes over all lanes, alerts before everything else and
alone, batches of up to 32 of one lane, nothing forgotten before a signed receipt names it, ranges sent again when they
are asked for, a pre-signed will. What it reports is drawn from a seed: two runs tell the same stories.
"""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from protocols.telemetry.batch import LARGEST_BODY, MOST_REPORTS, encode_batch, will
from protocols.telemetry.envelope import Report, encode, genesis, report_hash
from protocols.telemetry.events import KINDS, Event, Lane, make
from protocols.telemetry.keys import PublicKey
from protocols.telemetry.receipt import CONTEXT, read_receipt, receipt
from protocols.telemetry.seal import Signer

_ORDER = tuple(Lane)


@dataclass(frozen=True, slots=True)
class Kept:
    """A report that no receipt names yet."""

    boot: int
    seq: int
    lane: Lane
    octets: bytes


class FleetTerminal:
    """One of them, over one life. ``kept`` are reports of lives before, oldest first."""

    def __init__(
        self,
        name: str,
        boot: int,
        signer: Signer,
        head_office: PublicKey,
        *,
        prev: str | None = None,
        kept: Iterable[Kept] = (),
        seed: int = 0,
    ) -> None:
        self.name, self.boot = name, boot
        self._signer, self._head_office = signer, head_office
        self.first_prev = self.prev = prev or genesis(name)
        self.seq = 0
        self._spool: dict[tuple[int, int], Kept] = {(one.boot, one.seq): one for one in kept}
        self._to_send: dict[tuple[int, int], Kept] = dict(self._spool)
        self._serial = 0
        self._chance = random.Random(f"{seed} {name}")  # noqa: S311  # a story, not a secret

    @property
    def waiting(self) -> int:
        """Reports that no receipt names yet."""
        return len(self._spool)

    def happen(self, at_ms: int) -> Kept:
        """Something happens; the caller keeps it on disk before it asks for :meth:`batch`."""
        return self.tell(_something(self._chance, at_ms))

    def tell(self, event: Event) -> Kept:
        """The next report: that event."""
        self.seq += 1
        octets = encode(Report(self.name, self.boot, self.seq, self.prev, event))
        self.prev = report_hash(octets)
        made = Kept(self.boot, self.seq, KINDS[event.name].lane, octets)
        self._spool[made.boot, made.seq] = self._to_send[made.boot, made.seq] = made
        return made

    def batch(self) -> tuple[Lane, bytes] | None:
        """The next thing to publish: the first lane that has anything, the oldest of it; None where nothing waits."""
        if not self._to_send:
            return None
        lane = min((one.lane for one in self._to_send.values()), key=_ORDER.index)
        taken: list[Kept] = []
        octets = 0
        for one in self._to_send.values():
            if one.lane is not lane:
                continue
            octets += len(one.octets) + 1
            if taken and (one.boot != taken[0].boot or one.seq < taken[-1].seq or octets > LARGEST_BODY):
                break
            taken.append(one)
            if lane is Lane.ALERT or len(taken) == MOST_REPORTS:
                break
        for one in taken:
            del self._to_send[one.boot, one.seq]
        return lane, encode_batch([one.octets for one in taken], self._signer)

    def again(self) -> None:
        """Everything without a receipt waits to be sent once more: the connection is new, or a receipt is overdue."""
        self._to_send = dict(sorted(self._spool.items()))

    def receipted(self, octets: bytes) -> list[Kept]:
        """Head office's receipt: what it names is forgotten, and returned; what it asks for is sent again."""
        sealed = read_receipt(octets)
        if not self._head_office.signed(sealed, CONTEXT):
            return []
        found = receipt(sealed)
        if found.terminal != self.name or found.serial <= self._serial:
            return []
        self._serial = found.serial
        ranges = [(1, found.upto), *found.also]
        gone = [
            one for (boot, seq), one in self._spool.items()
            if boot == found.boot and any(first <= seq <= last for first, last in ranges)
        ]  # fmt: skip
        for one in gone:
            del self._spool[one.boot, one.seq]
            self._to_send.pop((one.boot, one.seq), None)
        for one in self._spool.values():
            if one.boot == found.boot and any(first <= one.seq <= last for first, last in found.missing):
                self._to_send.setdefault((one.boot, one.seq), one)
        return gone

    def will(self, at_ms: int) -> bytes:
        """What the broker publishes when the connection ends without a word."""
        return will(self.name, self.boot, self.first_prev, at_ms, self._signer)


def _something(chance: random.Random, at_ms: int) -> Event:
    """An event as terminals have them: mostly payments and their steps, now and then trouble."""
    kinds: tuple[tuple[int, Callable[[], Event]], ...] = (
        (60, lambda: make("payment.step", at_ms, payment=f"p-{chance.randint(1, 9999)}", step="online", wire="host",
                          ms=chance.randint(5, 900))),
        (25, lambda: make("payment.finished", at_ms, payment=f"p-{chance.randint(1, 9999)}", outcome="approved",
                          response_code="00", amount=chance.randint(1, 99_999), currency="EUR",
                          masked_pan="400000******0016", ms=chance.randint(300, 2000))),
        (10, lambda: make("device.back", at_ms, device="reader")),
        (5, lambda: make("device.lost", at_ms, device="reader", reason="unplugged")),
    )  # fmt: skip
    return chance.choices([maker for _, maker in kinds], [weight for weight, _ in kinds])[0]()
