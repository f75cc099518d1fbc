# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Recorded contactless scripts: the same commands to the octet, and the documented outcome of each.

Signatures are checked with the payment systems' published test keys. Where another kernel recorded a payment under the
magnetic stripe's rules, ours refuses: that mode is off.
"""

import datetime

from protocols.emv import tlv
from terminal_agent.emv import (
    Alert,
    Combination,
    Cvm,
    Decision,
    EmvOutcome,
    EmvTerminal,
    Means,
    TransactionRequest,
    contactless,
)
from tests.protocols.emv.traces import Script, scripts
from tests.terminal_agent.emv.contact_session import authorities
from tests.terminal_agent.emv.session import MASTERCARD, VISA, drive, terminal

SCRIPTS = scripts()
KEYS = Means(authorities("visa-test", "mastercard-test"))
US = {"country": "840", "currency": "840"}
QUICK = terminal(
    **US,
    consumer_device_cvm=True,
    aids=(Combination(VISA, 20_000, 8_000, floor_limit=8_000, application_version="0002"),),
)


def chip(**changes: object) -> EmvTerminal:
    """A terminal for the Mastercard scripts, in Belgium as they were recorded."""
    settings: dict[str, object] = {
        "kernel": 2,
        "application_version": "0002",
        "tac_denial": "0000000000",
        "tac_online": "0000000000",
        "tac_default": "0000000000",
    }
    combination = Combination(MASTERCARD, 90_000_000, 90_000_000, floor_limit=90_000_000, **settings)  # type: ignore[arg-type]
    return terminal(**({"country": "056", "aids": (combination,)} | changes))


def replay(script: Script, place: EmvTerminal, payment: TransactionRequest, means: Means | None = None) -> EmvOutcome:
    """Run the machine against a script; a command that was not recorded in this place fails."""
    left = list(script.exchanges)

    def answer(command: bytes) -> bytes:
        sent, received = left.pop(0)
        assert command == sent
        return received

    outcome = drive(contactless(place, payment, means), answer)
    assert not left or outcome.decision is Decision.OTHER_INTERFACE
    return outcome


def payment(amount: int, currency: str, when: datetime.date, number: str) -> TransactionRequest:
    return TransactionRequest(amount, currency, when, datetime.time(), bytes.fromhex(number))


def test_visa_online_is_the_recorded_session_octet_for_octet() -> None:
    script = SCRIPTS["visa-online"]
    outcome = replay(script, QUICK, payment(9_000, "840", datetime.date(2020, 3, 16), "ABABABAB"), KEYS)
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


def test_visa_offline_is_approved_by_its_signature() -> None:
    script = SCRIPTS["visa-offline"]
    asked = payment(200, "840", datetime.date(2019, 8, 19), "ABABABAB")
    outcome = replay(script, QUICK, asked, KEYS)
    assert script.outcome == "Approved"
    assert (outcome.decision, outcome.cvm, outcome.alerts) == (Decision.APPROVED, Cvm.NONE, ())
    assert any(note.words.startswith("fDDA succeeded") for note in outcome.notes)
    # this card leaves CID out: the type is read from 9F10
    assert dict(tlv.decode(outcome.icc_data))[0x9F27] == b"\x40"


def test_mastercard_offline_is_approved_by_its_signature() -> None:
    script = SCRIPTS["msc-offline"]
    place = chip(terminal_type="26", additional_capabilities="6000F00001")
    outcome = replay(script, place, payment(1, "978", datetime.date(2019, 8, 19), "33BCA47D"), KEYS)
    assert script.outcome == "Approved"
    assert (outcome.decision, outcome.cvm, outcome.alerts) == (Decision.APPROVED, Cvm.NONE, ())
    assert any(note.words.startswith("CDA succeeded") for note in outcome.notes)


def test_mastercard_online() -> None:
    script = SCRIPTS["msc-online"]
    combination = Combination(
        MASTERCARD,
        30_000,
        1_000,
        2,
        10_000,
        "0002",
        tac_denial="0000000000",
        tac_online="0000000000",
        tac_default="0000000000",
    )
    place = chip(currency="840", aids=(combination,))
    outcome = replay(script, place, payment(9_000, "840", datetime.date(2020, 3, 16), "ABABABAB"), KEYS)
    assert script.outcome == "Online Request"
    assert (outcome.decision, outcome.cvm, outcome.alerts) == (Decision.ONLINE, Cvm.ONLINE_PIN, ())
    assert dict(tlv.decode(outcome.icc_data))[0x95] == bytes.fromhex("0000040001")


def test_the_magnetic_stripes_rules_are_refused() -> None:
    script = SCRIPTS["ms"]
    place = chip(capabilities="E0E8C8")
    left = list(script.exchanges)

    def answer(command: bytes) -> bytes:
        sent, received = left.pop(0)
        assert command[:4] == sent[:4]
        return received

    asked = payment(1_500, "978", datetime.date(2019, 8, 19), "33BCA47D")
    outcome = drive(contactless(place, asked, KEYS), answer)
    assert outcome.decision is Decision.OTHER_INTERFACE
    assert outcome.alerts == (Alert.MODE_DOWNGRADED,)
    assert [sent[1] for sent, _ in left] == [0xB2, 0x2A]  # no record is read, no checksum asked for


def test_every_script_is_spoken_for() -> None:
    assert set(SCRIPTS) == {"visa-online", "visa-offline", "msc-offline", "msc-online", "ms"}
