# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The contact transaction as a whole: both phases, every ending, TVR and TSI in words, and its table of steps."""

import dataclasses
import hashlib
import itertools

import pytest

from device_profiles.twins.card import CardTorn
from device_profiles.twins.contact_card import ContactCardTwin
from device_profiles.twins.contact_faults import CONTACT_FAULTS, FaultyContactCard
from protocols.emv import tlv
from protocols.emv.bits import Tsi, Tvr
from terminal_agent.emv import Alert, ContactTransaction, Cvm, Decision, EmvOutcome, IssuerAnswer, PinAnswer
from terminal_agent.emv.contact import ENDS, TRANSITIONS, WORK, Step
from terminal_agent.emv.contact_run import Turn
from tests.terminal_agent.emv.contact_session import (
    CDOL,
    PROFILE,
    StubCard,
    application,
    card,
    drive,
    first,
    proof,
    reply,
    request,
    sent,
    terminal,
    whole,
)


def said(outcome: EmvOutcome, subject: str) -> str:
    """The last note about a subject."""
    return [note.words for note in outcome.notes if note.subject == subject][-1]


# The good way


@pytest.mark.parametrize("response_format", [1, 2])
def test_approved_by_issuer_and_card(response_format: int) -> None:
    chip = dataclasses.replace(PROFILE.contact, response_format=response_format)  # type: ignore[type-var]  # not None
    twin = ContactCardTwin(dataclasses.replace(PROFILE, contact=chip))
    twin.power_on()
    asked, final = whole(twin.apdu)
    assert (asked.decision, asked.cvm) == (Decision.ONLINE, Cvm.ONLINE_PIN)
    assert final.decision is Decision.APPROVED
    assert final.tvr == Tvr.ODA_NOT_PERFORMED | Tvr.ONLINE_CVM_CAPTURED | Tvr.OVER_FLOOR_LIMIT
    assert final.tsi == (
        Tsi.CARDHOLDER_VERIFICATION
        | Tsi.CARD_RISK_MANAGEMENT
        | Tsi.ISSUER_AUTHENTICATION
        | Tsi.TERMINAL_RISK_MANAGEMENT
    )
    assert final.alerts == ()
    assert asked.pan is not None
    assert (asked.pan.digits, asked.expiry, asked.sequence_number, asked.atc) == ("4000009999990057", "2812", 1, 1)
    assert asked.track2 is not None
    assert asked.track2.pan == asked.pan
    assert (asked.label, asked.aid.hex().upper()) == ("TEST CREDIT", "A0000000031010")


def test_results_in_words() -> None:
    asked, final = whole(card().apdu)
    assert said(asked, "TVR") == (
        "8000048000: offline data authentication was not performed; online PIN entered; amount exceeds the floor limit"
    )
    assert said(asked, "TSI") == (
        "6800: cardholder verification performed; card risk management performed; terminal risk management performed"
    )
    assert said(final, "TSI").startswith("7800: cardholder verification performed; ")
    assert "issuer authentication performed" in said(final, "TSI")
    assert said(final, "issuer authentication") == "the card believes the issuer's answer"
    assert final.words == "approved by issuer and card"
    assert said(final, "cryptogram") == "TC: the card approves; transaction counter 1"
    assert final.notes[: len(asked.notes)] == asked.notes
    assert all("4000009999990057" not in str(note) for note in final.notes)


def test_data_element_55_is_what_the_card_signed() -> None:
    asked, _ = whole(card().apdu)
    objects = sent(asked)
    assert [f"{tag:X}" for tag in objects] == [
        *("9F26", "9F27", "9F10", "9F37", "9F36", "95", "9A", "9C", "9F02", "5F2A", "82", "9F1A", "9F03", "9F33"),
        *("9F34", "9F35", "9F1E", "84", "9F09", "9F41"),
    ]
    assert objects[0x95].hex() == "8000048000"
    assert objects[0x9F34].hex() == "420300"
    assert objects[0x9F33].hex() == "e040c8"
    assert objects[0x82].hex() == "1c00"
    assert objects[0x9F27].hex() == "80"


