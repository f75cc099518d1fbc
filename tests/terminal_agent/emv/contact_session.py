# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the contact machine against anything that answers commands, with an issuer behind it. Tests nothing itself.

The issuer's proof is computed by pyemv, so that the card, the machine and the issuer are three implementations.
"""

import datetime
import warnings
from collections.abc import Callable, Generator
from typing import Any, ClassVar

import pyemv
from cryptography.utils import CryptographyDeprecationWarning

from device_profiles.ca_keys import load_ca_keys
from device_profiles.card_profile import load_card
from device_profiles.twins.contact_card import ContactCardTwin
from protocols.emv import tlv
from terminal_agent.emv import (
    AskPin,
    Authorities,
    Combination,
    ContactApplication,
    ContactTransaction,
    EmvOutcome,
    EmvTerminal,
    IssuerAnswer,
    PinAnswer,
    TransactionRequest,
    TrustedKey,
    Withdrawn,
)

VISA = "A0000000031010"
PROFILE = load_card("test-visa-contact")
MOST_COMMANDS = 400


def authorities(*names: str) -> Authorities:
    """The payment systems' keys of some lists, the TEST authority's by default."""
    lists = [load_ca_keys(name) for name in names or ("tillguard-test",)]
    return Authorities(
        tuple(TrustedKey(key.ca_key(), key.last_day) for found in lists for key in found.keys),
        tuple(Withdrawn(*gone.octets()) for found in lists for gone in found.withdrawn),
    )


Answer = Callable[[bytes], bytes]


def application(**changes: object) -> ContactApplication:
    """The Visa-like application, everything online."""
    return ContactApplication(**({"aid": VISA, "application_version": "0096"} | changes))  # type: ignore[arg-type]


def terminal(**changes: object) -> EmvTerminal:
    """A terminal in Germany with a PIN pad that takes contact cards."""
    settings: dict[str, object] = {
        "country": "276",
        "currency": "978",
        "serial_number": "TG000001",
        "aids": (Combination(VISA, 500_000, 2_500),),
        "contact": (application(),),
    }
    return EmvTerminal(**(settings | changes))  # type: ignore[arg-type]  # the changes are the test's to get right


def request(amount: int = 4_200, **changes: object) -> TransactionRequest:
    """EUR 42.00 on 7 June 2026 at noon."""
    settings: dict[str, object] = {
        "amount": amount,
        "currency": "978",
        "date": datetime.date(2026, 6, 7),
        "time": datetime.time(12, 0, 5),
        "unpredictable_number": bytes.fromhex("1A2B3C4D"),
    }
    return TransactionRequest(**(settings | changes))  # type: ignore[arg-type]  # as above


def drive(
    machine: Generator[Any, Any, EmvOutcome], answer: Answer, pin: PinAnswer = PinAnswer.ENTERED
) -> tuple[EmvOutcome, int]:
    """The outcome and how often a PIN was asked for; fails when the machine does not end."""
    asked = 0
    try:
        ask = next(machine)
        for _ in range(MOST_COMMANDS):
            if isinstance(ask, AskPin):
                asked += 1
                ask = machine.send(pin)
            else:
                ask = machine.send(answer(ask))
    except StopIteration as end:
        outcome = end.value
        assert isinstance(outcome, EmvOutcome)
        assert outcome.notes[-1].subject == "decision"
        return outcome, asked
    raise AssertionError(f"the machine does not end within {MOST_COMMANDS} commands")


def card() -> ContactCardTwin:
    """A fresh virtual card with power."""
    twin = ContactCardTwin(PROFILE)
    twin.power_on()
    return twin


def proof(outcome: EmvOutcome, code: str = "00") -> bytes:
    """Issuer authentication data by method 1, from the issuer's master key."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)  # pyemv's way to TripleDES
        key = pyemv.kd.derive_icc_mk_a(bytes.fromhex(PROFILE.keys.test_mk_ac), PROFILE.application.pan, "01")
        arpc: bytes = pyemv.ac.generate_arpc_1(key, outcome.cryptogram, code.encode())
    return arpc + code.encode()


def reply(outcome: EmvOutcome, code: str = "00", scripts: bytes = b"") -> IssuerAnswer:
    """The issuer's answer with its proof."""
    icc = tlv.encode([(0x91, proof(outcome, code))]) + scripts
    return IssuerAnswer.from_message(code, approved=code == "00", icc=icc)


