# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the terminal sends and which answers it takes."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from protocols.acquirer.account import AccountData, EncipheredAccount
from protocols.acquirer.dialects import ASCII_1987, BCD_TPDU, Dialect
from protocols.acquirer.message import Draft, Message, decode, draft, missing
from protocols.acquirer.mti import Mti, NetworkCode
from protocols.acquirer.values import OriginalData, PinAlgorithm, PinFormat, SecurityControl, SessionKey
from protocols.pan import Pan, Track2
from terminal_agent.emv.de55 import OBJECTS
from terminal_agent.host.client import AuthorisationRequest, HostClient, OfflineAdvice, PinData, retrieval_reference
from terminal_agent.host.port import HostGarbled
from terminal_agent.host.reversal import Reversal, ReversalReason

AT = datetime(2026, 6, 7, 1, 30, 5, tzinfo=timezone(timedelta(hours=2)))
PAN = "4000009999990016"
KSN = bytes.fromhex("FFFF9876543210E00001")
ACCOUNT = AccountData(Pan(PAN), Track2.from_text(PAN + "D2812201000000001"), "2812")
SENT = EncipheredAccount(bytes.fromhex("FFFFDA7A000002000001"), "400000******0016", bytes(range(64)))
REQUEST = AuthorisationRequest(
    amount=4200,
    currency="978",
    account=ACCOUNT,
    sequence_number=1,
    icc_data=b"\x9f\x36\x02\x00\x01",
    interface="contactless",
    pin=PinData(bytes(range(8)), KSN),
)
MAC = bytes.fromhex("0102030405060708")
BOTH = pytest.mark.parametrize("dialect", [ASCII_1987, BCD_TPDU], ids=str)


def client(dialect: Dialect = ASCII_1987) -> HostClient:
    return HostClient(dialect, "TG000001", "TILLGUARD-0001")


def answer_to(asked: Draft, dialect: Dialect = ASCII_1987, **changes: Any) -> Message:
    message = asked.message
    made = Message(
        mti=message.mti.response,
        amount=message.amount,
        transmitted=message.transmitted,
        stan=message.stan,
        reference=message.reference,
        response_code="00",
        terminal=message.terminal,
        currency=message.currency,
        network_code=message.network_code,
    )
    return replace(made, **changes)


@BOTH
def test_an_authorisation_request_carries_what_the_issuer_needs(dialect: Dialect) -> None:
    asked = client(dialect).authorise(REQUEST, 7, AT)
    message = decode(asked.with_mac(MAC), dialect).message
    assert message.mti is Mti.AUTHORISATION_REQUEST
    assert missing(message) == ()
    assert (message.transmitted, message.local_date, message.local_time) == ("0606233005", "0607", "013005")
    assert message.reference == "615723000007"
    assert (message.entry_mode, message.processing_code, message.condition_code) == ("071", "000000", "00")
    assert message.security_control == SecurityControl(PinFormat.WITH_PAN, PinAlgorithm.TDES_DOUBLE_LENGTH)
    assert (message.pin_block, message.ksn, message.pin_capture) == (bytes(range(8)), KSN, "12")
    assert (message.pan, message.track2, message.icc) == (ACCOUNT.pan, ACCOUNT.track2, REQUEST.icc_data)
    assert message.mac == MAC


@BOTH
@pytest.mark.parametrize("pin", [REQUEST.pin, None], ids=["PIN", "no PIN"])
def test_enciphered_account_data_take_the_place_of_every_clear_element(dialect: Dialect, pin: PinData | None) -> None:
    octets = client(dialect).authorise(replace(REQUEST, account=SENT, pin=pin), 7, AT).with_mac(MAC)
    message = decode(octets, dialect).message
    assert missing(message) == ()
    assert (message.pan, message.track2, message.expiry, message.account) == (None, None, None, SENT)
    assert message.security_control is not None
    assert message.security_control.track_enciphered
    assert (message.security_control.pin_format is PinFormat.WITH_PAN) == (pin is not None)
    assert PAN not in octets.decode("latin-1") + octets.hex()


def test_no_object_of_the_chips_that_is_sent_names_the_account() -> None:
    naming = {0x5A, 0x57, 0x56, 0x9F6B, 0x9F1F, 0x9F20, 0x5F20, 0x5F24, 0x9F0B}
    assert not naming & {int(tag) for tag, _ in OBJECTS}


def test_without_a_pin_no_pin_elements() -> None:
    message = client().authorise(replace(REQUEST, pin=None, interface="contact"), 7, AT).message
    assert (message.pin_block, message.ksn, message.security_control, message.pin_capture) == (None,) * 4
    assert message.entry_mode == "051"
    assert client().purchase(REQUEST, 7, AT).message.mti is Mti.FINANCIAL_REQUEST