def test_final_data_hold_the_final_cryptogram() -> None:
    asked, final = whole(card().apdu)
    assert sent(final)[0x9F27].hex() == "40"
    assert sent(final)[0x9F26] == final.cryptogram != asked.cryptogram


def test_the_issuer_declines() -> None:
    _, final = whole(card().apdu, "51")
    assert (final.decision, final.words) == (Decision.DECLINED, "declined by the issuer")
    assert sent(final)[0x9F27].hex() == "00"
    assert said(final, "issuer") == "declines, response code 51"


def test_nobody_could_be_asked() -> None:
    twin = card()
    transaction, _ = first(twin.apdu)
    final, _ = drive(transaction.second(None), twin.apdu)
    assert (final.decision, final.words) == (Decision.DECLINED, "declined: the issuer could not be asked")
    assert "declined without the issuer" in said(final, "issuer")


# The card has the last word


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
    assert "the card does not believe the issuer's answer: 6300" in said(final, "issuer authentication")
    assert "issuer authentication failed" in said(final, "TVR")


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
    assert said(final, "issuer authentication") == "not performed: the issuer sent no proof"
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


# Phase one: every other ending


def test_a_terminal_without_contact_applications() -> None:
    transaction = ContactTransaction(terminal(contact=()), request(), 1)
    with pytest.raises(StopIteration) as end:
        next(transaction.first())
    assert end.value.value.decision is Decision.ENDED
    assert "takes no contact cards" in end.value.value.words


@pytest.mark.parametrize(
    ("answer", "bit"),
    [(PinAnswer.BYPASSED, Tvr.PIN_NOT_ENTERED), (PinAnswer.UNAVAILABLE, Tvr.PIN_PAD_MISSING)],
)
def test_no_pin_no_payment(answer: PinAnswer, bit: Tvr) -> None:
    twin = card()
    transaction = ContactTransaction(terminal(), request(), 50)
    outcome, asked = drive(transaction.first(), twin.apdu, answer)
    assert asked == 1
    assert outcome.decision is Decision.DECLINED
    assert outcome.tvr is not None
    assert bit | Tvr.CVM_NOT_SUCCESSFUL in outcome.tvr
    assert outcome.alerts == (Alert.CVM_MISSING,)


def test_below_the_cvm_limit_the_list_decides() -> None:
    settings = {"capabilities": "E00808", "online_pin": False, "contact": (application(cvm_limit=5_000),)}
    _transaction, outcome = first(card().apdu, **settings)
    assert (outcome.decision, outcome.cvm) == (Decision.ONLINE, Cvm.NONE)
    assert sent(outcome)[0x9F34].hex() == "1f0302"
    settings["contact"] = (application(cvm_limit=4_200),)
    assert first(card().apdu, **settings)[1].decision is Decision.DECLINED


def test_another_currency_always_needs_a_verified_cardholder() -> None:
    shop = terminal(capabilities="E00808", online_pin=False, contact=(application(cvm_limit=5_000),))
    transaction = ContactTransaction(shop, request(currency="840"), 50)
    outcome, _ = drive(transaction.first(), card().apdu)
    assert outcome.decision is Decision.DECLINED
    assert outcome.alerts == (Alert.CVM_MISSING,)


def test_declined_by_the_action_codes() -> None:
    _, outcome = first(card().apdu, contact=(application(tac_denial="8000000000"),))
    assert (outcome.decision, outcome.words) == (Decision.DECLINED, "declined by the terminal")
    assert "offline data authentication was not performed" in said(outcome, "analysis")
    assert sent(outcome)[0x9F27].hex() == "00"


def test_an_offline_terminal_approves_nothing() -> None:
    _, outcome = first(card().apdu, terminal_type="23")
    assert outcome.decision is Decision.DECLINED


def test_declined_by_the_card() -> None:
    _, outcome = first(StubCard(cryptograms=("00",)))
    assert (outcome.decision, outcome.words) == (Decision.DECLINED, "declined by the card")


