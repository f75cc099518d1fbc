# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Recorded contact cards: processing options and records of an independent kernel's tests, and one whole transaction.

The whole transaction is of an invented scheme whose kernel did more than ours in some places and less in others. What
we send must be what it sent, octet by octet, but for this, each time for a reason:

* not sent: GET DATA of the counter (the card gives no consecutive limits to compare with), INTERNAL AUTHENTICATE (this
  terminal has none of its methods: see test_published_card.py), GET CHALLENGE and both VERIFY (online PIN is taken);
* TVR in the cryptogram data: the recorded kernel sent zeros, ours says what it found;
* transaction type: the recorded kernel sent 21, which is no purchase;
* response code in the second list: it simulated Y3, here the issuer is asked and says 00.
"""

import datetime

import pytest

from protocols.emv.bits import Tvr
from protocols.errors import DecodeError
from terminal_agent.card.chaining import exchange
from terminal_agent.emv import (
    Combination,
    ContactApplication,
    ContactTransaction,
    Cvm,
    Decision,
    EmvTerminal,
    IssuerAnswer,
    TransactionRequest,
)
from terminal_agent.emv.application_data import read_records
from terminal_agent.emv.card_data import CardData
from terminal_agent.emv.contact_run import Candidate, ContactRun, Selected, Turn
from terminal_agent.emv.contact_steps import MUST_GIVE, processing_options
from tests.protocols.emv.contact_traces import Exchanges, emulated, transaction
from tests.terminal_agent.emv.contact_session import VISA, drive, request, terminal

SCRIPTS = emulated()


def options(name: str, pdol: str = "") -> tuple[Turn, ContactRun, bytes]:
    """GET PROCESSING OPTIONS against a recorded answer: how it ends, and the command."""
    ((command, answer),) = SCRIPTS[f"emv_initiate_application_processing_test:{name}"]
    application = ContactApplication(VISA)
    run = ContactRun(terminal(capabilities="60F0C8"), request(), 50)
    candidate = Candidate(bytes.fromhex(VISA), application, 1, "", False)
    run.selected = Selected(candidate, bytes.fromhex(VISA), "", bytes.fromhex(pdol))
    machine = processing_options(run)
    sent = next(machine)
    assert (len(sent), sent[:6]) == (len(command), command[:6])
    with pytest.raises(StopIteration) as end:
        machine.send(answer)
    return end.value.value, run, sent


@pytest.mark.parametrize(
    ("name", "aip", "afl"),
    [
        ("test1_apdu_list", "7800", "080202001001040018010201"),
        ("test2_apdu_list", "3900", "1801020120020400"),
    ],
)
def test_recorded_processing_options(name: str, aip: str, afl: str) -> None:
    turn, run, sent = options(name)
    assert sent.hex() == "80a8000002830000"
    assert turn is Turn.DONE
    assert run.card.get(0x82) == bytes.fromhex(aip)
    assert run.card.get(0x94) == bytes.fromhex(afl)


@pytest.mark.parametrize(
    ("name", "turn"),
    [
        ("test3_apdu_list", Turn.ANOTHER),
        ("test4_apdu_list", Turn.DONE),
        ("test6_apdu_list", Turn.STOPPED),
    ],
)
def test_recorded_processing_options_with_a_list(name: str, turn: Turn) -> None:
    """The recorded terminal sent its capabilities 60F0C8; ours claims of them what it can do at contact."""
    found, _, sent = options(name, "9F3303")
    assert found is turn
    assert sent[7:10].hex() == "6040c8"


def records(name: str) -> tuple[str, CardData]:
    """Read a recorded card's records in the recorded order."""
    script = SCRIPTS[f"emv_read_application_data_test:{name}"]
    files = b"".join(bytes((command[3] & 0xF8, command[2], command[2], 0)) for command, _ in script)
    card = CardData()
    card.add([(0x94, files)], "test")
    left = iter(script)
    machine = read_records(card)
    try:
        command = next(machine)
        while True:
            expected, answer = next(left)
            assert command == expected
            command = machine.send(answer)
    except StopIteration as end:
        assert next(left, None) is None
        return end.value, card


