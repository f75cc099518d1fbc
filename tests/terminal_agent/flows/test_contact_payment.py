# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A contact purchase from end to end in process: approved only if issuer and card both say so, else nothing stays held.

The bank is the acquirer twin with a real HSM engine behind it: its answer carries the issuer's proof, the card checks
it with its own key, and the second cryptogram decides.
"""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from device_profiles.twins.card_faults import Fault, torn_at
from device_profiles.twins.contact_faults import CONTACT_FAULTS
from protocols.emv.apdu import Ins
from terminal_agent.emv.fallback import MOST_FAILED
from terminal_agent.emv.unpredictable import UnpredictableNumbers
from terminal_agent.errors import AgentError
from terminal_agent.host.port import HostGarbled, HostSilent, HostUnreachable
from terminal_agent.pad.port import PadAbsent, PinCancelled, PinOutcome, PinTimedOut
from tests.terminal_agent.flows.contact_bench import Shop

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")

Open = Callable[..., Shop]
STRANGE = ("truncated-gpo", "wrong-status", "approves-by-itself", "brand-mixup", "cvm-list-emptied")


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Open]:
    """Opens terminals, each in its own folder; closes them at the end."""
    with contextlib.ExitStack() as stack:
        count = 0

        def opened(*faults: Fault, **changes: Any) -> Shop:
            nonlocal count
            count += 1
            made = Shop(tmp_path / str(count), *faults, **changes)
            stack.callback(made.close)
            return made

        yield opened


def instructions(shop: Shop) -> list[int]:
    return [command[1] for command in shop.reader.commands]


@pytest.mark.parametrize("t0", [False, True], ids=["T=1", "T=0"])
async def test_approved_by_issuer_and_card(shop: Open, t0: bool) -> None:
    till = shop(t0=t0)
    fields = await till.pay()
    assert (fields["outcome"], fields["response_code"]) == ("approved", "00")
    assert fields["masked_pan"] == "400000******0057"
    assert fields["ksn"] == "FFFF9876543210E00001"
    assert till.held == 4_200
    assert till.twin.memory.last_online_atc == 1
    assert not till.twin.memory.online_pending
    assert till.bank.event["checks"] == {"mac": "good", "ksn": "fresh", "pin": "good", "arqc": "good"}
    assert till.words("issuer authentication") == ["the card believes the issuer's answer"]
    assert [words.partition(":")[0] for words in till.words("TVR")] == ["8000048000", "8000048000"]
    assert [words.partition(":")[0] for words in till.words("TSI")] == ["6800", "7800"]
    assert till.words("decision") == ["online authorisation", "approved by issuer and card"]
    assert till.reader.released == 1
    assert not till.journal.reversals()


async def test_a_second_payment_counts_on(shop: Open) -> None:
    till = shop()
    await till.pay()
    fields = await till.pay(1_000)
    assert fields["outcome"] == "approved"
    assert till.held == 5_200
    assert till.twin.memory.atc == 2


async def test_a_wrong_pin_is_the_issuers_to_refuse(shop: Open) -> None:
    till = shop()
    till.pad.pin = "1111"
    fields = await till.pay()
    assert (fields["outcome"], fields["response_code"], fields["reason"]) == ("declined", "55", "incorrect PIN")
    assert till.held == 0
    assert till.words("issuer authentication") == ["the card believes the issuer's answer"]
    assert till.words("decision")[-1] == "declined by the issuer"
    assert till.twin.memory.last_online_atc == 1, "the issuer was reached, whatever it said"


async def test_the_card_declines_what_the_issuer_approved(shop: Open) -> None:
    till = shop(CONTACT_FAULTS["declines-at-the-end"]())
    fields = await till.pay()
    assert fields["outcome"] == "declined"
    assert "declined by the card" in fields["reason"]
    assert till.held == 4_200
    assert len(till.journal.reversals()) == 1
    await till.settle()
    assert till.held == 0
    assert till.line.sent[-1] == "0400"


@pytest.mark.parametrize(
    "name",
    ["torn-at-issuer-authentication", "torn-at-second-cryptogram", "second-cryptogram-refused"],
)
async def test_an_approval_that_the_card_never_confirmed_is_taken_back(shop: Open, name: str) -> None:
    till = shop(CONTACT_FAULTS[name]())
    fields = await till.pay()
    assert fields["outcome"] == "failed"
    await till.settle()
    assert till.held == 0


async def test_a_tampered_cryptogram_is_suspected_fraud(shop: Open) -> None:
    till = shop(CONTACT_FAULTS["tampered-arqc"]())
    fields = await till.pay()
    assert (fields["outcome"], fields["response_code"]) == ("declined", "59")
    assert till.words("issuer authentication") == ["not performed: the issuer sent no proof"]


@pytest.mark.parametrize("name", STRANGE)
async def test_a_strange_card_never_reaches_the_acquirer(shop: Open, name: str) -> None:
    till = shop(CONTACT_FAULTS[name]())
    fields = await till.pay()
    assert fields["outcome"] in ("failed", "declined")
    assert "0100" not in till.line.sent
    assert till.reader.released == 1


@pytest.mark.parametrize(
    ("fault", "booked"),
    [
        (HostUnreachable("no route", "check", sent=False), False),
        (HostSilent("no answer in 15 s", "", sent=True), True),
        (HostGarbled("MAC wrong", "", sent=True), True),
    ],
)
async def test_where_nobody_could_be_asked_the_card_hears_so(shop: Open, fault: AgentError, booked: bool) -> None:
    till = shop()
    till.line.fault = fault  # type: ignore[assignment]  # each is a HostError
    fields = await till.pay()
    assert (fields["outcome"], fields["reason"]) == ("failed", fault.what)
    assert instructions(till).count(Ins.GENERATE_AC) == 2
    assert till.reader.commands[-1][2] == 0x00, "asked for an AAC"
    assert till.reader.commands[-1][5:7] == b"Z3"
    assert till.words("decision")[-1] == "declined: the authorisation failed"
    assert (till.held > 0) == booked
    till.line.fault = None
    await till.settle()
    assert till.held == 0


@pytest.mark.parametrize(
    ("outcome", "ending", "reason"),
    [
        (PinCancelled(), "cancelled", "the cardholder cancelled PIN entry"),
        (PinTimedOut(), "cancelled", "no PIN within 60 s"),
        (PadAbsent("pad: unplugged"), "failed", "pad: unplugged"),
    ],
)
async def test_no_pin_no_payment(shop: Open, outcome: PinOutcome | AgentError, ending: str, reason: str) -> None:
    till = shop()
    till.pad.outcome = outcome
    fields = await till.pay()
    assert (fields["outcome"], fields["reason"]) == (ending, reason)
    assert fields["masked_pan"] == "400000******0057"
    assert "0100" not in till.line.sent
    assert Ins.GENERATE_AC not in instructions(till)
    assert till.reader.released == 1


async def test_a_terminal_without_contact_applications(shop: Open) -> None:
    till = shop(contact=False)
    fields = await till.pay()
    assert fields["outcome"] == "failed"
    assert "takes no contact cards" in fields["reason"]


@pytest.mark.parametrize("number", range(1, 13))
async def test_a_card_torn_at_every_command(shop: Open, number: int) -> None:
    """What the bank holds is what the outcome says, wherever the card was pulled out."""
    till = shop(torn_at(number))
    fields = await till.pay()
    assert fields["outcome"] == ("approved" if number > 10 else "failed")
    await till.settle()
    assert till.held == (4_200 if number > 10 else 0)
    assert till.reader.released == 1


@pytest.mark.parametrize("number", [1, 5, 8, 9, 10])
async def test_a_reader_pulled_at_any_command(shop: Open, number: int) -> None:
    till = shop()
    till.reader.pulled_at = number
    fields = await till.pay()
    assert (fields["outcome"], fields["reason"]) == ("failed", "reader: unplugged")
    await till.settle()
    assert till.held == 0
    assert any(event.name == "device.lost" for event in till.events)


async def test_no_pin_travels_to_the_card(shop: Open) -> None:
    """Attack A02: the card's list asks for the PIN in clear; the PIN goes to the acquirer, enciphered."""
    till = shop(CONTACT_FAULTS["cvm-list-plaintext-pin"]())
    fields = await till.pay()
    assert fields["outcome"] == "approved"
    assert Ins.VERIFY not in instructions(till)
    assert len(till.pad.asked) == 1


