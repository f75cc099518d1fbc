# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A recorded contact card of an invented scheme, whose keys are published: the documented results, reached by us.

Documented with the recording: the certificate chain is right up to the card's key, whose hash covers the static data
and the AIP; the card signs the terminal's number; it takes the PIN in clear and enciphered; ARQC and then TC. With the
private key of the card we read our own enciphered PIN back, as that card did.
"""

import datetime
import hashlib
from typing import Any

import pytest

from protocols.emv.bits import Tsi, Tvr
from protocols.emv.oda import CaKey
from terminal_agent.card.chaining import exchange
from terminal_agent.emv import (
    Alert,
    Authorities,
    Combination,
    ContactApplication,
    ContactTransaction,
    Cvm,
    Decision,
    EmvOutcome,
    EmvTerminal,
    IssuerAnswer,
    PinAnswer,
    PinAtReader,
    PinToEncipher,
    TransactionRequest,
    TrustedKey,
)
from tests.protocols.emv.contact_traces import transaction
from tests.protocols.emv.oda_samples import TEST_CA, TEST_CARD, TEST_SCHEME
from tests.terminal_agent.emv.contact_session import said

CHECKSUM = hashlib.sha1(
    TEST_SCHEME.rid + bytes((TEST_SCHEME.index,)) + TEST_CA.modulus.to_bytes(TEST_CA.octets, "big") + b"\x03"
).digest()
KEYS = Authorities((TrustedKey(CaKey(TEST_SCHEME.rid, TEST_SCHEME.index, TEST_SCHEME.key, CHECKSUM)),))
REQUEST = TransactionRequest(
    amount=1,
    currency="978",
    date=datetime.date(2018, 7, 24),
    time=datetime.time(12, 0),
    unpredictable_number=bytes.fromhex("01234567"),
)
PIN_BLOCK = bytes.fromhex("241234FFFFFFFFFF")


class RecordedCard:
    """Answers with what the card said to the same instruction, in its order; cryptograms and PINs by their headers."""

    def __init__(self) -> None:
        self.commands: list[bytes] = []
        self._answers: dict[bytes, list[bytes]] = {}
        last = b""
        for command, answer in transaction():
            key = _key(command)
            if command[1] == 0xC0:
                self._answers.setdefault(b"\x00\xc0" + _key(last), []).append(answer)
                continue
            last = command
            self._answers.setdefault(key, []).append(answer)
        self._last = b""

    def __call__(self, command: bytes) -> bytes:
        """A whole answer, under T=0."""
        self.commands.append(command)
        turns = exchange(command)
        try:
            send = next(turns)
            while True:
                send = turns.send(self._one(send))
        except StopIteration as end:
            whole: bytes = end.value
            return whole

    def _one(self, command: bytes) -> bytes:
        key = b"\x00\xc0" + self._last if command[1] == 0xC0 else _key(command)
        if command[1] != 0xC0:
            self._last = key
        waiting = self._answers.get(key)
        return waiting.pop(0) if waiting else b"\x6a\x88"


def _key(command: bytes) -> bytes:
    """What the card tells commands apart by: GENERATE AC by its type and list, everything else by header and data."""
    if command[1] == 0xAE:
        return bytes((0xAE, command[2], command[4]))
    if command[1] == 0xB2:
        return command[:4]
    if command[:4] == bytes.fromhex("00200088"):
        return command[:4]
    both_ways = command[1] in (0xA4, 0xA8, 0x88) and len(command) > 5 + command[4]
    return command[:-1] if both_ways else command


def shop(**changes: object) -> EmvTerminal:
    return EmvTerminal(
        "246",
        "978",
        "TG000001",
        (Combination("A0000000031010", 500_000, 2_500),),
        contact=(ContactApplication("AFFFFFFFFF1234", application_version="0096"),),
        capabilities="E0F0C8",
        **changes,  # type: ignore[arg-type]
    )


def drive(machine: Any, card: RecordedCard, asked: list[object]) -> EmvOutcome:
    try:
        wanted = next(machine)
        while True:
            if isinstance(wanted, bytes):
                wanted = machine.send(card(wanted))
                continue
            asked.append(wanted)
            wanted = machine.send(hand(wanted, card))
    except StopIteration as end:
        outcome: EmvOutcome = end.value
        return outcome


def hand(wanted: object, card: RecordedCard) -> bytes | PinAnswer:
    """A reader that takes the PIN 1234 itself; a vault that enciphers it with fixed padding."""
    if isinstance(wanted, PinAtReader):
        return card(wanted.template[:5] + PIN_BLOCK)
    if isinstance(wanted, PinToEncipher):
        text = b"\x7f" + PIN_BLOCK + wanted.challenge + b"\xa5" * (wanted.key.octets - 17)
        number = pow(int.from_bytes(text, "big"), wanted.key.exponent, wanted.key.modulus)
        return number.to_bytes(wanted.key.octets, "big")
    return PinAnswer.ENTERED


@pytest.mark.parametrize(
    ("changes", "cvm", "results"),
    [
        ({"offline_pin": True, "enciphered_pin": True}, Cvm.OFFLINE_PIN, "440302"),
        ({"offline_pin": True}, Cvm.OFFLINE_PIN, "410302"),
        ({}, Cvm.ONLINE_PIN, "020300"),
    ],
)
def test_the_documented_results(changes: dict[str, object], cvm: Cvm, results: str) -> None:
    card, asked = RecordedCard(), []  # type: ignore[var-annotated]
    payment = ContactTransaction(shop(**changes), REQUEST, 50, KEYS)
    outcome = drive(payment.first(), card, asked)
    assert (outcome.decision, outcome.cvm, outcome.alerts) == (Decision.ONLINE, cvm, ())
    assert said(outcome, "offline authentication") == ["DDA succeeded: a card that its issuer certified signed"]
    assert outcome.tsi is not None
    assert Tsi.ODA_PERFORMED | Tsi.CARDHOLDER_VERIFICATION in outcome.tsi
    assert len(asked) == 1
    assert bytes.fromhex("9F3403" + results) in outcome.icc_data
    assert outcome.tvr is not None
    assert not outcome.tvr & (Tvr.DDA_FAILED | Tvr.CVM_NOT_SUCCESSFUL | Tvr.ODA_NOT_PERFORMED)
    answer = IssuerAnswer.from_message("Y3", approved=True, icc=bytes.fromhex("91081234567812345678"))
    final = drive(payment.second(answer), card, asked)
    assert final.decision is Decision.APPROVED
    assert final.cryptogram == outcome.cryptogram == bytes.fromhex("B0189101D11416C1"), "as recorded"
    sent = [command for command in card.commands if command[1] == 0x88]
    assert sent == [bytes.fromhex("00880000040123456700")]


def test_the_card_reads_our_enciphered_pin() -> None:
    card, asked = RecordedCard(), []  # type: ignore[var-annotated]
    drive(ContactTransaction(shop(enciphered_pin=True), REQUEST, 50, KEYS).first(), card, asked)
    (wanted,) = asked
    assert isinstance(wanted, PinToEncipher)
    assert wanted.challenge == bytes.fromhex("b34571e839f2e14f"), "the card's recorded number"
    assert wanted.key == TEST_CARD.public
    (verify,) = (command for command in card.commands if command[1] == 0x20)
    assert verify[:5] == bytes.fromhex("0020008880")
    clear = pow(int.from_bytes(verify[5:], "big"), TEST_CARD.private, TEST_CARD.modulus).to_bytes(128, "big")
    assert clear[:17] == b"\x7f" + PIN_BLOCK + wanted.challenge


def test_the_recorded_enciphered_pin_is_the_recorded_plain_one() -> None:
    commands = [command for command, _ in transaction() if command[1] == 0x20]
    plain, enciphered = commands
    clear = pow(int.from_bytes(enciphered[5:], "big"), TEST_CARD.private, TEST_CARD.modulus).to_bytes(128, "big")
    assert clear[:1] == b"\x7f"
    assert clear[1:9] == plain[5:] == PIN_BLOCK
    assert clear[9:17] == bytes.fromhex("b34571e839f2e14f")


def test_a_wrong_scheme_key_is_told() -> None:
    other = CaKey(TEST_SCHEME.rid, TEST_SCHEME.index, TEST_CARD.public)
    outcome = drive(
        ContactTransaction(shop(), REQUEST, 50, Authorities((TrustedKey(other),))).first(), RecordedCard(), []
    )
    assert Alert.AUTHENTICATION_FAILED in outcome.alerts
    assert said(outcome, "offline authentication")[0].startswith("DDA failed: issuer certificate")
