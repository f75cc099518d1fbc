# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The contact transaction as a whole: both phases, TVR and TSI in words, and its table of steps."""

import dataclasses
import itertools

import pytest

from device_profiles.twins.contact_card import ContactCardTwin
from protocols.emv.bits import Tsi, Tvr
from terminal_agent.emv import ContactTransaction, Cvm, Decision
from terminal_agent.emv.contact import ENDS, TRANSITIONS, WORK, Step
from terminal_agent.emv.contact_run import Turn
from tests.terminal_agent.emv.contact_session import (
    PROFILE,
    card,
    drive,
    first,
    reply,
    request,
    said,
    sent,
    terminal,
    whole,
)


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
    assert said(asked, "TVR")[-1] == (
        "8000048000: offline data authentication was not performed; online PIN entered; amount exceeds the floor limit"
    )
    assert said(asked, "TSI")[-1] == (
        "6800: cardholder verification performed; card risk management performed; terminal risk management performed"
    )
    assert said(final, "TSI")[-1].startswith("7800: cardholder verification performed; ")
    assert "issuer authentication performed" in said(final, "TSI")[-1]
    assert said(final, "issuer authentication")[-1] == "the card believes the issuer's answer"
    assert final.words == "approved by issuer and card"
    assert said(final, "cryptogram")[-1] == "TC: the card approves; transaction counter 1"
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
    assert said(final, "issuer")[-1] == "declines, response code 51"


def test_nobody_could_be_asked() -> None:
    twin = card()
    transaction, _ = first(twin.apdu)
    final, _ = drive(transaction.second(None), twin.apdu)
    assert (final.decision, final.words) == (Decision.DECLINED, "declined: the issuer could not be asked")
    assert "declined without the issuer" in said(final, "issuer")[-1]


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
