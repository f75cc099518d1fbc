# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Cards: TLV against pyemv and ber-tlv in the same run, whole transactions, events of readers. Prints nothing."""

import datetime
from collections.abc import Callable, Generator
from typing import Any

import pyemv
from ber_tlv.tlv import Tlv

from device_profiles.ca_keys import load_ca_keys
from device_profiles.card_profile import load_card
from device_profiles.twins.card import CardTwin
from device_profiles.twins.contact_card import ContactCardTwin, Memory
from device_profiles.twins.contactless_card import contactless_card
from protocols.emv import tlv
from terminal_agent.emv import (
    Authorities,
    Combination,
    ContactApplication,
    ContactTransaction,
    Decision,
    EmvOutcome,
    EmvTerminal,
    IssuerAnswer,
    Means,
    PinAnswer,
    TransactionRequest,
    TrustedKey,
    contactless,
)
from tests.bench import card_events
from tests.bench.row import Row, cpu_us, side_by_side

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
FIELD = EmvTerminal(
    "276",
    "978",
    "TG000001",
    (
        Combination("A0000000031010", 500_000, 2_500, floor_limit=2_000),
        Combination(
            "A0000000041010", 500_000, 2_500, 2, 2_000, "0002", tac_online="F850ACF800", tac_default="F850ACF800"
        ),
    ),
    relay_resistance=True,
)
SMALL = TransactionRequest(1_500, "978", datetime.date(2025, 11, 22), datetime.time(12), bytes.fromhex("1A2B3C4D"))
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
    first = _driven(payment.first(), card.apdu)
    final = _driven(payment.second(IssuerAnswer("00", True, bytes(10))), card.apdu)
    if (first.decision, final.decision) != (Decision.ONLINE, Decision.DECLINED):
        raise RuntimeError("the measured payment did not go as described")


KEYS = Authorities(tuple(TrustedKey(key.ca_key(), key.last_day) for key in load_ca_keys("tillguard-test").keys))


def signed_transaction(answer: Callable[[bytes], bytes]) -> None:
    """One contact payment with a card that signs its cryptogram, up to the second one; the issuer is not reached."""
    payment = ContactTransaction(TERMINAL, REQUEST, 50, KEYS)
    first = _driven(payment.first(), answer)
    final = _driven(payment.second(None), answer)
    if (first.decision, final.decision, first.alerts) != (Decision.ONLINE, Decision.DECLINED, ()):
        raise RuntimeError("the measured payment did not go as described")


def replayed() -> Callable[[], None]:
    """The same with a card whose answers are recorded: what remains is the terminal's work, CDA check included."""
    card = ContactCardTwin(load_card("test-visa-cda"))
    card.power_on()
    heard: dict[bytes, bytes] = {}

    def listen(command: bytes) -> bytes:
        heard[command] = card.apdu(command)
        return heard[command]

    signed_transaction(listen)
    return lambda: signed_transaction(heard.__getitem__)


def tapped(name: str) -> Callable[[], None]:
    """One payment that card and terminal approve, of a card whose answers are recorded: the terminal's work."""
    card = contactless_card(load_card(name), bytes)
    card.power_on()
    heard: dict[bytes, bytes] = {}
    now = 0.0

    def measured() -> float:
        nonlocal now
        now += 2_600.0  # microseconds: two looks around an exchange of 5.2 ms, as at a reader
        return now

    def listen(command: bytes) -> bytes:
        heard[command] = card.apdu(command)
        return heard[command]

    def pay(answer: Callable[[bytes], bytes]) -> None:
        found = _driven(contactless(FIELD, SMALL, Means(KEYS, clock=measured)), answer)
        if (found.decision, found.alerts) != (Decision.APPROVED, ()):
            raise RuntimeError("the measured payment was not approved as described")

    pay(listen)
    return lambda: pay(heard.__getitem__)


def with_its_card(card: ContactCardTwin) -> None:
    """The same with the card's own RSA and TDES."""
    card.memory = Memory()
    card.power_on()
    signed_transaction(card.apdu)


def _driven(machine: Generator[Any, Any, EmvOutcome], answer: Callable[[bytes], bytes]) -> EmvOutcome:
    try:
        wanted = next(machine)
        while True:
            wanted = machine.send(answer(wanted) if isinstance(wanted, bytes) else PinAnswer.ENTERED)
    except StopIteration as end:
        outcome: EmvOutcome = end.value
        return outcome


def contactless_rows() -> list[Row]:
    """Both contactless kernels, with a card of our own and with recorded answers."""
    card = CardTwin(load_card("test-visa-like"), bytes)
    return [
        Row("qVSDC payment in process, card included", cpu_us(lambda: transaction(card)), "µs", target=2_000.0),
        *(
            Row(f"{words}, card recorded", cpu_us(tapped(name)), "µs", target=2_000.0)
            for words, name in (
                ("qVSDC payment approved offline, fast DDA checked", "test-visa-fdda"),
                ("M/Chip payment approved offline, CDA and relay resistance checked", "test-mastercard-like"),
            )
        ),
    ]


def rows() -> list[Row]:
    """The rows of this area."""
    ours, theirs = tlv.decode(RECORD), pyemv.tlv.decode(RECORD)
    if tlv.encode(ours) != RECORD or len(RECORD) != 174 or len(list(ours.leaves())) != 17:
        raise RuntimeError("the measured record is not the one described")
    inserted = ContactCardTwin(load_card("test-visa-contact"))
    signing = ContactCardTwin(load_card("test-visa-cda"))
    decode_ours, decode_pyemv, decode_ber = side_by_side(
        lambda: tlv.decode(RECORD), lambda: pyemv.tlv.decode(RECORD), lambda: Tlv.parse(RECORD)
    )
    general = Tlv.parse(RECORD)
    encode_ours, encode_pyemv, encode_ber = side_by_side(
        lambda: tlv.encode(ours), lambda: pyemv.tlv.encode(theirs), lambda: Tlv.build(general)
    )
    return [
        Row("TLV decode, record of 174 octets, 17 objects", decode_ours, "µs", "pyemv", decode_pyemv, 8.0),
        Row("TLV decode, the same record", decode_ours, "µs", "ber-tlv", decode_ber, 8.0),
        Row("TLV encode, the same record", encode_ours, "µs", "pyemv", encode_pyemv, 8.0),
        Row("TLV encode, the same record", encode_ours, "µs", "ber-tlv", encode_ber, 8.0),
        Row(
            "contact payment with CDA checked, card recorded, to the second cryptogram",
            cpu_us(replayed()),
            "µs",
            target=3_000.0,
        ),
        Row(
            "the same, with the card's own signature and cryptograms",
            cpu_us(lambda: with_its_card(signing)),
            "µs",
        ),
        Row(
            "contact payment in process to the second cryptogram, card included",
            cpu_us(lambda: contact_transaction(inserted)),
            "µs",
            target=3_000.0,
        ),
        *contactless_rows(),
        *card_events.rows(),
    ]
