# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A PIN for the acquirer: the cardholder enters it at the pad, which enciphers it. Sees KSN and block, and no digit."""

from collections.abc import Callable

from protocols.pan import Pan
from terminal_agent.flows.devices import Attached
from terminal_agent.flows.endings import End, Ending
from terminal_agent.host.client import PinData
from terminal_agent.pad.port import PadAbsent, PinCancelled, PinPad, PinTimedOut, encipherer


async def pin_for_acquirer(
    attached: Attached[PinPad], pan: Pan, amount: str, timeout_s: float, tell: Callable[[str, str], None]
) -> PinData:
    """The enciphered PIN; raises :class:`End` where there is none. ``tell`` is told each step and its words."""
    pad = attached.driver()
    tell("pin-entry", "asks for the PIN")
    try:
        entered = await pad.enter_pin(pan, amount, timeout_s)
    except PadAbsent as fault:
        await attached.drop(pad, fault.what)
        raise
    if isinstance(entered, PinCancelled):
        raise End(Ending.CANCELLED, "the cardholder cancelled PIN entry")
    if isinstance(entered, PinTimedOut):
        raise End(Ending.CANCELLED, f"no PIN within {timeout_s:.0f} s")
    how = f"format {entered.block_format}, enciphered by {encipherer(pad)}"
    tell("pin-block", f"PIN block of {how}; KSN {entered.ksn.hex().upper()}")
    return PinData(entered.block, entered.ksn)
