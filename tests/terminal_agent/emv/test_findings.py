# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the terminal finds and what follows: restrictions, risk management, action analysis; each bit by its cause."""

import datetime
import itertools
from collections.abc import Mapping

import pytest

from protocols.emv.bits import CryptogramType, Tvr
from protocols.errors import DecodeError
from protocols.pan import Pan
from terminal_agent.emv import ContactApplication
from terminal_agent.emv.action import ALL, RULES, ActionCodes, Facts, choose
from terminal_agent.emv.card_data import CardData
from terminal_agent.emv.exception_file import ExceptionFile, entry
from terminal_agent.emv.outcome import Trail
from terminal_agent.emv.request import CASH, CASHBACK
from terminal_agent.emv.restrictions import check
from terminal_agent.emv.risk import assess, selection_percent
from tests.terminal_agent.emv.contact_session import application, request, terminal


def card(**objects: str) -> CardData:
    """A card's data by tag, such as ``t9F07="FF00"``."""
    data = CardData()
    held = {"t5F24": "281231"} | objects
    data.add([(int(name[1:], 16), bytes.fromhex(value)) for name, value in held.items()], "test")
    return data


# Processing restrictions


@pytest.mark.parametrize(
    ("objects", "found"),
    [
        ({}, Tvr(0)),
        ({"t9F08": "0096"}, Tvr(0)),
        ({"t9F08": "0095"}, Tvr.VERSIONS_DIFFER),
        ({"t5F24": "260607"}, Tvr(0)),
        ({"t5F24": "260606"}, Tvr.EXPIRED),
        ({"t5F24": "991231"}, Tvr.EXPIRED),  # 1999
        ({"t5F24": "491231"}, Tvr(0)),  # 2049
        ({"t5F25": "260607"}, Tvr(0)),
        ({"t5F25": "260608"}, Tvr.NOT_YET_EFFECTIVE),
        ({"t5F25": "990101"}, Tvr(0)),
        ({"t9F07": "FFC0", "t5F28": "0276"}, Tvr(0)),
        ({"t9F07": "FEC0"}, Tvr.SERVICE_NOT_ALLOWED),  # not at terminals other than cash machines
        ({"t9F07": "0100"}, Tvr(0)),  # without a country nothing more is compared
        ({"t9F07": "0100", "t5F28": "0276"}, Tvr.SERVICE_NOT_ALLOWED),
        ({"t9F07": "2100", "t5F28": "0276"}, Tvr(0)),
        ({"t9F07": "0900", "t5F28": "0276"}, Tvr(0)),
        ({"t9F07": "2900", "t5F28": "0840"}, Tvr.SERVICE_NOT_ALLOWED),
        ({"t9F07": "1100", "t5F28": "0840"}, Tvr(0)),
        ({"t9F07": "0500", "t5F28": "0840"}, Tvr(0)),
    ],
)
def test_restrictions(objects: dict[str, str], found: Tvr) -> None:
    trail = Trail()
    assert check(card(**objects), bytes.fromhex("0096"), terminal(), request(), trail) == found
    assert bool(trail.notes) == bool(found)


@pytest.mark.parametrize(
    ("kind", "usage", "found"),
    [
        (CASH, "8100", Tvr(0)),
        (CASH, "2100", Tvr.SERVICE_NOT_ALLOWED),
        (CASHBACK, "0180", Tvr(0)),
        (CASHBACK, "FF40", Tvr.SERVICE_NOT_ALLOWED),
    ],
)
def test_restrictions_by_kind_of_payment(kind: int, usage: str, found: Tvr) -> None:
    asked = request(transaction_type=kind, cashback=100 if kind == CASHBACK else 0)
    assert check(card(t9F07=usage, t5F28="0276"), b"\x00\x96", terminal(), asked, Trail()) == found


@pytest.mark.parametrize(("usage", "found"), [("8200", Tvr(0)), ("8100", Tvr.SERVICE_NOT_ALLOWED)])
def test_restrictions_at_a_cash_machine(usage: str, found: Tvr) -> None:
    machine = terminal(terminal_type="14", additional_capabilities="8000F0A001")
    asked = request(transaction_type=CASH)
    assert check(card(t9F07=usage, t5F28="0276"), b"\x00\x96", machine, asked, Trail()) == found


@pytest.mark.parametrize("objects", [{"t9F08": "00"}, {"t5F25": "2606"}, {"t5F25": "2606FA"}, {"t9F07": "FF"}])
def test_restrictions_from_objects_of_a_wrong_form(objects: dict[str, str]) -> None:
    with pytest.raises(DecodeError):
        check(card(**objects), b"\x00\x96", terminal(), request(), Trail())


def test_a_time_before_2000_is_before() -> None:
    asked = request(date=datetime.date(1999, 12, 31))
    assert check(card(t5F25="000101"), b"\x00\x96", terminal(), asked, Trail()) == Tvr.NOT_YET_EFFECTIVE