def test_an_advice_says_what_was_approved_without_the_host_and_its_repeat_differs_in_the_type_alone() -> None:
    first = client().advise(OfflineAdvice(replace(REQUEST, pin=None), "Y1", 7, AT)).message
    assert (first.mti, first.response_code, first.amount) == (Mti.FINANCIAL_ADVICE, "Y1", 4200)
    assert missing(first) == ()
    again = client().advise(OfflineAdvice(replace(REQUEST, pin=None), "Y1", 7, AT, repeated=True)).message
    assert again == replace(first, mti=Mti.FINANCIAL_ADVICE_REPEAT)


def test_network_messages() -> None:
    assert client().sign_on(1, AT).message.network_code == NetworkCode.SIGN_ON
    assert client().echo(1, AT).message.network_code == NetworkCode.ECHO
    assert client().key_change(1, AT).message.network_code == NetworkCode.KEY_CHANGE
    asked = client().sign_on(1, AT)
    key = SessionKey(bytes(range(16)), b"\x01\x02\x03")
    octets = draft(answer_to(asked, session_key=key), ASCII_1987).with_mac(MAC)
    reply = client().read_reply(asked, octets)
    assert reply.session_key == key
    reply.require_mac(MAC)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        client().echo(1, datetime(2026, 6, 7))  # noqa: DTZ001  the point of the test
    assert retrieval_reference(999_999, AT) == "615723999999"


def test_a_reversal_names_its_original_and_its_repeats_differ_in_the_type_alone() -> None:
    owed = Reversal(
        ref=3,
        reason=ReversalReason.SILENCE,
        stan=9,
        transmitted="0606233100",
        attempts=0,
        original=OriginalData(Mti.AUTHORISATION_REQUEST, 7, "0606233005"),
        processing_code="000000",
        amount=4200,
        currency="978",
        reference="615723000007",
    )
    first = client().reverse(owed)
    again = client().reverse(replace(owed, attempts=2))
    assert first.message.mti is Mti.REVERSAL_REQUEST
    assert again.message == replace(first.message, mti=Mti.REVERSAL_REQUEST_REPEAT)
    assert missing(first.message) == ()
    assert first.message.pan is None
    assert again.octets_to_mac[4:] == first.octets_to_mac[4:]


@BOTH
def test_an_answer_is_read(dialect: Dialect) -> None:
    asked = client(dialect).authorise(REQUEST, 7, AT)
    octets = draft(answer_to(asked, approval="A1B2C3", icc=b"\x91\x00"), dialect).with_mac(MAC)
    reply = client(dialect).read_reply(asked, octets)
    assert (reply.response_code, reply.words, reply.approved) == ("00", "approved", True)
    assert (reply.approval, reply.reference, reply.icc) == ("A1B2C3", "615723000007", b"\x91\x00")
    assert reply.octets_to_mac == octets[:-8]
    reply.require_mac(MAC)
    with pytest.raises(HostGarbled, match="the MAC of the answer 0110 is wrong") as refused:
        reply.require_mac(bytes(8))
    assert refused.value.sent
    assert client(dialect).answers(asked)(octets)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"stan": 8}, "belongs to another request: DE11 differs"),
        ({"terminal": "TG000002"}, "belongs to another request: DE41 differs"),
        ({"transmitted": "0606233006"}, "belongs to another request: DE7 differs"),
        ({"amount": 1}, "belongs to another request: DE4 differs"),
        ({"currency": "840"}, "belongs to another request: DE49 differs"),
        ({"reference": "000000000000"}, "belongs to another request: DE37 differs"),
        ({"mti": Mti.FINANCIAL_RESPONSE}, "the host answered 0210, 0110 expected"),
        ({"response_code": None}, "lacks DE39"),
        ({"reference": None, "response_code": None}, "lacks DE39, DE37"),
    ],
)
def test_an_answer_to_something_else_is_refused_and_named(changes: dict[str, Any], words: str) -> None:
    asked = client().authorise(REQUEST, 7, AT)
    octets = draft(answer_to(asked, **changes), ASCII_1987).with_mac(MAC)
    with pytest.raises(HostGarbled) as refused:
        client().read_reply(asked, octets)
    assert words in refused.value.what
    assert refused.value.sent
    if "another" in words:
        assert not client().answers(asked)(octets)


def test_an_unreadable_answer_is_refused_and_not_skipped() -> None:
    asked = client().authorise(REQUEST, 7, AT)
    with pytest.raises(HostGarbled, match="not readable: primary bitmap"):
        client().read_reply(asked, b"HTTP/1.1 400 Bad Request")
    assert client().answers(asked)(b"HTTP/1.1 400 Bad Request")


def test_an_answer_without_a_mac_is_not_taken() -> None:
    asked = client().authorise(REQUEST, 7, AT)
    reply = client().read_reply(asked, draft(answer_to(asked, response_code="63"), ASCII_1987).without_mac())
    assert (reply.approved, reply.words) == (False, "security violation")
    with pytest.raises(HostGarbled, match="carries no MAC") as refused:
        reply.require_mac(MAC)
    assert "sign on again" in refused.value.hint