def first(answer: Answer, **changes: object) -> tuple[ContactTransaction, EmvOutcome]:
    """Phase one at the usual terminal."""
    transaction = ContactTransaction(terminal(**changes), request(), 50)
    return transaction, drive(transaction.first(), answer)[0]


def whole(answer: Answer, code: str = "00", **changes: object) -> tuple[EmvOutcome, EmvOutcome]:
    """Both phases, the issuer answering ``code`` with a right proof."""
    transaction, asked = first(answer, **changes)
    final, _ = drive(transaction.second(reply(asked, code)), answer)
    return asked, final


def sent(outcome: EmvOutcome) -> dict[int, bytes]:
    """Data element 55 by tag."""
    return dict(tlv.decode(outcome.icc_data).leaves())


class ScriptedCard:
    """Answers from a list, in order; records what it was sent."""

    def __init__(self, *answers: str) -> None:
        self._left = iter(answers)
        self.commands: list[str] = []

    def __call__(self, command: bytes) -> bytes:
        self.commands.append(command.hex().upper())
        return bytes.fromhex(next(self._left))


CDOL = "9F02069F03069F1A0295055F2A029A039C019F3704"


class StubCard:
    """A contact card from tables: for hostile and broken cards. In ``changes``, None leaves an object out."""

    GOOD: ClassVar[dict[int, str]] = {
        0x5A: "4000009999990057",
        0x57: "4000009999990057D281220111713000000F",
        0x5F24: "281231",
        0x5F28: "0276",
        0x9F07: "FF00",
        0x9F08: "0096",
        0x9F42: "0978",
        0x8C: CDOL,
        0x8D: "8A02" + CDOL,
        0x8E: "000000000000000042031F03",
    }

    def __init__(
        self,
        changes: dict[int, str | None] | None = None,
        *,
        aip: str = "1C00",
        pdol: str = "",
        cryptograms: tuple[str, ...] = ("80", "40"),
        answers: dict[str, str] | None = None,
        template: str = "77",
    ) -> None:
        held = self.GOOD | (changes or {})
        self.record = tlv.encode(
            [tlv.template(0x70, *((tag, bytes.fromhex(value)) for tag, value in held.items() if value is not None))]
        )
        self.aip, self.pdol, self.template = aip, pdol, template
        self.kinds = iter(cryptograms)
        self.answers = {name.upper(): text for name, text in (answers or {}).items()}
        self.commands: list[bytes] = []

    def __call__(self, command: bytes) -> bytes:
        self.commands.append(command)
        if command.hex().upper() == "00B2020C00":
            return bytes.fromhex("6A83")
        for begin, text in self.answers.items():
            if command.hex().upper().startswith(begin):
                return bytes.fromhex(text)
        return self._usual(command) + b"\x90\x00"

    def _usual(self, command: bytes) -> bytes:
        match command[1]:
            case 0xA4:
                name = command[5:-1]
                if name == b"1PAY.SYS.DDF01":
                    listed = tlv.template(0xA5, (0x88, b"\x01"))
                else:
                    extra = [(0x9F38, bytes.fromhex(self.pdol))] if self.pdol else []
                    listed = tlv.template(0xA5, (0x50, b"STUB"), *extra)
                return tlv.encode([tlv.template(0x6F, (0x84, name), listed)])
            case 0xB2 if command[3] >> 3 == 1:
                entry = tlv.template(0x61, (0x4F, bytes.fromhex(VISA)), (0x87, b"\x01"))
                return tlv.encode([tlv.template(0x70, entry)])
            case 0xB2:
                return self.record
            case 0xA8:
                return tlv.encode(
                    [tlv.template(0x77, (0x82, bytes.fromhex(self.aip)), (0x94, bytes.fromhex("10010100")))]
                )
            case 0xAE:
                return self._cryptogram(bytes.fromhex(next(self.kinds)))
            case _:
                return b""

    def _cryptogram(self, cid: bytes) -> bytes:
        atc, value, issuer = b"\x00\x01", bytes(range(8)), bytes.fromhex("06010A03A01000")
        if self.template == "80":
            return tlv.encode([(0x80, cid + atc + value + issuer)])
        return tlv.encode([tlv.template(0x77, (0x9F27, cid), (0x9F36, atc), (0x9F26, value), (0x9F10, issuer))])


def said(outcome: EmvOutcome, subject: str = "offline authentication") -> list[str]:
    """What was noted of a subject, in order."""
    return [note.words for note in outcome.notes if note.subject == subject]