@pytest.mark.parametrize("kind", ["40", "C0"])
@pytest.mark.parametrize("template", ["77", "80"])
def test_a_card_may_not_give_more_than_it_was_asked(kind: str, template: str) -> None:
    _, outcome = first(StubCard(cryptograms=(kind,), template=template))
    assert outcome.decision is Decision.ENDED
    assert outcome.alerts == (Alert.CRYPTOGRAM_TYPE,)


@pytest.mark.parametrize("kind", ["80", "C0"])
def test_the_second_cryptogram_ends_it_or_nothing_does(kind: str) -> None:
    stub = StubCard(cryptograms=("80", kind))
    transaction, _ = first(stub)
    final, _ = drive(transaction.second(IssuerAnswer("00", True)), stub)
    assert (final.decision, final.alerts) == (Decision.ENDED, (Alert.CRYPTOGRAM_TYPE,))


@pytest.mark.parametrize("answer", [IssuerAnswer("51", False), None])
def test_a_card_cannot_approve_what_the_issuer_did_not(answer: IssuerAnswer | None) -> None:
    stub = StubCard(cryptograms=("80", "40"))
    transaction, _ = first(stub)
    final, _ = drive(transaction.second(answer), stub)
    assert final.decision is Decision.ENDED


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        (0x5A, "5A Application Primary Account Number"),
        (0x5F24, "5F24 Application Expiration Date"),
        (0x8C, "8C Card Risk Management Data Object List 1"),
        (0x8D, "8D Card Risk Management Data Object List 2"),
    ],
)
def test_what_every_card_must_give(missing: int, words: str) -> None:
    _, outcome = first(StubCard({missing: None}))
    assert (outcome.decision, outcome.words) == (Decision.ENDED, f"the card did not give {words}")


def test_a_card_without_track_2_is_no_worse() -> None:
    _, outcome = first(StubCard({0x57: None}))
    assert outcome.decision is Decision.ONLINE
    assert outcome.track2 is None


def test_a_track_of_another_account() -> None:
    _, outcome = first(StubCard({0x57: "4000009999990016D281220111713000000F"}))
    assert outcome.decision is Decision.ENDED
    assert Alert.PAN_MISMATCH in outcome.alerts


@pytest.mark.parametrize("wanted", ["9F0206", "5F2A02", "9F3704"])
def test_a_list_that_leaves_the_payment_out(wanted: str) -> None:
    _, outcome = first(StubCard({0x8C: CDOL.replace(wanted, "")}))
    assert outcome.decision is Decision.ENDED
    assert "its cryptogram would not cover this payment" in outcome.words


def test_the_next_application_begins_afresh() -> None:
    """The first application refuses GET PROCESSING OPTIONS: nothing of it stays."""
    names = ("A0000000031010", "A0000000032010")
    shop = terminal(contact=tuple(application(aid=name) for name in names))
    stub = StubCard(answers={"00A404000E": "6A82"})
    refusals = iter([True, False])

    def answer(command: bytes) -> bytes:
        return b"\x69\x85" if command[1] == 0xA8 and next(refusals) else stub(command)

    transaction = ContactTransaction(shop, request(), 50)
    outcome, _ = drive(transaction.first(), answer)
    assert outcome.decision is Decision.ONLINE
    assert outcome.aid.hex().upper() == names[1]


def test_no_more_applications() -> None:
    _, outcome = first(StubCard(answers={"80A8": "6985"}))
    assert (outcome.decision, outcome.words) == (Decision.ENDED, "card and terminal share no application")


def test_a_record_that_cannot_be_read() -> None:
    _, outcome = first(StubCard(answers={"00B20114": "6A83"}))
    assert outcome.words == "record 1 of file 2 cannot be read: 6A83 no such record"


def test_no_file_locator() -> None:
    _, outcome = first(StubCard(answers={"80A8": "770482021C009000"}))
    assert (outcome.decision, outcome.alerts) == (Decision.ENDED, (Alert.MALFORMED,))


