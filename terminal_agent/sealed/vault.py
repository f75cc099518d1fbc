# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The vault itself: requests in, replies out, by phase. Reads no pipe and no keypad; :mod:`.serving` moves the octets.

Every request meets the same gates in the same order: is it permitted in this phase, did custodians approve where they
must, is what it needs there. Only then is a key touched, and what has to outlive the vault is on the disk before.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from protocols.errors import IntegrityError, ProtocolError
from protocols.vault import (
    Challenge,
    Done,
    Happened,
    Inventory,
    Load,
    Refusal,
    Refused,
    Renew,
    Reply,
    Request,
    Result,
    Rotate,
    Status,
    Stop,
    Tamper,
    Verb,
    Verify,
    Zeroise,
)
from terminal_agent.sealed import approvals, requests
from terminal_agent.sealed.fences import Fence
from terminal_agent.sealed.keys import inject, slots
from terminal_agent.sealed.keys.counters import NEAR_THE_END, Counters, life
from terminal_agent.sealed.keys.inject import LoadRefused
from terminal_agent.sealed.keys.ring import Destroyed, Held, Ring
from terminal_agent.sealed.keys.slots import SLOTS
from terminal_agent.sealed.keys.store import Store, StoreError
from terminal_agent.sealed.phases import Cause, Phase, after
from terminal_agent.sealed.services import Services

LONGEST_SOURCE: Final = 40
Handler = Callable[[Request], Reply]


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a vault is given and does not make: time, randomness, and which keys payments need."""

    needed: tuple[str, ...]
    now_ms: Callable[[], int]
    random: Callable[[int], bytes]
    elsewhere: str = ""
    """Where the second counter is, in words."""
    source: str = ""
    """Who gave the store's key, in words."""