# Cards that are authenticated offline

METHODS = {"test-visa-sda": "SDA", "test-visa-dda": "DDA", "test-visa-cda": "CDA", "test-mastercard-cda": "CDA"}


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("t0", [False, True], ids=["T=1", "T=0"])
async def test_an_authenticated_card_is_approved_by_its_bank(shop: Open, name: str, t0: bool) -> None:
    till = shop(card=name, t0=t0)
    fields = await till.pay()
    assert (fields["outcome"], fields["response_code"]) == ("approved", "00")
    assert till.words("offline authentication")[-1].startswith(f"{METHODS[name]} succeeded")
    assert till.held == 4_200
    assert till.bank.event["checks"]["arqc"] == "good"
    assert not [event for event in till.events if event.name == "payment.alert"]
    assert till.words("decision")[-1] == "approved by issuer and card"


@pytest.mark.parametrize("name", ["test-visa-contact", "test-visa-cda", "test-mastercard-cda"])
async def test_each_scheme_has_its_own_way_to_say_no(shop: Open, name: str) -> None:
    """Response code, card status update, M/Chip's response code: the card believes its issuer, and declines."""
    till = shop(card=name)
    till.pad.pin = "1111"
    fields = await till.pay()
    assert (fields["outcome"], fields["response_code"]) == ("declined", "55")
    assert till.bank.event["checks"]["arqc"] == "good"
    assert till.twin.memory.last_online_atc == 1, "the card knows that its issuer answered"
    assert till.held == 0