@pytest.mark.parametrize(
    ("changes", "aip"), [({0x8E: None}, "1C00"), ({0x8E: "0000000000000000"}, "1C00"), ({}, "0C00")]
)
def test_no_method_of_verification(changes: dict[int, str | None], aip: str) -> None:
    _, outcome = first(StubCard(changes, aip=aip), contact=(application(cvm_limit=10_000),))
    assert outcome.decision is Decision.ONLINE
    assert sent(outcome)[0x9F34].hex() == "3f0000"
    assert outcome.tvr is not None
    assert (Tvr.ICC_DATA_MISSING in outcome.tvr) == bool(changes)
    assert outcome.tsi is not None
    assert Tsi.CARDHOLDER_VERIFICATION not in outcome.tsi


def test_the_hash_of_the_transaction_certificate() -> None:
    """A list may ask for 98; without a TDOL of the card the terminal's own is used, and TVR says so."""
    stub = StubCard({0x8C: CDOL + "9814"})
    _, outcome = first(stub, contact=(application(default_tdol="9F0206"),))
    assert outcome.tvr is not None
    assert Tvr.DEFAULT_TDOL in outcome.tvr
    digest = hashlib.sha1(bytes.fromhex("000000004200")).digest()
    assert stub.commands[-1][-21:-1] == digest
    stub = StubCard({0x8C: CDOL + "9814", 0x97: "9F0206"})
    _, outcome = first(stub)
    assert outcome.tvr is not None
    assert Tvr.DEFAULT_TDOL not in outcome.tvr
    assert stub.commands[-1][-21:-1] == digest


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


# The table


def test_a_transaction_runs_once_and_in_order() -> None:
    transaction = ContactTransaction(terminal(), request(), 50)
    with pytest.raises(ValueError, match="nothing is waiting"):
        next(transaction.second(None))
    twin = card()
    asked, _ = drive(transaction.first(), twin.apdu)
    with pytest.raises(ValueError, match="runs once"):
        next(transaction.first())
    drive(transaction.second(reply(asked)), twin.apdu)
    with pytest.raises(ValueError, match="nothing is waiting"):
        next(transaction.second(None))
    assert transaction.step is Step.COMPLETED


@pytest.mark.parametrize("roll", [0, 100, -1])
def test_the_roll_is_from_1_to_99(roll: int) -> None:
    with pytest.raises(ValueError, match="1 to 99"):
        ContactTransaction(terminal(), request(), roll)


def test_the_table_is_closed() -> None:
    """Every step leads somewhere, every step but the ends is worked, and from every step an end can be reached."""
    following: dict[Step, set[Step]] = {step: set() for step in Step}
    for (step, _), after in TRANSITIONS.items():
        following[step].add(after)
    assert {step for step in Step if following[step]} == set(WORK)
    assert set(Step) - set(WORK) == ENDS - {Step.ONLINE}
    reached, edge = {Step.SELECTION}, {Step.SELECTION}
    while edge:
        edge = {after for step in edge for after in following[step]} - reached
        reached |= edge
    assert reached == set(Step)
    ending = set(ENDS)
    for _ in Step:
        ending |= {step for step in Step if following[step] & ending}
    assert ending == set(Step)


@pytest.mark.parametrize(("step", "turn"), list(itertools.product(Step, Turn)))
def test_every_step_and_turn(step: Step, turn: Turn, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that ends in a way which its table line does not know is a fault of ours, told at once."""
    if step not in WORK:
        assert (step, turn) not in TRANSITIONS
        return
    transaction = ContactTransaction(terminal(), request(), 50)
    transaction.step = step

    def work(run: object) -> Turn:
        run.stop(Decision.ENDED, "by the test")  # type: ignore[attr-defined]  # it is a ContactRun
        return turn

    changed = {name: (work if name is step else lambda run: Turn.STOPPED) for name in WORK}
    monkeypatch.setattr("terminal_agent.emv.contact.WORK", changed)
    machine = transaction.first() if step is Step.SELECTION else transaction._phase()
    if (step, turn) not in TRANSITIONS:
        with pytest.raises(KeyError):
            next(machine)
        return
    with pytest.raises((StopIteration, KeyError)):
        next(machine)
    assert transaction.step is not step or step is Step.SELECTION
