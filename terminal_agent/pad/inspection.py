# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Walks a connected PIN pad along its profile and says what fits. Asks nobody for a PIN unless it is told to.

Each finding is one question to the pad. What cannot be told without a person or a real key is said to be untried; a
pad that answers otherwise than its profile says gets the line of the profile to correct.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum

from device_profiles.model import AbecsProfile, PadProfile
from protocols.emv.tags import Tag
from protocols.pan import Pan
from protocols.serial.abecs_chip import CardFound, Finish, GetCard, GoneOn, GoOn, Host
from protocols.serial.ipp import SESSION_KEY_OCTETS, Display
from terminal_agent.line.port import Line
from terminal_agent.pad.abecs import ANY_IDENTITY, AbecsPad
from terminal_agent.pad.abecs_sale import AbecsSale
from terminal_agent.pad.drivers import open_pad
from terminal_agent.pad.port import (
    PadAbsent,
    PadError,
    PadRefused,
    PadTampered,
    PinCancelled,
    PinEntered,
    PinPad,
    Trace,
)

TEST_PAN = Pan("4000009999990016")
TEST_WORDS = "EUR 42.00"
TEST_ACQUIRER = 1
TEST_SESSION_KEY = bytes(range(SESSION_KEY_OCTETS))  # a cryptogram like any other: what it deciphers to is of no use