async def test_a_changed_card_that_signs_never_holds_money(shop: Open) -> None:
    till = shop(CONTACT_FAULTS["cvm-list-emptied"](), card="test-visa-cda")
    fields = await till.pay()
    assert fields["outcome"] == "declined"
    assert "card.authentication-failed" in alerts(till)
    assert till.held == 0


BY_CARD = {"floor_limit": 5_000, "tac_online": "0000000000", "tac_default": "0000000000"}
NO_PAD = {"capabilities": "E008C8", "online_pin": False}


async def test_a_signing_card_is_approved_offline_and_booked_later(shop: Open) -> None:
    till = shop(card="test-visa-cda", offline_limit=5_000, terminal=NO_PAD, **BY_CARD)
    fields = await till.pay()
    assert (fields["outcome"], fields["response_code"]) == ("approved", "Y1")
    assert till.words("offline authentication")[-1].startswith("CDA succeeded")
    assert "0100" not in till.line.sent


# What makes the terminal stop


def alerts(till: Shop) -> list[object]:
    return [event.fields["alert"] for event in till.events if event.name == "payment.alert"]


async def test_a_source_of_numbers_that_repeats_itself_takes_no_more_payments(shop: Open) -> None:
    till = shop()
    till.till.numbers = UnpredictableNumbers(lambda octets: bytes(octets))
    assert (await till.pay())["outcome"] == "approved"
    for _ in range(2):
        fields = await till.pay()
        assert fields["outcome"] == "failed"
        assert "no unpredictable number: the same number twice" in str(fields["reason"])
    assert alerts(till) == ["terminal.weak-numbers"] * 2


async def test_chips_that_fail_too_often_are_told_and_refuse_the_other_interface(shop: Open) -> None:
    till = shop(CONTACT_FAULTS["truncated-gpo"]())
    for _ in range(MOST_FAILED + 1):
        assert (await till.pay())["outcome"] == "failed"
    assert alerts(till).count("terminal.fallback-rate") == 1
    till.till.fallbacks.ended("contactless", chip_failed=True)
    fields = await till.pay()
    assert "chips fail here too often" in str(fields["reason"])
    assert "0100" not in till.line.sent


# A PIN at the reader's own keys

KEYPAD = {"terminal": {"capabilities": "E0C8C8", "offline_pin": True}}
RIGHT, WRONG = "7391", "1111"


async def test_a_pin_typed_at_the_reader_pays(shop: Open) -> None:
    till = shop(card="test-visa-dda", **KEYPAD)
    till.reader.typed = [WRONG, RIGHT, "unused"]
    fields = await till.pay()
    assert fields["outcome"] == "approved"
    assert till.words("CVM")[-1].startswith("PIN in clear, checked by the card")
    assert till.pad.asked == [], "the pad is for the issuer's PIN"
    assert Ins.VERIFY not in instructions(till), "the reader sends it by itself"
    told = [str(event.fields.get("words")) for event in till.events]
    assert sum("on its own keys" in words for words in told) == 2
    assert all(RIGHT not in words for words in told)


@pytest.mark.parametrize(
    ("typed", "outcome", "reason"),
    [("SW6401", "cancelled", "the cardholder cancelled PIN entry"), ("SW6400", "cancelled", "no PIN within 60 s")],
)
async def test_nobody_types_at_the_reader(shop: Open, typed: str, outcome: str, reason: str) -> None:
    till = shop(card="test-visa-dda", **KEYPAD)
    till.reader.typed = [typed]
    fields = await till.pay()
    assert (fields["outcome"], fields["reason"]) == (outcome, reason)
    assert till.held == 0


async def test_a_reader_that_lost_its_keys_leads_to_the_pad(shop: Open) -> None:
    till = shop(card="test-visa-dda", **KEYPAD)
    fields = await till.pay()
    assert fields["outcome"] == "approved"
    assert len(till.pad.asked) == 1
