# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The contact transaction after the issuer's answer: the card has the last word, and obeys the issuer's scripts."""

import pytest

from device_profiles.twins.card import CardTorn
from device_profiles.twins.contact_card import ContactCardTwin
from device_profiles.twins.contact_faults import CONTACT_FAULTS, FaultyContactCard
from protocols.emv import tlv
from protocols.emv.bits import Tsi, Tvr
from terminal_agent.emv import Alert, ContactTransaction, Decision, IssuerAnswer
from tests.terminal_agent.emv.contact_session import (
    CDOL,
    PROFILE,
    StubCard,
    card,
    drive,
    first,
    proof,
    reply,
    request,
    said,
    terminal,
    whole,
)


def test_a_forged_answer_of_the_issuer_is_declined_by_the_card() -> None:
    twin = card()
    transaction, asked = first(twin.apdu)
    wrong = bytes([proof(asked)[0] ^ 1]) + proof(asked)[1:]
    answer = IssuerAnswer.from_message("00", approved=True, icc=tlv.encode([(0x91, wrong)]))
    final, _ = drive(transaction.second(answer), twin.apdu)
    assert final.decision is Decision.DECLINED
    assert final.tvr is not None
    assert Tvr.ISSUER_AUTHENTICATION_FAILED in final.tvr
    assert Alert.ISSUER_REFUSED in final.alerts
    assert "the card does not believe the issuer's answer: 6300" in said(final, "issuer authentication")[-1]
    assert "issuer authentication failed" in said(final, "TVR")[-1]


@pytest.mark.parametrize(("code", "approved"), [("00", True), ("51", False)])
def test_a_proof_for_another_code_is_no_proof(code: str, approved: bool) -> None:
    """The proof says 51, the message says 00; or the other way: the card never approves."""
    twin = card()
    transaction, asked = first(twin.apdu)
    other = "51" if approved else "00"
    answer = IssuerAnswer.from_message(code, approved=approved, icc=tlv.encode([(0x91, proof(asked, other))]))
    final, _ = drive(transaction.second(answer), twin.apdu)
    assert final.decision is Decision.DECLINED


def test_a_missing_proof_is_declined_by_the_card() -> None:
    twin = card()
    transaction, _ = first(twin.apdu)
    final, _ = drive(transaction.second(IssuerAnswer("00", True)), twin.apdu)
    assert (final.decision, final.words) == (Decision.DECLINED, "declined by the card, whatever the issuer said")
    assert said(final, "issuer authentication")[-1] == "not performed: the issuer sent no proof"
    assert final.tsi is not None
    assert Tsi.ISSUER_AUTHENTICATION not in final.tsi


def test_the_profile_takes_the_proof_with_the_second_cryptogram() -> None:
    stub = StubCard({0x8D: "8A02910A" + CDOL}, aip="1800")
    transaction, _ = first(stub)
    answer = IssuerAnswer.from_message("00", approved=True, icc=bytes.fromhex("910A01020304050607083030"))
    final, _ = drive(transaction.second(answer), stub)
    assert final.decision is Decision.APPROVED
    assert all(command[1] != 0x82 for command in stub.commands)
    assert stub.commands[-1][5:17].hex() == "303001020304050607083030"


@pytest.mark.parametrize(
    ("name", "decision", "words"),
    [
        ("second-cryptogram-refused", Decision.ENDED, "the card makes no cryptogram: 6F00"),
        ("issuer-proof-refused", Decision.APPROVED, "approved by issuer and card"),
        ("issuer-proof-wedged", Decision.APPROVED, "approved by issuer and card"),
    ],
)
def test_faults_of_phase_two(name: str, decision: Decision, words: str) -> None:
    faulty = FaultyContactCard(ContactCardTwin(PROFILE), CONTACT_FAULTS[name]())
    faulty.power_on()
    _, final = whole(faulty.apdu)
    assert final.decision is decision
    assert final.words.startswith(words)


def test_a_wedge_that_says_the_proof_is_right_wins_nothing() -> None:
    """The card itself knows that the proof was wrong, and its second cryptogram says so."""
    faulty = FaultyContactCard(ContactCardTwin(PROFILE), CONTACT_FAULTS["issuer-proof-wedged"]())
    faulty.power_on()
    transaction, _asked = first(faulty.apdu)
    answer = IssuerAnswer.from_message("00", approved=True, icc=tlv.encode([(0x91, bytes(8) + b"00")]))
    final, _ = drive(transaction.second(answer), faulty.apdu)
    assert final.decision is Decision.DECLINED


