# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The keypad of a card reader: digits typed by the virtual person are written into a command. Talks to no card.

It does what the firmware of such a reader does with a PIN verification structure: waits for keys, refuses too few
digits, puts the PIN where and how the structure says, and forgets it. The person's answer comes with its own time, so
nothing here waits.
"""

from dataclasses import dataclass

from device_profiles.twins.pinpad_cardholder import Cardholder, Key
from protocols.pcsc.features import CANCELLED, PINS_DIFFER, TIMED_OUT, PinForm, PinModify, PinVerify


@dataclass(frozen=True, slots=True)
class Typed:
    """What came of one prompt: the completed command, or a status word of the reader; and when, after the prompt."""

    after_s: float
    command: bytes | None
    status: int = 0


class Keypad:
    """One keypad. ``person`` None: nobody stands there."""

    def __init__(self, person: Cardholder | None = None) -> None:
        self.person = person

    def verify(self, asked: PinVerify) -> Typed:
        """One PIN, written into the template."""
        after, digits, status = self._entry(asked.least, asked.most, asked.timeout_s)
        if digits is None:
            return Typed(after, None, status)
        return Typed(after, filled(asked.template, asked.form, 0, digits))

    def modify(self, asked: PinModify) -> Typed:
        """The old PIN where it is asked for, then the new one, twice where it is to be confirmed."""
        wanted = [asked.old_offset] if asked.confirm & 0x02 else []
        entries: list[list[int]] = []
        after = 0.0
        for _ in range(len(wanted) + (2 if asked.confirm & 0x01 else 1)):
            more, digits, status = self._entry(asked.least, asked.most, asked.timeout_s)
            after += more
            if digits is None:
                return Typed(after, None, status)
            entries.append(digits)
        new = entries[len(wanted) :]
        if any(one != new[0] for one in new):
            return Typed(after, None, PINS_DIFFER)
        command = asked.template
        for offset, digits in zip([*wanted, asked.new_offset], entries, strict=False):
            command = filled(command, asked.form, offset, digits)
        return Typed(after, command)

    def _entry(self, least: int, most: int, timeout_s: float) -> tuple[float, list[int] | None, int]:
        """Seconds until it ended, and the digits or the reader's status word."""
        digits: list[int] = []
        for at, key in self.person.answer() if self.person is not None else ():
            if at > timeout_s:
                break
            if key == Key.CANCEL:
                return at, None, CANCELLED
            if key == Key.CLEAR:
                digits.clear()
            elif key == Key.ENTER:
                if len(digits) >= least:
                    return at, digits, 0
            elif len(digits) < most:
                digits.append(key)
        return float(timeout_s), None, TIMED_OUT


def filled(template: bytes, form: PinForm, offset: int, digits: list[int]) -> bytes:
    """``template`` with the PIN and its length written in. The filler between stays as the template has it."""
    command = bytearray(template)
    if len(command) == 4:
        command.append(0)
    start = 5 + offset + form.position
    if form.bcd:
        size = form.block_size or (len(digits) + 1) // 2
        nibbles: list[int | None] = list(digits)
        room = [None] * (2 * size - len(nibbles))
        nibbles = [*nibbles, *room] if form.left_aligned else [*room, *nibbles]
        _grow(command, start + size)
        for place, nibble in enumerate(nibbles[: 2 * size]):
            if nibble is not None:
                at, high = start + place // 2, place % 2 == 0
                command[at] = command[at] & 0x0F | nibble << 4 if high else command[at] & 0xF0 | nibble
    else:
        size = form.block_size or len(digits)
        characters = bytes(0x30 + digit for digit in digits)[:size]
        _grow(command, start + size)
        begin = start if form.left_aligned else start + size - len(characters)
        command[begin : begin + len(characters)] = characters
    if form.length_bits:
        place = 5 * 8 + offset * 8 + form.length_position
        at, within = divmod(place, 8)
        if form.length_bits == 8:
            command[at] = len(digits)
        elif within:
            command[at] = command[at] & 0xF0 | len(digits)
        else:
            command[at] = command[at] & 0x0F | len(digits) << 4
    return bytes(command)


def _grow(command: bytearray, size: int) -> None:
    """Room for the PIN where the template ends before it; Lc says the new length."""
    if len(command) < size:
        command.extend(b"\xff" * (size - len(command)))
        command[4] = len(command) - 5
