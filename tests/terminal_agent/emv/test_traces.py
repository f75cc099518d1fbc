# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Recorded contactless scripts: the same commands to the octet where kernel 3 is meant, the outcome as documented here.

The recording kernel approved one of them offline after fDDA. Ours has no fDDA: it asks for an online cryptogram in TTQ,
so that one octet differs, and sends even a TC online. Mastercard's scripts need kernel 2, which is not built.
"""

import datetime

import pytest

from protocols.emv import tlv
from terminal_agent.emv import Combination, Cvm, Decision, EmvOutcome, TransactionRequest, contactless
from tests.protocols.emv.traces import Script, scripts
from tests.terminal_agent.emv.session import VISA, drive, terminal

SCRIPTS = scripts()
TTQ_PLACE = 8  # in GET PROCESSING OPTIONS: header 5, template 83 and its length, then byte 2 of TTQ
ONLINE_CRYPTOGRAM = 0x80


def replay(script: Script, amount: int, currency: str, when: datetime.date, number: str, loose: bool) -> EmvOutcome:
    """Run the machine against a script; a command that was not recorded in this place fails."""
    left = list(script.exchanges)

    def answer(command: bytes) -> bytes:
        sent, received = left.pop(0)
        if loose and command[1] == 0xA8:
            assert command[TTQ_PLACE] & ONLINE_CRYPTOGRAM
            assert not sent[TTQ_PLACE] & ONLINE_CRYPTOGRAM
            command = command[:TTQ_PLACE] + sent[TTQ_PLACE : TTQ_PLACE + 1] + command[TTQ_PLACE + 1 :]
        assert command == sent
        return received

    place = terminal(
        country="840",
        currency="840",
        consumer_device_cvm=True,
        aids=(Combination(VISA, 20_000, 8_000, floor_limit=8_000, application_version="0002"),),
    )
    payment = TransactionRequest(amount, currency, when, datetime.time(), bytes.fromhex(number))
    outcome = drive(contactless(place, payment), answer)
    assert not left or outcome.decision is Decision.OTHER_INTERFACE
    return outcome


def test_visa_online_is_the_recorded_session_octet_for_octet() -> None:
    script = SCRIPTS["visa-online"]
    outcome = replay(script, 9_000, "840", datetime.date(2020, 3, 16), "ABABABAB", loose=False)
    assert script.outcome == "Online Request"
    assert (outcome.decision, outcome.cvm) == (Decision.ONLINE, Cvm.ONLINE_PIN)
    assert outcome.pan is not None
    assert outcome.pan.masked == "476173******0010"
    assert (outcome.expiry, outcome.sequence_number, outcome.atc) == ("2212", 1, 0x0077)
    sent = dict(tlv.decode(outcome.icc_data))
    assert sent[0x9F26] == bytes.fromhex("48325309BE82CBA2")
    assert sent[0x9F66] == bytes.fromhex("24C04000")
    assert sent[0x9F6C] == bytes.fromhex("9000")
    assert outcome.alerts == ()


def test_visa_offline_goes_online_since_nothing_proves_the_approval() -> None:
    script = SCRIPTS["visa-offline"]
    outcome = replay(script, 200, "840", datetime.date(2019, 8, 19), "ABABABAB", loose=True)
    assert script.outcome == "Approved"
    assert (outcome.decision, outcome.cvm) == (Decision.ONLINE, Cvm.NONE)
    # this card leaves CID out: the type is read from 9F10
    assert dict(tlv.decode(outcome.icc_data))[0x9F27] == b"\x40"


@pytest.mark.parametrize("name", ["msc-offline", "msc-online", "ms"])
def test_cards_of_other_kernels_are_sent_to_another_interface(name: str) -> None:
    outcome = replay(SCRIPTS[name], 100, "840", datetime.date(2019, 8, 19), "33BCA47D", loose=False)
    assert outcome.decision is Decision.OTHER_INTERFACE
    assert outcome.words == "card and terminal share no application here"
    assert any(note.words.startswith("A0000000041010 is not one") for note in outcome.notes)


def test_every_script_is_spoken_for() -> None:
    assert set(SCRIPTS) == {"visa-online", "visa-offline", "msc-offline", "msc-online", "ms"}