@pytest.mark.parametrize(
    ("name", "decision", "alert"),
    [
        ("truncated-gpo", Decision.ENDED, Alert.MALFORMED),
        ("wrong-status", Decision.ENDED, None),
        ("brand-mixup", Decision.DECLINED, Alert.BRAND_MISMATCH),
        ("approves-by-itself", Decision.ENDED, Alert.CRYPTOGRAM_TYPE),
        ("cvm-list-emptied", Decision.DECLINED, Alert.CVM_MISSING),
        ("cvm-list-plaintext-pin", Decision.ONLINE, None),
        ("tampered-arqc", Decision.ONLINE, None),
    ],
)
def test_faults_of_phase_one(name: str, decision: Decision, alert: Alert | None) -> None:
    commands: list[bytes] = []
    faulty = FaultyContactCard(ContactCardTwin(PROFILE), CONTACT_FAULTS[name]())
    faulty.power_on()

    def answer(command: bytes) -> bytes:
        commands.append(command)
        return faulty.apdu(command)

    _, outcome = first(answer)
    assert outcome.decision is decision
    assert outcome.alerts == ((alert,) if alert else ())
    assert all(command[1] != 0x20 for command in commands), "no PIN is ever sent to a card"


@pytest.mark.parametrize(
    "name", ["torn-at-first-cryptogram", "torn-at-issuer-authentication", "torn-at-second-cryptogram"]
)
def test_a_card_torn_out_decides_nothing(name: str) -> None:
    faulty = FaultyContactCard(ContactCardTwin(PROFILE), CONTACT_FAULTS[name]())
    faulty.power_on()
    transaction = ContactTransaction(terminal(), request(), 50)
    phase, asked = transaction.first(), None
    if name != "torn-at-first-cryptogram":
        asked, _ = drive(phase, faulty.apdu)
        phase = transaction.second(reply(asked))
    with pytest.raises(CardTorn):
        drive(phase, faulty.apdu)
    assert transaction.concluded is None


def test_torn_during_scripts_the_payment_is_concluded() -> None:
    twin = card()
    transaction, asked = first(twin.apdu)
    machine = transaction.second(
        reply(asked, scripts=bytes.fromhex("72128606841E00000199" + "9F180401020304" + "860184"))
    )
    command = next(machine)
    while command[1] in (0x82, 0xAE):  # type: ignore[index]  # no PIN is asked in phase two
        command = machine.send(twin.apdu(command))  # type: ignore[arg-type]
    machine.close()
    assert transaction.concluded is not None
    assert transaction.concluded.decision is Decision.APPROVED


# Scripts


@pytest.mark.parametrize(
    ("template", "answer", "tvr", "results"),
    [
        ("71", "9000", Tvr(0), "2001020304"),
        ("71", "6300", Tvr(0), "2001020304"),
        ("71", "6A82", Tvr.SCRIPT_FAILED_BEFORE, "1101020304"),
        ("72", "9000", Tvr(0), "2001020304"),
        ("72", "6982", Tvr.SCRIPT_FAILED_AFTER, "1101020304"),
    ],
)
def test_issuer_scripts(template: str, answer: str, tvr: Tvr, results: str) -> None:
    stub = StubCard(answers={"84": answer})
    transaction, _ = first(stub)
    script = f"{template}179F1804010203048607841E000002AABB86058418000000"
    final, _ = drive(
        transaction.second(IssuerAnswer.from_message("00", approved=True, icc=bytes.fromhex(script))), stub
    )
    assert final.decision is Decision.APPROVED
    assert final.script_results.hex() == results
    assert final.tsi is not None
    assert Tsi.SCRIPT_PROCESSING in final.tsi
    assert final.tvr is not None
    assert final.tvr & (Tvr.SCRIPT_FAILED_BEFORE | Tvr.SCRIPT_FAILED_AFTER) == tvr
    order = [command[0] for command in stub.commands if command[0] == 0x84 or command[1] == 0xAE]
    sent_commands = 2 if answer in ("9000", "6300") else 1
    scripts = [0x84] * sent_commands
    assert order == ([0x80, *scripts, 0x80] if template == "71" else [0x80, 0x80, *scripts])


def test_one_script_that_fails_does_not_stop_the_next() -> None:
    stub = StubCard(answers={"841E": "6A82"})
    transaction, _ = first(stub)
    scripts = "71078605841E000000" + "71078605" + "8418000000"
    final, _ = drive(
        transaction.second(IssuerAnswer.from_message("05", approved=False, icc=bytes.fromhex(scripts))), stub
    )
    assert final.script_results.hex() == "11000000002000000000"


def test_what_is_no_command_is_not_sent() -> None:
    stub = StubCard()
    transaction, _ = first(stub)
    answer = IssuerAnswer.from_message("00", approved=True, icc=bytes.fromhex("7104860284 1E"))
    final, _ = drive(transaction.second(answer), stub)
    assert final.script_results.hex() == "1100000000"
    assert all(len(command) >= 4 for command in stub.commands)