# Risk management


def risk(
    settings: ContactApplication,
    amount: int,
    roll: int,
    objects: Mapping[str, str],
    *,
    foreign: bool = False,
    exceptions: ExceptionFile | None = None,
    **asked: object,
) -> Tvr:
    """The findings; counters are answered from ``g9F36`` and ``g9F13``, 6A88 where they are not given."""
    counters = {name[1:]: value for name, value in objects.items() if name[0] == "g"}
    data = card(**{name: value for name, value in objects.items() if name[0] == "t"})
    machine = assess(settings, request(amount, **asked), roll, data, Trail(), exceptions, foreign=foreign)
    try:
        command = next(machine)
        while True:
            assert command[:2] == b"\x80\xca"
            value = counters.get(command[2:4].hex().upper())
            command = machine.send(bytes.fromhex(value) if value is not None else b"\x6a\x88")
    except StopIteration as end:
        found: Tvr = end.value
        return found


SELECTING = application(floor_limit=10_000, random_percent=20, random_most_percent=60, random_threshold=5_000)


@pytest.mark.parametrize(
    ("amount", "roll", "found"),
    [
        (10_000, 1, Tvr.OVER_FLOOR_LIMIT),
        (9_999, 60, Tvr(0)),
        (9_999, 59, Tvr.RANDOMLY_SELECTED),
        (100, 20, Tvr.RANDOMLY_SELECTED),
        (100, 21, Tvr(0)),
        (5_000, 20, Tvr.RANDOMLY_SELECTED),
        (5_000, 21, Tvr(0)),
        (7_500, 40, Tvr.RANDOMLY_SELECTED),
        (7_500, 41, Tvr(0)),
    ],
)
def test_floor_limit_and_random_selection(amount: int, roll: int, found: Tvr) -> None:
    assert risk(SELECTING, amount, roll, {}) == found


LIST_KEY = bytes(range(16))
STOLEN = Pan("4000009999990057")


@pytest.mark.parametrize(
    ("listed", "sequence", "found"),
    [
        (entry(LIST_KEY, STOLEN), None, True),
        (entry(LIST_KEY, STOLEN), "01", True),
        (entry(LIST_KEY, STOLEN, 1), "01", True),
        (entry(LIST_KEY, STOLEN, 2), "01", False),
        (entry(LIST_KEY, STOLEN, 1), None, False),
        (entry(bytes(16), STOLEN), "01", False),
        (entry(LIST_KEY, Pan("4000009999990016")), "01", False),
    ],
)
def test_the_exception_file(listed: bytes, sequence: str | None, found: bool) -> None:
    objects = {"t5A": "4000009999990057"} | ({"t5F34": sequence} if sequence else {})
    known = ExceptionFile.of(LIST_KEY, [bytes(32), listed])
    assert risk(SELECTING, 100, 99, objects, exceptions=known) == (Tvr.ON_EXCEPTION_FILE if found else Tvr(0))
    assert risk(SELECTING, 100, 99, objects) == Tvr(0)
    assert STOLEN.digits not in repr(known) + repr(known.entries)


def test_an_exception_file_of_a_wrong_form() -> None:
    with pytest.raises(ValueError, match="entries of 32 octets"):
        ExceptionFile.of(LIST_KEY, [bytes(20)])
    with pytest.raises(ValueError, match="key of 16 octets"):
        entry(bytes(8), STOLEN)


def test_the_merchant_wants_it_online() -> None:
    assert risk(SELECTING, 100, 99, {}, forced_online=True) == Tvr.MERCHANT_FORCED_ONLINE


def test_a_payment_split_in_two_counts_as_one() -> None:
    assert risk(SELECTING, 6_000, 99, {}) == Tvr(0)
    assert risk(SELECTING, 6_000, 99, {}, earlier=4_000) == Tvr.OVER_FLOOR_LIMIT
    with pytest.raises(ValueError, match="earlier"):
        request(earlier=-1)


def test_a_foreign_currency_is_over_every_floor_limit() -> None:
    assert risk(SELECTING, 1, 99, {}, foreign=True) == Tvr.OVER_FLOOR_LIMIT


def test_the_percentage_rises_from_the_threshold_to_the_floor_limit() -> None:
    rising = [selection_percent(SELECTING, amount) for amount in range(0, 10_000, 100)]
    assert rising == sorted(rising)
    assert (rising[0], rising[-1]) == (20, 59)
    never = application(floor_limit=10_000)
    assert {selection_percent(never, amount) for amount in range(0, 10_000, 500)} == {0}


LIMITS = {"t9F14": "02", "t9F23": "04"}
BOTH = Tvr.OVER_LOWER_CONSECUTIVE | Tvr.OVER_UPPER_CONSECUTIVE


