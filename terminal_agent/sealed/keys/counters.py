# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What is counted before a key is used: DUKPT transactions, PINs, failed loads. On the disk first, used afterwards.

A DUKPT key is taken so: the state moves on, the ring is saved and synced, and only then does the caller get the key.
Power may be cut at any moment; the next start goes on behind everything that can have been used.

An old image of the store is caught twice. Its generation is lower than the number kept elsewhere, which goes up with
every start and every :data:`BLOCK` uses: the vault then stays locked. And an image from within the present generation,
which that number cannot tell, does no harm: every start skips what is left of the block, used or not.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from protocols.dukpt.ksn import AesKsn, TdesKsn
from protocols.dukpt.originator import (
    MARK_OCTETS,
    AesOriginator,
    AesTransaction,
    OriginatorState,
    TdesOriginator,
    TdesTransaction,
)
from terminal_agent.sealed.keys.elsewhere import Elsewhere
from terminal_agent.sealed.keys.ring import Held, Ring
from terminal_agent.sealed.keys.slots import DATA, PIN, SLOTS
from terminal_agent.sealed.keys.store import Store, StoreError

BLOCK: Final = 64
"""DUKPT uses between two steps of the number kept elsewhere: a start costs at most so many of a million (TDES)."""
NEAR_THE_END: Final = 0.9
"""Share of a key's counter at which it is time for another key."""

Transaction = TdesTransaction | AesTransaction
Originator = TdesOriginator | AesOriginator


class RolledBack(StoreError):
    """The store is older than the number kept elsewhere: somebody put an old image back."""


class UsedUp(Exception):
    """The DUKPT key has no further transactions."""


@dataclass(frozen=True, slots=True)
class PinRate:
    """How often a PIN may be enciphered: one per ``interval_ms`` on average, ``burst`` at once."""

    interval_ms: int = 30_000
    burst: int = 8


class Counters:
    """The counters of one ring."""

    def __init__(
        self, ring: Ring, store: Store, elsewhere: Elsewhere, rate: PinRate, steady_ms: Callable[[], int]
    ) -> None:
        self._ring = ring
        self._store = store
        self._elsewhere = elsewhere
        self._rate = rate
        self._steady_ms = steady_ms
        self._credited_ms = steady_ms()

    def begin(self) -> None:
        """At start: find an old image out, step over what may have been used, begin a generation.

        :class:`RolledBack` with both numbers. A store that is one ahead was interrupted between its two steps.
        """
        kept, ours = self._elsewhere.value(), self._ring.generation
        if not kept <= ours <= kept + 1:
            raise RolledBack(f"clone or rollback: the store says {ours}, the counter kept elsewhere {kept}")
        if ours == kept + 1:
            self._elsewhere.advance()
        for name in (PIN, DATA):
            if self._ring.serving[name]:
                self._skip(self._ring.serving[name], BLOCK - self._ring.used[name])
        self._generation()

    def take(self, slot: str) -> Transaction:
        """The next key of a DUKPT slot; everything that must be remembered of it is on the disk.

        :class:`UsedUp` at the end of the key's life, :class:`StoreError` where nothing could be remembered.
        """
        ring = self._ring
        held = ring.serving[slot]
        if ring.used[slot] >= BLOCK:
            self._generation()
        originator = restored(held)
        transaction = originator.advance()
        _keep(held, originator)
        if transaction is None:
            raise UsedUp
        ring.used[slot] += 1
        try:
            self._store.save(ring)
        except BaseException:
            transaction.key.wipe()
            raise
        return transaction

    def take_pin(self) -> Transaction:
        """As :meth:`take` for the PIN slot; the throttle is charged in the same write."""
        self._charge()
        return self.take(PIN)

    def charge_pin(self) -> None:
        """The throttle alone, for a PIN that goes to the card: on the disk when this returns."""
        self._charge()
        self._store.save(self._ring)

    def pin_wait_ms(self) -> int:
        """How long until a PIN may be enciphered; 0 for now."""
        self._credit()
        return max(0, self._rate.interval_ms - self._ring.pin_credit_ms)

    def fill_throttle(self) -> None:
        """A vault that is set up begins with a full burst; no restart gives one."""
        self._ring.pin_credit_ms = self._rate.interval_ms * self._rate.burst

    def _charge(self) -> None:
        self._credit()
        self._ring.pin_credit_ms -= self._rate.interval_ms

    def _credit(self) -> None:
        now = self._steady_ms()
        most = self._rate.interval_ms * self._rate.burst
        self._ring.pin_credit_ms = min(most, self._ring.pin_credit_ms + max(0, now - self._credited_ms))
        self._credited_ms = now

    def _generation(self) -> None:
        ring = self._ring
        ring.generation += 1
        ring.used = dict.fromkeys(SLOTS, 0)
        self._store.save(ring)
        self._elsewhere.advance()

    @staticmethod
    def _skip(held: Held, count: int) -> None:
        originator = restored(held)
        for _ in range(count):
            transaction = originator.advance()
            if transaction is None:
                break
            transaction.key.wipe()
        _keep(held, originator)


def restored(held: Held) -> Originator:
    """The originator whose state rests in ``held``; its keys are on the heap until it is wiped."""
    with OriginatorState(held.octets) as state:
        if held.algorithm == "A":
            return AesOriginator.restore(state)
        return TdesOriginator.restore(state)


def life(held: Held) -> tuple[str, float]:
    """The next KSN, and which share of the counter is behind it; no KSN and 1 at the end of life. Reads no key."""
    kind = AesKsn if held.algorithm == "A" else TdesKsn
    end = MARK_OCTETS + kind.size
    if held.octets[end]:
        return "", 1.0
    following = kind(bytes(held.octets[MARK_OCTETS:end]))
    return str(following), following.counter / (1 << kind.counter_bits)


def _keep(held: Held, originator: Originator) -> None:
    with originator.state() as state:
        held.put(state.reveal())
    originator.wipe()
