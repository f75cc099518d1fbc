# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: whatever a contact card answers, both phases end in an outcome within a bound of commands, nothing is
approved that the issuer did not approve and the card did not confirm, and nothing is raised (attacks A03, A12)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.emv import tlv
from protocols.emv.tags import Tag
from terminal_agent.emv import ContactTransaction, Decision, EmvOutcome, IssuerAnswer
from tests.protocols.emv.contact_traces import emulated, transaction
from tests.terminal_agent.emv.contact_session import (
    MOST_COMMANDS,
    Answer,
    StubCard,
    application,
    card,
    drive,
    first,
    reply,
    request,
    terminal,
)

APPROVED = IssuerAnswer("00", True)


def both(answer: Answer, issuer: IssuerAnswer | None = APPROVED, **changes: object) -> EmvOutcome:
    """Both phases, as far as they go."""
    payment = ContactTransaction(terminal(**changes), request(), 50)
    outcome, _ = drive(payment.first(), answer)
    assert outcome.decision is not Decision.APPROVED
    if outcome.decision is not Decision.ONLINE:
        return outcome
    return drive(payment.second(issuer), answer)[0]


def heard() -> list[bytes]:
    """What the good card answers in a whole payment."""
    twin, answers = card(), []

    def listen(command: bytes) -> bytes:
        answers.append(twin.apdu(command))
        return answers[-1]

    payment, asked = first(listen)
    drive(payment.second(reply(asked)), listen)
    return answers


GOOD = heard()


def with_answer(number: int, changed: bytes) -> EmvOutcome:
    """A payment whose answer ``number`` (from 0) is replaced; the issuer approves with a right proof."""
    twin, count = card(), -1

    def answer(command: bytes) -> bytes:
        nonlocal count
        count += 1
        octets = twin.apdu(command)
        return changed if count == number else octets

    payment = ContactTransaction(terminal(), request(), 50)
    outcome, _ = drive(payment.first(), answer)
    if outcome.decision is not Decision.ONLINE:
        return outcome
    return drive(payment.second(reply(outcome)), answer)[0]


def test_the_good_card_has_as_many_exchanges_as_these_tests_think() -> None:
    assert len(GOOD) == 10  # directory and its two records, application, options, two records, AC, proof, AC
    assert with_answer(99, b"").decision is Decision.APPROVED


@pytest.mark.parametrize("number", range(10))
def test_every_truncation_of_every_answer(number: int) -> None:
    """A shorter answer never ends in an approval, except the directory's (then the list is used) and the proof's."""
    good = GOOD[number]
    for length in range(len(good)):
        for octets in (good[:length], good[:length] + b"\x90\x00"):
            outcome = with_answer(number, octets)
            harmless = number < 3 or number == 8 or octets == good
            assert harmless or outcome.decision is not Decision.APPROVED


@pytest.mark.parametrize("number", range(10))
def test_every_status_word_class(number: int) -> None:
    for lead in (0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x6B, 0x6C, 0x6D, 0x6E, 0x6F, 0x00):
        for second in (0x00, 0x81, 0x82, 0x83, 0x85, 0xFF):
            outcome = with_answer(number, bytes((lead, second)))
            assert number < 3 or number == 8 or outcome.decision is not Decision.APPROVED


@given(number=st.integers(0, 9), data=st.data())
@settings(max_examples=300, deadline=None)
def test_changed_octets(number: int, data: st.DataObject) -> None:
    changed = bytearray(GOOD[number])
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    with_answer(number, bytes(changed))


@given(st.lists(st.binary(max_size=60), max_size=12), st.booleans())
@settings(max_examples=200, deadline=None)
def test_garbage_for_every_answer(pieces: list[bytes], with_status: bool) -> None:
    left = iter(pieces)
    outcome = both(lambda command: next(left, b"") + (b"\x90\x00" if with_status else b""))
    assert outcome.decision is Decision.ENDED


ANSWERS = [answer for script in emulated().values() for _, answer in script] + [answer for _, answer in transaction()]


@given(st.lists(st.sampled_from(ANSWERS), min_size=1, max_size=12), st.sampled_from([APPROVED, None]))
@settings(max_examples=200, deadline=None)
def test_answers_of_other_cards_in_any_order(pieces: list[bytes], issuer: IssuerAnswer | None) -> None:
    count = -1

    def answer(command: bytes) -> bytes:
        nonlocal count
        count += 1
        return pieces[count % len(pieces)]

    both(answer, issuer)


RECORDS = [Tag.CVM_LIST, Tag.APPLICATION_USAGE_CONTROL, Tag.EXPIRATION_DATE, Tag.PAN, Tag.CDOL_1, Tag.CDOL_2]
RECORDS += [Tag.IAC_DENIAL, Tag.IAC_ONLINE, Tag.IAC_DEFAULT, Tag.APPLICATION_CURRENCY, Tag.EFFECTIVE_DATE, Tag.TDOL]
RECORDS += [Tag.LOWER_CONSECUTIVE_LIMIT, Tag.UPPER_CONSECUTIVE_LIMIT, Tag.PAN_SEQUENCE, Tag.TRACK_2_EQUIVALENT]


@given(st.dictionaries(st.sampled_from(RECORDS), st.binary(min_size=1, max_size=20), max_size=4))
@settings(max_examples=300, deadline=None)
def test_any_values_in_the_records(values: dict[Tag, bytes]) -> None:
    both(StubCard({int(tag): value.hex() for tag, value in values.items()}))


@given(st.binary(max_size=40))
@settings(max_examples=200, deadline=None)
def test_any_list_for_the_cryptogram(octets: bytes) -> None:
    good = StubCard.GOOD[0x8C]
    both(StubCard({0x8C: good + octets.hex(), 0x8D: octets.hex() or None}))
    both(StubCard(pdol=octets.hex()))


@given(st.binary(max_size=80))
@settings(max_examples=200, deadline=None)
def test_any_data_of_an_issuer(octets: bytes) -> None:
    both(StubCard(answers={"0082": "6300"}), IssuerAnswer.from_message("00", approved=True, icc=octets))


@given(st.lists(st.binary(min_size=0, max_size=12), max_size=20))
@settings(max_examples=100, deadline=None)
def test_any_script(commands: list[bytes]) -> None:
    objects = [(0x86, command) for command in commands]
    icc = tlv.encode([tlv.template(0x71, *objects), tlv.template(0x72, *objects)])
    outcome = both(StubCard(), IssuerAnswer.from_message("00", approved=True, icc=icc))
    assert len(outcome.script_results) == 10


def test_a_card_that_only_offers_more_is_bounded() -> None:
    """All candidates refuse; the last has as many records as are read, and counters, and a script of any length."""
    names = [f"A00000000310{number:02X}" for number in range(40)]
    sent = 0
    stub = StubCard()

    def answer(command: bytes) -> bytes:
        nonlocal sent
        sent += 1
        return b"\x69\x85" if command[1] == 0xA8 else stub(command)

    shop = terminal(contact=tuple(application(aid=name) for name in names))
    payment = ContactTransaction(shop, request(), 50)
    outcome, _ = drive(payment.first(), answer)
    assert outcome.decision is Decision.ENDED
    assert sent < MOST_COMMANDS


LONG = (bytes(65_538), b"\x6f\x82\xff\xff" + bytes(65_535) + b"\x90\x00", b"\x42\x00" * 30_000 + b"\x90\x00")


@pytest.mark.parametrize("octets", LONG, ids=["zeros", "one object", "many objects"])
def test_long_answers(octets: bytes) -> None:
    assert both(lambda command: octets).decision is Decision.ENDED