def test_a_recorded_record_that_is_refused() -> None:
    refused, _ = records("test3_apdu_list")
    assert refused == "record 2 of file 1 cannot be read: 6985 conditions of use not satisfied"


@pytest.mark.parametrize(
    "name",
    [
        "test4_apdu_list",  # no record template
        "test5_apdu_list",  # octets behind the last object
        "test6_apdu_list",  # an object longer than its record
        "test8_apdu_list",  # an object given twice
    ],
)
def test_recorded_records_that_end_a_transaction(name: str) -> None:
    with pytest.raises(DecodeError):
        records(name)


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("test7_apdu_list", 4),  # no account number, no date, no lists
        ("test9_apdu_list", 2),  # no lists
        ("test10_apdu_list", 0),  # files above 10 are not looked into
        ("test11_apdu_list", 0),
    ],
)
def test_recorded_records(name: str, missing: int) -> None:
    refused, card = records(name)
    assert not refused
    assert len(card.missing(MUST_GIVE)) == missing


# The whole transaction

NOT_SENT = {0xCA, 0x88, 0x20, 0x84}
"""GET DATA, INTERNAL AUTHENTICATE, VERIFY, GET CHALLENGE: see above."""


class Recorded:
    """The recorded card under T=0: it knows the recorded commands, and cryptograms by their header and length."""

    def __init__(self, script: Exchanges) -> None:
        self.left = list(script)
        self.compared: list[tuple[bytes, bytes]] = []

    def __call__(self, command: bytes) -> bytes:
        turns = exchange(command)
        try:
            send = next(turns)
            while True:
                send = turns.send(self._answer(send))
        except StopIteration as end:
            whole: bytes = end.value
            return whole

    def _answer(self, command: bytes) -> bytes:
        while self.left[0][0][1] in NOT_SENT or (self.left[0][0][1] == 0xC0 and command[1] != 0xC0):
            self.left.pop(0)
        expected, answer = self.left.pop(0)
        if command[1] == 0xAE:
            assert command[:5] == expected[:5]
            self.compared.append((command, expected))
        else:
            # under T=0 the last octet of a command that sends and expects data is not sent, and was not recorded here
            assert expected == command or (command[1] == 0xA8 and expected == command[:-1])
        return answer


def test_a_recorded_transaction_from_directory_to_second_cryptogram() -> None:
    shop = EmvTerminal(
        country="246",
        currency="978",
        serial_number="TG000001",
        aids=(Combination(VISA, 500_000, 2_500),),
        contact=(ContactApplication("AFFFFFFFFF1234", application_version="0096"),),
        capabilities="E04000",
    )
    asked = TransactionRequest(
        amount=1,
        currency="978",
        date=datetime.date(2020, 7, 24),
        time=datetime.time(12, 0),
        unpredictable_number=bytes.fromhex("01234567"),
    )
    card = Recorded(transaction())
    payment = ContactTransaction(shop, asked, 50)
    outcome, pins = drive(payment.first(), card)
    assert (outcome.decision, outcome.cvm, pins) == (Decision.ONLINE, Cvm.ONLINE_PIN, 1)
    assert (outcome.label, outcome.atc) == ("VESA", 0x00F3), "its preferred name; the label is VESA ELECTRON"
    answer = IssuerAnswer.from_message("00", approved=True, icc=bytes.fromhex("91081234567812345678"))
    final, _ = drive(payment.second(answer), card)
    assert final.decision is Decision.APPROVED
    assert card.left == []
    assert final.tvr == (Tvr.ODA_NOT_PERFORMED | Tvr.EXPIRED | Tvr.ONLINE_CVM_CAPTURED | Tvr.OVER_FLOOR_LIMIT)
    (first, first_recorded), (second, second_recorded) = card.compared
    assert _but(first, 5, 19) == _but(first_recorded, 5, 19)
    assert _but(second, 7, 21) == _but(second_recorded[:5] + b"00" + second_recorded[7:], 7, 21)


def _but(command: bytes, amounts: int, tvr: int) -> bytes:
    """A GENERATE AC without TVR and transaction type: both lists have the same order behind the amounts."""
    kind = tvr + 5 + 2 + 3
    assert command[amounts : amounts + 6].hex() == "000000000001"
    return command[:tvr] + command[tvr + 5 : kind] + command[kind + 1 :]