class Vault:
    """One vault. ``opened`` is None where its store could not be opened: then it is locked, and says ``why``."""

    def __init__(
        self,
        ring: Ring,
        store: Store | None,
        counters: Counters | None,
        circumstances: Circumstances,
        fences: tuple[Fence, ...] = (),
        why: str = "",
        erase: Callable[[], None] | None = None,
    ) -> None:
        """``erase``: overwrites a store that could not be opened, should somebody tamper with the terminal."""
        self.phase = Phase.LOCKED
        self.events: list[Happened] = []
        """What happened that nobody asked for; whoever serves takes them out."""
        self.stopping = False
        self.keypad: Callable[[], str] = lambda: "none"
        """How the keypad is, in a word; whoever serves knows."""
        self.fences = fences
        self._ring = ring
        self._store = store
        self._around = circumstances
        self._why = why
        self._erase = erase
        self._challenge = b""
        self.approvers = ""
        """Who signed the request that is served, as the words of its reply have it."""
        self._low = False
        self.services = Services(ring, counters, circumstances.random)
        self._handlers: Mapping[int, Callable[..., Reply]] = {
            Verb.STATUS: self._status,
            Verb.INVENTORY: self._inventory,
            Verb.CHALLENGE: self._new_challenge,
            Verb.LOAD: self._load,
            Verb.ROTATE: self._rotate,
            Verb.ZEROISE: self._zeroise,
            Verb.TAMPER: self._tamper,
            Verb.RENEW: self._renew,
            Verb.VERIFY: self._verify,
            Verb.STOP: self._stop,
            Verb.MAC: self.services.mac,
            Verb.ENCRYPT: self.services.encrypt,
            Verb.PROVE: self.services.prove,
        }
        if store is not None:
            self._move(self._opened())
        elif ring.tampered:
            self._move(Cause.OPENED_TAMPERED)

    def ask(self, request: Request) -> Reply:
        """Serve one request that is not about PIN entry; a refusal says why and has done nothing."""
        refused = self.gate(request)
        if refused is not None:
            return refused
        handler = self._handlers.get(request.code)
        if handler is None:
            return Refused(
                Refusal.PHASE, "only a vault that is being loaded serves that: stop the agent, use --profile"
            )
        try:
            return self._looked_after(handler(request))
        except LoadRefused as fault:
            return Refused(Refusal.POLICY, str(fault))
        except StoreError as fault:
            return Refused(Refusal.STORE, str(fault))
        except IntegrityError as fault:
            return Refused(Refusal.NOT_AUTHENTIC, str(fault))
        except ProtocolError as fault:
            return Refused(Refusal.MALFORMED, str(fault))

    def gate(self, request: Request) -> Refused | None:
        """Why a request is not served now, if so; uses up the custodians' number where it needed approval."""
        verb = Verb(request.code)
        if verb not in requests.PERMITTED[self.phase]:
            because = self._why or self._lacking()
            return Refused(Refusal.PHASE, f"the vault is {self.phase.value}" + (f": {because}" if because else ""))
        if verb in requests.APPROVED and self._store is not None:
            challenge, self._challenge = self._challenge, b""
            given = bytes(getattr(request, "approvals", b""))
            persons = approvals.approved(request, given, challenge, self._ring.custodians)
            self.approvers = "".join(f" approved-by {name}" for name in persons or ())
            if persons is None:
                return Refused(
                    Refusal.APPROVAL, f"{approvals.NEEDED} custodians must sign this request with a fresh challenge"
                )
        return None

    def also(self, handlers: Mapping[int, Callable[..., Reply]]) -> None:
        """Serve further verbs: what only a vault that is being loaded needs, and pays for in memory."""
        self._handlers = {**self._handlers, **handlers}

    def too_many_failed_loads(self) -> Refused | None:
        """Why no further key is opened, if so: one who tries keys out has had his tries."""
        failed = self._ring.failed_loads
        if failed < inject.MOST_FAILED_LOADS:
            return None
        return Refused(Refusal.POLICY, f"{failed} keys in a row were not authentic: zeroise before the next")

    def accept(self, name: str, take: Callable[[], Held]) -> Reply:
        """Put a key into its slot by ``take``, save, move on; for every way in which a key comes."""
        held = take()
        waits = held is self._ring.waiting[name]
        if name == slots.PIN and not waits and self.services.counters is not None:
            self.services.counters.fill_throttle()
        self.save()
        if self._complete():
            self._move(Cause.COMPLETED)
        words = "waits: rotate the slot to use it" if waits else "serves"
        return Done(f"{name} {held.check_value.hex().upper()} {words}{self.approvers}")

    def tampered(self, source: str) -> None:
        """A tamper input: destroy every key first, then say so on the disk, then to whoever listens."""
        known = self.phase is Phase.TAMPERED
        inject.zeroise(self._ring, "tamper", self._around.now_ms())
        self.services.forget()
        if not self._ring.tampered:
            self._ring.tampered = source[:LONGEST_SOURCE] or "unknown"
            self._ring.tampered_ms = self._around.now_ms()
        self._move(Cause.TAMPER)
        try:
            if self._store is not None:
                self._store.save(self._ring)
                self._store.save(self._ring)  # both places: no older one with keys stays behind
            elif self._erase is not None:
                self._erase()
        finally:
            if not known:
                self.events.append(Happened("vault.tampered", self._ring.tampered))

    def used_up(self) -> None:
        """The PIN key has no further transactions."""
        if self.phase is Phase.READY:
            self._move(Cause.USED_UP)
            self.events.append(Happened("vault.exhausted", "the PIN key is used up: load another one"))

    def look_at_life(self) -> None:
        """Say once when a DUKPT key nears its end."""
        if self._low:
            return
        for name in (slots.PIN, slots.DATA):
            held = self._ring.serving[name]
            if held and (behind := life(held)[1]) >= NEAR_THE_END:
                self._low = True
                self.events.append(Happened("vault.key_low", f"{name}: {behind:.0%} of its counter is used"))

    def _opened(self) -> Cause:
        if self._ring.tampered:
            return Cause.OPENED_TAMPERED
        if not self._complete():
            return Cause.OPENED_INCOMPLETE
        held = self._ring.serving[slots.PIN]
        return Cause.OPENED_EXHAUSTED if held and not life(held)[0] else Cause.OPENED_COMPLETE

    def _lacking(self) -> str:
        """Which keys a vault that is being loaded waits for, and what brings them; empty in other phases."""
        names = [name for name in self._around.needed if not self._ring.serving[name]]
        if self.phase is not Phase.LOADING or not names:
            return ""
        return f"no key in slot {', '.join(names)}: terminal-agent keys load {names[0]}"

    def _complete(self) -> bool:
        held = self._ring.serving[slots.PIN]
        if held and not life(held)[0] and self.phase is Phase.EXHAUSTED:
            return False
        return all(self._ring.serving[name] for name in self._around.needed)

    def _move(self, cause: Cause) -> None:
        self.phase = after(self.phase, cause)

    def save(self) -> None:
        """Put the ring on the disk; :class:`StoreError` where that failed."""
        if self._store is None:
            raise StoreError("the vault has no store")
        self._store.save(self._ring)

    def _looked_after(self, reply: Reply) -> Reply:
        if isinstance(reply, Result) and reply.ksn:
            self.look_at_life()
        return reply

    def _status(self, _: Status) -> Reply:
        ring, lines = self._ring, [f"phase {self.phase.value}"]
        lines += [f"lacking {words}"] if (words := self._lacking()) else []
        lines += [f"why {self._why}"] if self._why else []
        lines += [f"fence {fence.name} {'up' if fence.stands else 'MISSING'} {fence.words}" for fence in self.fences]
        lines += [
            f"generation {ring.generation}",
            f"elsewhere {self._around.elsewhere}",
            f"source {self._around.source}",
        ]
        lines.append(f"keypad {self.keypad()}")
        lines += [f"failed-loads {ring.failed_loads}", f"custodians {len(ring.custodians)}"]
        lines += [f"custodian {place} {approvals.key_name(key)}" for place, key in enumerate(ring.custodians)]
        if ring.delivery:
            lines.append(f"delivery {ring.delivery[0].decode()}")
        if ring.tampered:
            lines.append(f"tampered {ring.tampered_ms} {ring.tampered}")
        lines += [
            f"destroyed {gone.slot} {gone.check_value.hex().upper()} {gone.at_ms} {gone.why}" for gone in ring.destroyed
        ]
        return Done("\n".join(lines))

    def _inventory(self, _: Inventory) -> Reply:
        lines = []
        for name, slot in SLOTS.items():
            for kind, held in (("serves", self._ring.serving[name]), ("waits", self._ring.waiting[name])):
                if held:
                    ksn = (life(held)[0] or "used-up") if slot.dukpt else "-"
                    value = held.check_value.hex().upper()
                    lines.append(
                        f"{name} {kind} {held.usage} {held.algorithm} {value} {ksn} {held.loaded_ms} {held.origin}"
                    )
        return Done("\n".join(lines))

    def _new_challenge(self, _: Challenge) -> Reply:
        self._challenge = self._around.random(approvals.CHALLENGE_OCTETS)
        return Result(self._challenge)

    def _load(self, request: Load) -> Reply:
        ring = self._ring
        refused = self.too_many_failed_loads()
        if refused is not None:
            return refused
        ring.failed_loads += 1
        self.save()  # counted before the transport key is used
        header, key, way = inject.open_block(ring, request.block)
        ring.failed_loads = 0
        ksn, now = bytes(request.ksn), self._around.now_ms()
        return self.accept(request.slot, lambda: inject.take(ring, request.slot, header, key, way, ksn, now))

    def _rotate(self, request: Rotate) -> Reply:
        gone = inject.rotate(self._ring, request.slot, self._around.now_ms())
        self._low = False
        self.save()
        self.save()  # the older place still had the key that was destroyed
        if self._complete():
            self._move(Cause.COMPLETED)
        now = self._ring.serving[request.slot].check_value.hex().upper()
        return Done(
            f"{request.slot} {now} serves; {gone.check_value.hex().upper()} destroyed {gone.at_ms}{self.approvers}"
        )

    def _zeroise(self, request: Zeroise) -> Reply:
        ring, at = self._ring, self._around.now_ms()
        if request.slot not in ("", *SLOTS):
            raise LoadRefused(f"no slot of that name; there are {', '.join(SLOTS)}")
        gone: tuple[Destroyed, ...]
        if request.slot:
            gone = (inject.destroy(ring, request.slot, "zeroised", at),) if ring.serving[request.slot] else ()
            ring.waiting[request.slot].wipe()
        else:
            gone = inject.zeroise(ring, "zeroised", at)
        self.services.forget()
        if not self._complete():
            self._move(Cause.ZEROISED)
        self.save()
        self.save()
        words = (f"{one.slot} {one.check_value.hex().upper()} destroyed {one.at_ms}{self.approvers}" for one in gone)
        return Done("\n".join(words))

    def _tamper(self, request: Tamper) -> Reply:
        self.tampered(request.source)
        return Done("every key is destroyed")

    def _renew(self, _: Renew) -> Reply:
        """Nothing is set back but the mark: generation, spent keys and the evidence of their end stay."""
        ring = self._ring
        if self._store is None or not ring.custodians:
            return Refused(
                Refusal.APPROVAL,
                "nobody can approve it, since this vault knows no custodians: remove store and counter, then keys init",
            )
        mark = ring.tampered, ring.tampered_ms
        ring.tampered, ring.tampered_ms = "", 0
        try:
            self.save()
            self.save()
        except StoreError:
            ring.tampered, ring.tampered_ms = mark
            raise
        self._move(Cause.RENEWED)
        return Done(f"renewed after {mark[0]}{self.approvers}")

    def _verify(self, request: Verify) -> Reply:
        held = self._ring.serving.get(request.slot)
        if not held:
            return Refused(Refusal.NO_KEY, "no key serves in that slot")
        value = held.check_value
        if not SLOTS[request.slot].dukpt:
            value = inject.check_value_of(held.algorithm, held.octets)
        if value != bytes(request.check_value):
            return Refused(Refusal.NOT_AUTHENTIC, f"slot {request.slot} has check value {value.hex().upper()}")
        return Done(f"{request.slot} {value.hex().upper()} is right")

    def _stop(self, _: Stop) -> Reply:
        self.stopping = True
        return Done()
