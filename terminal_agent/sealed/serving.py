# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The vault's loop: pipe, keypad, tamper input, deadlines. Moves octets and time; the decisions are the vault's.

One thread and one poll. While a person types a PIN every other request is served: only a second PIN entry is refused.
"""

import select
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from protocols.errors import ProtocolError
from protocols.vault import (
    LARGEST_PACKET,
    CancelPin,
    Done,
    Ended,
    EnterCardPin,
    EnterPin,
    Happened,
    PinEnded,
    Refusal,
    Refused,
    Reply,
    Request,
    decode_request,
)
from terminal_agent.sealed.arena import Arena
from terminal_agent.sealed.keypad import Keypad
from terminal_agent.sealed.keys.store import StoreError
from terminal_agent.sealed.pin import block
from terminal_agent.sealed.pin.block import PinFormat
from terminal_agent.sealed.pin.entry import Entry, Input, State
from terminal_agent.sealed.pipe import Pipe
from terminal_agent.sealed.requests import FOR_PAYMENTS
from terminal_agent.sealed.tamper import LOOK_EVERY_MS, TamperLevel, TamperLine
from terminal_agent.sealed.vault import Vault

if TYPE_CHECKING:
    from terminal_agent.sealed.pin.card import CardPins

LONGEST_ENTRY_MS: Final = 300_000
LONGEST_WORDS: Final = 32
MOST_DIGITS: Final = 12
MOST_PAN_DIGITS: Final = 19
NO_KEYPAD: Final = "the vault has no keypad: PINs are typed at a pad that enciphers by itself"


class Serving:
    """One vault at its pipes."""

    def __init__(
        self,
        vault: Vault,
        pipe: Pipe,
        arena: Arena,
        form: PinFormat,
        steady_ms: Callable[[], int],
        keypad: Keypad | None = None,
        tamper: Sequence[TamperLine] = (),
        levels: Sequence[TamperLevel] = (),
        wake: int | None = None,
        card_pins: "CardPins | None" = None,
        payments: Pipe | None = None,
    ) -> None:
        """``tamper`` and ``levels``: tamper inputs; ``wake``: a descriptor that is readable when it is time to stop.

        ``card_pins``: where PINs for cards are permitted; ``payments``: a pipe for those who make payments, on which
        less may be asked.
        """
        self._vault = vault
        self._pipe = self._asking_pipe = pipe
        self._payments = payments
        self._form = form
        self._card_pins = card_pins
        self._steady_ms = steady_ms
        self._keypad = keypad
        self._tamper = {line.descriptor: line for line in tamper}
        self._levels = list(levels)
        self._wake = wake
        self._packet = arena.take(LARGEST_PACKET)
        self._field = arena.take(block.FIELD_OCTETS)
        self._pan = arena.take(MOST_PAN_DIGITS)
        self._make: Callable[[memoryview], Reply] | None = None
        self._entry = Entry(arena.take(MOST_DIGITS))
        self._asker = 0
        self._deadline = 0
        self._open = True
        if keypad is not None:
            vault.keypad = lambda: "up" if keypad.there else "gone"
        self._throttle_told = False
        self._poll = select.poll()
        second = payments.descriptor if payments else None
        for descriptor in (pipe.descriptor, second, keypad.descriptor if keypad else None, *self._tamper, wake):
            if descriptor is not None:
                self._poll.register(descriptor, select.POLLIN)

    def run(self) -> None:
        """Serve until told to stop, or until nobody is at the other end."""
        while self._open and not self._vault.stopping:
            came = self._poll.poll(self._patience_ms())
            self._look()  # first: nothing is served behind an alarm
            for descriptor, _ in came:
                self._ready(descriptor)
            if self._entry.state is State.COLLECTING and self._steady_ms() >= self._deadline:
                self._entry.press(Input.SILENCE)
            self._settle()
            self._tell()
        self._end()

    def _patience_ms(self) -> int | None:
        """How long nothing has to be looked at, if nothing comes; None: for ever."""
        waits = [max(self._deadline - self._steady_ms(), 0)] if self._entry.state is State.COLLECTING else []
        return min((*waits, *([LOOK_EVERY_MS] if self._levels else [])), default=None)

    def _look(self) -> None:
        """Each level that is not quiet is a tamper input, once."""
        for level in [one for one in self._levels if not one.is_quiet]:
            self._levels.remove(level)
            self._tampered(level.words)

    def _ready(self, descriptor: int) -> None:
        if descriptor == self._pipe.descriptor:
            self._hear(self._pipe)
        elif self._payments is not None and descriptor == self._payments.descriptor:
            self._hear(self._payments)
        elif descriptor in self._tamper:
            self._poll.unregister(descriptor)
            self._tampered(self._tamper[descriptor].words)
        elif descriptor == self._wake:
            self._open = False
        elif self._keypad is not None:
            before = self._entry.shown
            self._keypad.type_into(self._entry)
            if not self._keypad.there:
                self._poll.unregister(descriptor)
                self._vault.events.append(Happened("vault.keypad_lost", "the keypad of the vault is gone"))
            elif self._entry.shown not in ("", before):
                self._keypad.show(self._entry.shown)

    def _hear(self, pipe: Pipe) -> None:
        size = pipe.receive(self._packet)
        if not size:
            self._open = False
            return
        number = self._packet[0]
        try:
            number, request = decode_request(self._packet[:size])
            reply = self._serve(pipe, number, request)
        except ProtocolError as fault:
            reply = Refused(Refusal.MALFORMED, str(fault))
        finally:
            self._packet[:size] = bytes(size)
        if reply is not None:
            pipe.send(number, reply)

    def _serve(self, pipe: Pipe, number: int, request: Request) -> Reply | None:
        if pipe is self._payments and request.code not in FOR_PAYMENTS:
            return Refused(Refusal.POLICY, "not on the pipe for payments")
        if isinstance(request, EnterPin | EnterCardPin):
            return self._ask_for_pin(pipe, number, request)
        if isinstance(request, CancelPin):
            self._entry.press(Input.CANCEL)
            return Done()
        return self._vault.ask(request)

    def _ask_for_pin(self, pipe: Pipe, number: int, request: EnterPin | EnterCardPin) -> Refused | None:
        refused = self._vault.gate(request) or self._not_now()
        if refused is not None:
            return refused
        if not 0 < request.timeout_ms <= LONGEST_ENTRY_MS:
            return Refused(Refusal.MALFORMED, "up to 300 s to type a PIN expected")
        make = self._for_host(request) if isinstance(request, EnterPin) else self._for_card(request)
        if isinstance(make, Refused) or self._keypad is None:
            return make if isinstance(make, Refused) else Refused(Refusal.KEYPAD, NO_KEYPAD)
        self._keypad.type_into(self._entry)  # what was typed before the prompt is nobody's PIN
        self._make, self._asker, self._asking_pipe = make, number, pipe
        self._deadline = self._steady_ms() + request.timeout_ms
        self._entry.begin(request.words[:LONGEST_WORDS])
        self._keypad.show(self._entry.shown)
        return None

    def _not_now(self) -> Refused | None:
        """Why nobody can be asked for a PIN now, if so."""
        counters = self._vault.services.counters
        if self._keypad is None or not self._keypad.there:
            return Refused(Refusal.KEYPAD, NO_KEYPAD)
        if self._entry.state is not State.IDLE:
            return Refused(Refusal.BUSY, "a PIN is being typed")
        if counters is None or (wait := counters.pin_wait_ms()):
            seconds = -(-(wait if counters else 0) // 1000)
            if not self._throttle_told:  # once, until a PIN is served again: an alert must not become a flood
                self._throttle_told = True
                self._vault.events.append(
                    Happened("vault.throttled", f"PIN entries follow one another too fast: {seconds} s")
                )
            return Refused(Refusal.THROTTLED, f"PIN entries follow one another too fast; the next one in {seconds} s")
        return None

    def _for_host(self, request: EnterPin) -> Callable[[memoryview], Reply] | Refused:
        """What makes the PIN block; the PAN moves to a place of its own."""
        if not block.is_pan(memoryview(request.pan)):
            return Refused(Refusal.MALFORMED, "a PAN of 8 to 19 digits expected")
        pan = self._pan[: len(request.pan)]
        pan[:] = request.pan
        return lambda pin: self._vault.services.pin_block(self._form, pin, pan, self._field)

    def _for_card(self, request: EnterCardPin) -> Callable[[memoryview], Reply] | Refused:
        """What makes a PIN for the card that drew the challenge."""
        if self._card_pins is None:
            return Refused(Refusal.POLICY, "no PIN for a card: [vault] card-pin is not set")
        return self._card_pins.made_by(request, self._field)

    def _settle(self) -> None:
        """Answer an entry that has come to its end, and leave nothing of it."""
        state = self._entry.state
        if state in (State.IDLE, State.COLLECTING):
            return
        reply: Reply
        try:
            if state is State.ENTERED and self._make is not None:
                reply = self._make(self._entry.pin)
                self._throttle_told = False
            else:
                reply = PinEnded(Ended.CANCELLED if state is State.CANCELLED else Ended.TIMED_OUT)
        except StoreError as fault:
            reply = Refused(Refusal.STORE, str(fault))
        except ProtocolError as fault:
            reply = Refused(Refusal.MALFORMED, str(fault))
        finally:
            self._forget()
        if isinstance(reply, Refused) and reply.why == Refusal.EXHAUSTED:
            self._vault.used_up()
        self._vault.look_at_life()
        self._asking_pipe.send(self._asker, reply)
        if self._keypad is not None and self._keypad.there:
            self._keypad.show("")

    def _tampered(self, source: str) -> None:
        self._entry.press(Input.CANCEL)
        try:
            self._vault.tampered(source)
        except StoreError as fault:
            self._vault.events.append(Happened("vault.fault", f"the tamper mark could not be written: {fault}"))

    def _forget(self) -> None:
        self._entry.forget()
        self._pan[:] = bytes(len(self._pan))
        self._make = None

    def _tell(self) -> None:
        for event in self._vault.events:
            self._pipe.send(0, event)
        self._vault.events.clear()

    def _end(self) -> None:
        self._forget()
        self._packet[:] = bytes(len(self._packet))
