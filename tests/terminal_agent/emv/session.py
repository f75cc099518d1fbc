# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the EMV machine against anything that answers commands. Builds terminals, requests and answers for the tests."""

import datetime
from collections.abc import Callable, Generator

from protocols.emv import tlv
from terminal_agent.emv import Combination, EmvOutcome, EmvTerminal, TransactionRequest, contactless

VISA = "A0000000031010"
MASTERCARD = "A0000000041010"
PPSE_COMMAND = bytes.fromhex("00A404000E325041592E5359532E444446303100")
MOST_COMMANDS = 1 + 16 * 2 + 32  # directory, every candidate selected and asked, every record read


def terminal(**changes: object) -> EmvTerminal:
    """A terminal in Germany with a PIN pad: contactless under EUR 5000, CVM from EUR 25."""
    settings: dict[str, object] = {
        "country": "276",
        "currency": "978",
        "serial_number": "TG000001",
        "aids": (Combination(VISA, 500_000, 2_500, application_version="0096"),),
    }
    return EmvTerminal(**(settings | changes))  # type: ignore[arg-type]  # the changes are the test's to get right


def request(amount: int = 4_200, **changes: object) -> TransactionRequest:
    """EUR 42.00 on 22 November 2025 at noon."""
    settings: dict[str, object] = {
        "amount": amount,
        "currency": "978",
        "date": datetime.date(2025, 11, 22),
        "time": datetime.time(12, 0, 5),
        "unpredictable_number": bytes.fromhex("1A2B3C4D"),
    }
    return TransactionRequest(**(settings | changes))  # type: ignore[arg-type]  # as above


def drive(machine: Generator[bytes, bytes, EmvOutcome], answer: Callable[[bytes], bytes]) -> EmvOutcome:
    """The outcome of a machine whose commands are answered by ``answer``; fails when it does not end."""
    try:
        command = next(machine)
        for _ in range(MOST_COMMANDS):
            command = machine.send(answer(command))
    except StopIteration as end:
        outcome = end.value
        assert isinstance(outcome, EmvOutcome)
        assert outcome.notes
        assert outcome.notes[-1].subject == "decision"
        return outcome
    raise AssertionError(f"the machine does not end within {MOST_COMMANDS} commands")


def pay(answer: Callable[[bytes], bytes], amount: int = 4_200, **changes: object) -> EmvOutcome:
    """One payment at the usual terminal."""
    return drive(contactless(terminal(**changes), request(amount)), answer)


PDOL = "9F66049F02069F03069F1A0295055F2A029A039C019F3704"
GOOD: dict[int, str] = {
    0x82: "0000",
    0x57: "4000009999990016D28122011000000000",
    0x5F34: "01",
    0x9F10: "06010A03A00000",
    0x9F26: "0102030405060708",
    0x9F27: "80",
    0x9F36: "0001",
    0x9F6C: "8000",
}
"""What a good card's answer to GET PROCESSING OPTIONS holds."""


class StubCard:
    """Answers from tables: for hostile and broken cards. In ``changes``, None leaves an object out."""

    def __init__(
        self,
        changes: dict[int, str | None] | None = None,
        *,
        pdol: str = PDOL,
        applications: tuple[str, ...] = (VISA,),
        entries: tuple[dict[int, str], ...] | None = None,
        records: dict[tuple[int, int], str] | None = None,
        gpo: str | None = None,
        df_name: str | None = None,
        extra: str = "",
    ) -> None:
        held = GOOD | (changes or {})
        objects = tlv.Objects((tag, bytes.fromhex(value)) for tag, value in held.items() if value is not None)
        self.gpo = bytes.fromhex(gpo) if gpo is not None else tlv.encode([(0x77, objects)]) + b"\x90\x00"
        if extra:
            added = tlv.Objects(tlv.decode(bytes.fromhex(extra)))
            self.gpo = tlv.encode([(0x77, tlv.Objects((*objects, *added)))]) + b"\x90\x00"
        self.pdol = pdol
        self.applications = applications
        self.entries = entries if entries is not None else tuple({0x4F: aid, 0x87: "01"} for aid in applications)
        self.records = records or {}
        self.df_name = df_name
        self.commands: list[bytes] = []

    def __call__(self, command: bytes) -> bytes:
        self.commands.append(command)
        if command == PPSE_COMMAND:
            entries = (
                tlv.template(0x61, *((tag, bytes.fromhex(value)) for tag, value in entry.items()))
                for entry in self.entries
            )
            listed = tlv.template(0xA5, tlv.template(0xBF0C, *entries))
            return tlv.encode([tlv.template(0x6F, (0x84, command[5:19]), listed)]) + b"\x90\x00"
        if command[1] == 0xA4:
            name = command[5:-1].hex().upper()
            if name not in self.applications:
                return b"\x6a\x82"
            proprietary = tlv.template(0xA5, (0x50, b"STUB"), (0x9F38, bytes.fromhex(self.pdol)))
            df_name = bytes.fromhex(self.df_name or name)
            return tlv.encode([tlv.template(0x6F, (0x84, df_name), proprietary)]) + b"\x90\x00"
        if command[1] == 0xA8:
            return self.gpo
        if command[1] == 0xB2:
            body = self.records.get((command[3] >> 3, command[2]))
            return b"\x6a\x83" if body is None else bytes.fromhex(body)
        return b"\x6d\x00"
