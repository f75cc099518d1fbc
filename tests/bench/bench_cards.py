# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Cards: TLV against pyemv in the same run, whole transactions in process. Prints nothing itself."""

import datetime
from collections.abc import Generator

import pyemv

from device_profiles.card_profile import load_card
from device_profiles.twins.card import CardTwin
from device_profiles.twins.contact_card import ContactCardTwin, Memory
from protocols.emv import tlv
from terminal_agent.emv import (
    AskPin,
    Combination,
    ContactApplication,
    ContactTransaction,
    Decision,
    EmvOutcome,
    EmvTerminal,
    IssuerAnswer,
    PinAnswer,
    TransactionRequest,
    contactless,
)
from tests.bench.row import Row, cpu_us

RECORD = bytes.fromhex(
    "7081AB"
    "5713" + "4000009999990016D28122011575700000000F" + "5A08" + "4000009999990016" + "5F2403281231" + "5F2503250101"
    "5F28020276" + "5F340101" + "8C1B" + "9F02069F03069F1A0295055F2A029A039C019F37049F35019F3403"
    "8D18" + "8A029F02069F03069F1A0295055F2A029C019F37049F3704" + "8E0E" + "000000000000000042031E031F03"
    "9F0702FF00"
    + "9F08020096"
    + "9F0D05F8406420009F0E0500108800009F0F05F86064F800"
    + "9F42020978"
    + "5F300202019F4A0182"
)
"""A record of 174 octets and 17 data objects in one template, as a contact card returns them; TEST account of ours."""

TERMINAL = EmvTerminal(
    "276",
    "978",
    "TG000001",
    (Combination("A0000000031010", 500_000, 2_500),),
    contact=(ContactApplication("A0000000031010"),),
)
REQUEST = TransactionRequest(4_200, "978", datetime.date(2025, 11, 22), datetime.time(12), bytes.fromhex("1A2B3C4D"))


def transaction(card: CardTwin) -> None:
    """One contactless payment from tap to outcome."""
    card.power_on()
    machine = contactless(TERMINAL, REQUEST)
    try:
        command = next(machine)
        while True:
            command = machine.send(card.apdu(command))
    except StopIteration as end:
        if end.value.decision is not Decision.ONLINE:
            raise RuntimeError("the measured payment did not go online") from None
    card.atc = 0


def contact_transaction(card: ContactCardTwin) -> None:
    """One contact payment up to the second cryptogram; the proof is wrong, so the card declines."""
    card.memory = Memory()
    card.power_on()
    payment = ContactTransaction(TERMINAL, REQUEST, 50)
    first = _run(payment.first(), card)
    final = _run(payment.second(IssuerAnswer("00", True, bytes(10))), card)
    if (first.decision, final.decision) != (Decision.ONLINE, Decision.DECLINED):
        raise RuntimeError("the measured payment did not go as described")


def _run(machine: Generator[bytes | AskPin, bytes | PinAnswer, EmvOutcome], card: ContactCardTwin) -> EmvOutcome:
    try:
        wanted = next(machine)
        while True:
            wanted = machine.send(PinAnswer.ENTERED if isinstance(wanted, AskPin) else card.apdu(wanted))
    except StopIteration as end:
        outcome: EmvOutcome = end.value
        return outcome


def rows() -> list[Row]:
    """The rows of this area."""
    ours, theirs = tlv.decode(RECORD), pyemv.tlv.decode(RECORD)
    if tlv.encode(ours) != RECORD or len(RECORD) != 174 or len(list(ours.leaves())) != 17:
        raise RuntimeError("the measured record is not the one described")
    card = CardTwin(load_card("test-visa-like"), bytes)
    inserted = ContactCardTwin(load_card("test-visa-contact"))
    return [
        Row(
            "TLV decode, record of 174 octets, 17 objects",
            cpu_us(lambda: tlv.decode(RECORD)),
            "µs",
            "pyemv",
            cpu_us(lambda: pyemv.tlv.decode(RECORD)),
            8.0,
        ),
        Row(
            "TLV encode, the same record",
            cpu_us(lambda: tlv.encode(ours)),
            "µs",
            "pyemv",
            cpu_us(lambda: pyemv.tlv.encode(theirs)),
            8.0,
        ),
        Row(
            "contact payment in process to the second cryptogram, card included",
            cpu_us(lambda: contact_transaction(inserted)),
            "µs",
            target=3_000.0,
        ),
        Row("qVSDC payment in process, card included", cpu_us(lambda: transaction(card)), "µs", target=2_000.0),
    ]