class Verdict(Enum):
    """How an answer of the pad compares with its profile."""

    FITS = "fits"
    DIFFERS = "differs"
    UNTRIED = "untried"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about the pad, in words; ``cure`` only where it differs."""

    subject: str
    verdict: Verdict
    words: str
    cure: str = ""


async def inspect(
    profile: PadProfile, line: Line, *, pin_s: float = 0.0, sale: GetCard | None = None, trace: Trace | None = None
) -> list[Finding]:
    """Every finding, in order; ``pin_s`` above zero asks a person for a PIN of a TEST card for so long.

    ``sale`` has a pad that can sell with a chip ask for a TEST card, and its PIN, and declines at the end.

    :class:`PadAbsent` while nothing is known of the pad becomes a finding too; the line is closed in any case.
    """
    try:
        pad = await open_pad(profile, line, trace, ANY_IDENTITY)
    except PadTampered as fault:
        return [Finding("identity", Verdict.DIFFERS, fault.what, fault.hint)]
    except PadAbsent as fault:
        cure = fault.hint or "correct [line] in the profile"
        return [Finding("line", Verdict.DIFFERS, fault.what, f"{cure}; then [line] in the profile")]
    except PadError as fault:
        return [
            Finding("identity", Verdict.DIFFERS, fault.what, fault.hint or "is this a pad of the profile's family?")
        ]
    found = [
        Finding("line", Verdict.FITS, f"answers at {profile.line.baud} baud"),
        Finding("identity", Verdict.FITS, f"serial number {pad.serial}"),
    ]
    if isinstance(pad, AbecsPad):
        found.append(_trust(pad))
    questions: list[Callable[[], Awaitable[Finding]]] = [
        lambda: _display(pad, profile),
        lambda: _mac(pad, profile),
        lambda: _pin(pad, profile, pin_s),
    ]
    if isinstance(pad, AbecsPad) and isinstance(profile, AbecsProfile) and sale is not None:
        selling, key_index = AbecsSale(pad), profile.abecs.pin_key_index
        questions.append(lambda: _sale(selling, sale, key_index))
    try:
        for question in questions:
            answer = await question()
            if line.ended:
                lost = f"the pad was lost when it was asked for: {answer.subject}"
                return [*found, Finding("line", Verdict.DIFFERS, lost, "check the cable and the pad's power")]
            found.append(answer)
    except PadAbsent as fault:
        found.append(Finding("line", Verdict.DIFFERS, f"the pad fell silent: {fault.what}", fault.hint))
    finally:
        await pad.close()
    return found


def _trust(pad: AbecsPad) -> Finding:
    if not pad.identity:
        words = "it proves none: the account number may go to it over a guarded cable only, see abecs.pan"
        return Finding("proof", Verdict.UNTRIED, words)
    return Finding("proof", Verdict.FITS, f"signs as {pad.identity}: name it as pad.identity, if it is yours")


async def _display(pad: PinPad, profile: PadProfile) -> Finding:
    words = TEST_WORDS
    if not isinstance(profile, AbecsProfile):
        if profile.dialect.display is Display.NOTHING:
            return Finding("display", Verdict.UNTRIED, "the profile says that a host may show nothing")
        words = TEST_WORDS[: profile.dialect.display_characters]
    try:
        await pad.show(words)
    except PadRefused as fault:
        return Finding("display", Verdict.DIFFERS, fault.what, "correct dialect.display")
    except PadError as fault:
        return Finding("display", Verdict.DIFFERS, fault.what, "compare dialect.display with the pad's manual")
    return Finding("display", Verdict.FITS, f"took '{words}'; look whether it shows it")


async def _mac(pad: PinPad, profile: PadProfile) -> Finding:
    if isinstance(profile, AbecsProfile):
        slot, key = f"{profile.abecs.data_key_index:02d}", "abecs.data-key-index"
    else:
        slot, key = profile.dialect.mac_slot or profile.dialect.mac_select, "dialect.mac-slot"
    try:
        await pad.mac(TEST_SESSION_KEY, b"terminal-agent pad check")
    except PadRefused as fault:
        return Finding("MAC", Verdict.DIFFERS, fault.what, f"load slot {slot or '?'}, or correct {key}")
    except PadError as fault:
        return Finding("MAC", Verdict.DIFFERS, fault.what, f"compare {key} with the pad's manual")
    return Finding("MAC", Verdict.FITS, f"slot {slot} makes one; whether the key is right only the acquirer can tell")


async def _pin(pad: PinPad, profile: PadProfile, pin_s: float) -> Finding:
    if pin_s <= 0:
        return Finding("PIN entry", Verdict.UNTRIED, "needs a person: --pin asks for one, of a TEST card")
    try:
        outcome = await pad.enter_pin(TEST_PAN, TEST_WORDS, pin_s)
    except PadRefused as fault:
        return Finding("PIN entry", Verdict.DIFFERS, fault.what, "load a DUKPT key, or compare dialect.pin-… ")
    except PadError as fault:
        return Finding("PIN entry", Verdict.DIFFERS, fault.what, "compare dialect.pin-reply with the pad's manual")
    if isinstance(outcome, PinEntered):
        return Finding(
            "PIN entry", Verdict.FITS, f"KSN {outcome.ksn.hex().upper()}, block of {len(outcome.block)} octets"
        )
    ended = "was cancelled at the pad" if isinstance(outcome, PinCancelled) else "nobody entered one in time"
    return Finding("PIN entry", Verdict.FITS, f"asked for; {ended}")


async def _sale(pad: AbecsSale, asked: GetCard, key_index: int) -> Finding:
    """A sale by the pad itself, as far as an authorisation that is never asked for."""
    tags = (Tag.APPLICATION_CRYPTOGRAM, Tag.ATC)
    try:
        card = await pad.get_card(asked)
        if not isinstance(card, CardFound):
            return Finding("chip sale", Verdict.FITS, "asked for a card; nobody put one in")
        going = GoOn(TEST_ACQUIRER, asked.amount, asked.currency, key_index, "ENTER PIN", tags)
        gone = await pad.go_on(going)
        if not isinstance(gone, GoneOn):
            return Finding("chip sale", Verdict.FITS, f"read {card.masked_pan}; no PIN was entered")
        done = await pad.finish(Finish(Host.DECLINED, "05", b"", tags))
        await pad.take_out("TEST DECLINED", asked.wait_s)
    except PadRefused as fault:
        return Finding("chip sale", Verdict.DIFFERS, fault.what, "does the pad have tables for that card?")
    except PadError as fault:
        return Finding("chip sale", Verdict.DIFFERS, fault.what, fault.hint or "compare with the pad's manual")
    if done.approved:
        return Finding("chip sale", Verdict.DIFFERS, "the card approved what was declined", "do not use this pad")
    how = "with a PIN" if gone.ksn else "without a PIN"
    return Finding("chip sale", Verdict.FITS, f"read {card.masked_pan}, {how}, declined as it was told")
