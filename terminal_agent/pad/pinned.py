# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A PIN pad that must be the one the terminal's profile names: by serial number, by key. Drives nothing itself.

A pad of the same model is as easily bought as plugged in. One with another serial number is not opened; one with
another DUKPT key is caught before anybody is asked for a PIN, or, where it does not tell its KSN, by that of its first
block, which then goes nowhere. What a pad says of itself can be imitated by one with a thief's own firmware: that one
has no key of the bank's, so its MACs and PIN blocks fail at the acquirer, but it has seen the PIN. Against it help
seals and whoever looks at them, and a pad that signs (:mod:`terminal_agent.pad.abecs_session`).
"""

from protocols.dukpt.ksn import TdesKsn
from protocols.errors import DecodeError
from protocols.pan import Pan
from terminal_agent.errors import WrongDevice
from terminal_agent.pad.port import IdentifiedPad, PadAbsent, PinEntered, PinOutcome, PinPad


class PadSwapped(PadAbsent, WrongDevice):
    """A pad is there, but not the one that belongs here."""


async def pinned(pad: IdentifiedPad, serial: str, ksn: str) -> PinPad:
    """``pad``, checked by serial number and any KSN of its key, where they are given; :class:`PadSwapped` closes it."""
    try:
        if serial and pad.serial != serial:
            raise _swapped("serial number", pad.serial, serial)
        if not ksn:
            return pad
        checked = PinnedPad(pad, TdesKsn.from_hex(ksn).with_counter(0))
        now = await pad.next_ksn()
        if now is not None:
            checked.check(now)
    except BaseException:
        await pad.close()
        raise
    return checked


class PinnedPad:
    """A pad whose PIN blocks must come under one DUKPT key. Made by :func:`pinned`."""

    def __init__(self, pad: IdentifiedPad, ksn: TdesKsn) -> None:
        self.serial = pad.serial
        self._pad = pad
        self._ksn = ksn

    def check(self, ksn: bytes) -> None:
        """:class:`PadSwapped` for a KSN of another key."""
        try:
            same = TdesKsn(ksn).with_counter(0) == self._ksn
        except DecodeError:
            same = False
        if not same:
            raise _swapped("key", ksn.hex().upper(), str(self._ksn))

    async def enter_pin(self, pan: Pan, amount_words: str, timeout_s: float) -> PinOutcome:
        """See :class:`terminal_agent.pad.port.PinPad`."""
        outcome = await self._pad.enter_pin(pan, amount_words, timeout_s)
        if isinstance(outcome, PinEntered):
            self.check(outcome.ksn)
        return outcome

    async def mac(self, session_key: bytes, data: bytes) -> bytes:
        """See :class:`terminal_agent.pad.port.PinPad`."""
        return await self._pad.mac(session_key, data)

    async def show(self, text: str) -> None:
        """See :class:`terminal_agent.pad.port.PinPad`."""
        await self._pad.show(text)

    async def cancel(self) -> None:
        """See :class:`terminal_agent.pad.port.PinPad`."""
        await self._pad.cancel()

    async def close(self) -> None:
        """See :class:`terminal_agent.pad.port.PinPad`."""
        await self._pad.close()


def _swapped(what: str, found: str, expected: str) -> PadSwapped:
    return PadSwapped(
        f"another pad is connected: {what} {found}, {expected} expected",
        "look at the pad and its seals; if it was exchanged by whoever may, correct [pad] in the terminal's profile",
    )
