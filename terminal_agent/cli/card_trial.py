# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A contact payment on the bench without acquirer: the whole machine against the card in the reader, told in words.

The card is asked as in a payment; where it wants its issuer, it is told that the terminal could not go online. Nothing
is booked and nobody is paid. Its counters go on, and a wrong PIN typed at the reader counts.
"""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from protocols.currency import currency
from protocols.errors import DecodeError
from protocols.pan import Pan
from protocols.pcsc.features import EMV_PLAINTEXT, PinVerify
from terminal_agent.card.port import CardReader, pin_entry
from terminal_agent.emv import (
    Combination,
    ContactApplication,
    Decision,
    EmvOutcome,
    EmvTerminal,
    PinAnswer,
    PinAtReader,
    TransactionRequest,
)
from terminal_agent.emv.contact_application import ROLLS
from terminal_agent.flows.card_present import Hands, InsertedCard
from terminal_agent.processes.profile import authorities, load
from tillguard.exits import Exit
from tillguard.voice import Fault

AIDS = {
    "A0000000031010": "0096", "A0000000041010": "0002", "A000000333010101": "0020", "A000000333010102": "0020",
}  # fmt: skip
"""What plain settings take, and the application version of each (9F09)."""
WITH_KEYS, WITHOUT_KEYS = "E080C8", "E008C8"  # 9F33: PIN in clear at the reader, or no verification at all
TYPING_S = 30


def terminal_of(profile: Path | None, *, takes_pins: bool) -> tuple[EmvTerminal, Path]:
    """The settings of a terminal profile, or plain ones with TEST keys; and where paths in them begin."""
    if profile is not None:
        return load(profile).emv, profile
    plain = EmvTerminal(
        "276", "978", "BENCH001",
        tuple(Combination(aid, 500_000, 2_500) for aid in AIDS),
        capabilities=WITH_KEYS if takes_pins else WITHOUT_KEYS,
        online_pin=False, offline_pin=takes_pins,
        contact=tuple(ContactApplication(aid, version) for aid, version in AIDS.items()),
    )  # fmt: skip
    return plain, Path("bench.toml")


def request_of(amount: str, alpha: str) -> TransactionRequest:
    """What is to be paid, now; :class:`Fault` where amount or currency are none."""
    now = datetime.now(UTC)
    try:
        money = currency(alpha)
        minor = money.minor_units(amount)
        return TransactionRequest(minor, f"{money.numeric:03}", now.date(), now.time(), secrets.token_bytes(4))
    except DecodeError as error:
        raise Fault(f"--{error.where}: {error.why}", "for example: --amount 42.00 --currency EUR", Exit.USAGE) from None
    except ValueError as error:
        raise Fault(f"--amount: {error}", "for example: --amount 42.00", Exit.USAGE) from None


async def run(
    reader: CardReader, typed: Callable[[bytes, bytes], None], profile: Path | None, request: TransactionRequest
) -> EmvOutcome:
    """From the first SELECT to the last cryptogram. Raises :class:`CardError` where reader or card fail.

    ``typed`` is told each PIN that was typed at the reader: the template and the status word.
    """
    keypad = pin_entry(reader)
    takes_pins = keypad is not None and await keypad.takes_pins()
    terminal, place = terminal_of(profile, takes_pins=takes_pins)

    async def nobody(pan: Pan) -> PinAnswer:
        return PinAnswer.UNAVAILABLE

    async def at_reader(wanted: PinAtReader) -> bytes | PinAnswer:
        assert keypad is not None  # asked for only where takes_pins
        status = await keypad.enter_pin(PinVerify(wanted.template, EMV_PLAINTEXT, timeout_s=TYPING_S))
        typed(wanted.template, status)
        return status

    card = InsertedCard(
        reader,
        terminal,
        request,
        ROLLS.start + secrets.randbelow(len(ROLLS)),
        authorities(terminal.ca_keys, place),
    )
    outcome = await card.ask(Hands(nobody, at_reader if takes_pins else None))
    return await card.tell(None) if outcome.decision is Decision.ONLINE else outcome


def document(outcome: EmvOutcome) -> dict[str, object]:
    """The outcome as data."""
    return {
        "decision": outcome.decision.value,
        "words": outcome.words,
        "cvm": outcome.cvm.value,
        "application": outcome.aid.hex().upper(),
        "account": outcome.pan.masked if outcome.pan is not None else "",
        "tvr": outcome.tvr.hex if outcome.tvr is not None else "",
        "tvr_words": list(outcome.tvr.words()) if outcome.tvr is not None else [],
        "tsi": outcome.tsi.hex if outcome.tsi is not None else "",
        "tsi_words": list(outcome.tsi.words()) if outcome.tsi is not None else [],
        "notes": [{"subject": note.subject, "words": note.words, "source": note.source} for note in outcome.notes],
    }


def lines(outcome: EmvOutcome) -> list[str]:
    """The outcome for a person."""
    said = [f"{note.subject}: {note.words}  [{note.source}]" for note in outcome.notes]
    for name, field in (("TVR", outcome.tvr), ("TSI", outcome.tsi)):
        if field is not None:
            said.append(f"{name} {field.hex}")
            said += [f"    {word}" for word in field.words()]
    return [*said, f"{outcome.decision.value}, {outcome.words}"]