def counters(atc: int, last: int) -> dict[str, str]:
    return {"g9F36": f"9F3602{atc:04X}9000", "g9F13": f"9F1302{last:04X}9000"}


@pytest.mark.parametrize(
    ("objects", "found"),
    [
        ({"t9F14": "02"}, Tvr(0)),  # one limit alone is none
        ({"t9F23": "02"}, Tvr(0)),
        (LIMITS | counters(10, 8), Tvr(0)),
        (LIMITS | counters(10, 7), Tvr.OVER_LOWER_CONSECUTIVE),
        (LIMITS | counters(10, 6), Tvr.OVER_LOWER_CONSECUTIVE),
        (LIMITS | counters(10, 5), BOTH),
        (LIMITS | counters(1, 0), Tvr.NEW_CARD),
        (LIMITS | counters(9, 9), BOTH),
        (LIMITS | counters(8, 9), BOTH),
        (LIMITS, BOTH),
        (LIMITS | {"g9F36": "9F3602000A9000"}, BOTH),
        (LIMITS | {"g9F13": "9F130200009000"}, BOTH | Tvr.NEW_CARD),
        (LIMITS | {"g9F36": "9F36029000", "g9F13": "9F130200019000"}, None),
        (LIMITS | {"g9F36": "9F36010A9000", "g9F13": "9F130200019000"}, BOTH),
    ],
)
def test_velocity(objects: dict[str, str], found: Tvr | None) -> None:
    if found is None:
        with pytest.raises(DecodeError):
            risk(SELECTING, 100, 99, objects)
        return
    assert risk(SELECTING, 100, 99, objects) == found


# Action analysis


NOTHING = ActionCodes(Tvr(0), Tvr(0), Tvr(0))
FINDING = Tvr.EXPIRED


@pytest.mark.parametrize(
    ("codes", "line", "authenticated", "unverified", "rule"),
    [
        (NOTHING._replace(denial=FINDING), True, True, False, "denial"),
        (NOTHING._replace(denial=FINDING), False, True, False, "denial"),
        (NOTHING._replace(online=FINDING), True, True, False, "online"),
        (NOTHING._replace(online=FINDING), True, False, True, "unverified"),
        (NOTHING._replace(online=FINDING), True, True, True, "unverified"),
        (NOTHING, True, False, False, "unproven-online"),
        (NOTHING, True, True, False, "offline"),
        (NOTHING._replace(default=FINDING), False, True, False, "default"),
        (NOTHING._replace(default=FINDING), True, True, False, "offline"),
        (NOTHING._replace(online=FINDING), False, True, False, "offline-without-line"),
        (NOTHING, False, False, False, "unproven-offline"),
        (NOTHING, False, True, False, "offline-without-line"),
    ],
)
def test_actions(codes: ActionCodes, line: bool, authenticated: bool, unverified: bool, rule: str) -> None:
    facts = Facts(FINDING, codes, line, authenticated, unverified)
    assert choose(facts).name == rule
    assert choose(facts).words(facts)


def test_nothing_unproven_is_ever_approved_offline() -> None:
    for bits in itertools.product((Tvr(0), FINDING), repeat=4):
        for line, unverified in itertools.product((True, False), repeat=2):
            rule = choose(Facts(bits[0], ActionCodes(*bits[1:]), line, False, unverified))
            assert rule.wanted is not CryptogramType.TC


def test_a_list_that_the_issuer_signed_may_allow_what_it_allows() -> None:
    facts = Facts(FINDING, NOTHING._replace(online=FINDING), line=True, authenticated=True, unverified=True)
    assert choose(facts).name == "unverified"
    assert choose(facts._replace(list_proven=True)).name == "online"


def test_nothing_is_approved_offline_in_another_currency() -> None:
    for bits in itertools.product((Tvr(0), FINDING), repeat=4):
        for line, authenticated, unverified, proven in itertools.product((True, False), repeat=4):
            facts = Facts(bits[0], ActionCodes(*bits[1:]), line, authenticated, unverified, proven, foreign=True)
            assert choose(facts).wanted is not CryptogramType.TC


def test_every_rule_decides_somewhere() -> None:
    seen = set()
    for bits in itertools.product((Tvr(0), FINDING), repeat=4):
        for flags in itertools.product((True, False), repeat=5):
            seen.add(choose(Facts(bits[0], ActionCodes(*bits[1:]), *flags)).name)
    assert seen == {rule.name for rule in RULES}


def test_action_codes_of_terminal_and_issuer_together() -> None:
    settings = application(tac_denial="0000000001", tac_online="0000000002", tac_default="0000000004")
    codes = ActionCodes.of(settings, card(t9F0E="1000000000", t9F0F="2000000000", t9F0D="4000000000"))
    assert [code.hex for code in codes] == ["1000000001", "2000000002", "4000000004"]
    absent = ActionCodes.of(settings, card())
    assert absent == ActionCodes(Tvr(0x01), ALL, ALL)
