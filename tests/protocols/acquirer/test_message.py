# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Messages: round trip in every dialect, every truncation, garbage; MAC coverage; what a repr shows."""

import contextlib
import traceback
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.acquirer.dialects import ASCII_1987, BCD_TPDU, DIALECTS, Dialect
from protocols.acquirer.message import Message, decode, draft, encode, missing, redacted, redacted_octets
from protocols.acquirer.mti import REQUIRED, Mti
from protocols.acquirer.values import OriginalData, PinAlgorithm, PinFormat, SecurityControl, SessionKey
from protocols.errors import DecodeError, EncodeError
from protocols.pan import Pan
from tests.protocols.acquirer.samples import ALL, ANSWER, KSN, REQUEST, REVERSAL, SIGNED_ON, TEST_PAN

EVERY_DIALECT = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=str)
EVERY_MESSAGE = pytest.mark.parametrize("message", ALL.values(), ids=ALL.keys())
MAC = bytes.fromhex("1122334455667788")
SECRET_FORMS = (TEST_PAN, TEST_PAN[4:14], "0102030405060708", "A1A2A3A4A5A6A7A8", "2812201")


@EVERY_DIALECT
@EVERY_MESSAGE
def test_round_trip_with_and_without_mac(message: Message, dialect: Dialect) -> None:
    plain = draft(message, dialect).without_mac()
    assert decode(plain, dialect).message == message
    assert decode(plain, dialect).octets_to_mac == b""
    waiting = draft(message, dialect)
    octets = waiting.with_mac(MAC)
    received = decode(octets, dialect)
    assert received.message == replace(message, mac=MAC)
    assert received.octets_to_mac == waiting.octets_to_mac == octets[:-8]
    assert encode(received.message, dialect) == octets


@EVERY_DIALECT
@EVERY_MESSAGE
def test_every_truncation_is_refused(message: Message, dialect: Dialect) -> None:
    octets = draft(message, dialect).with_mac(MAC)
    for length in range(len(octets)):
        with pytest.raises(DecodeError):
            decode(octets[:length], dialect)
    with pytest.raises(DecodeError):
        decode(octets + b"0", dialect)


@EVERY_DIALECT
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_garbage_raises_only_decode_errors(dialect: Dialect, data: st.DataObject) -> None:
    octets = bytearray(draft(data.draw(st.sampled_from(list(ALL.values()))), dialect).with_mac(MAC))
    for _ in range(data.draw(st.integers(1, 3))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    for candidate in (bytes(octets), data.draw(st.binary(max_size=300))):
        redacted_octets(candidate, dialect)
        try:
            again = decode(candidate, dialect)
        except DecodeError as refused:
            assert refused.where
        else:
            assert decode(encode(again.message, dialect), dialect).message == again.message


def test_the_mac_is_announced_by_the_bitmap_it_covers() -> None:
    waiting = draft(REQUEST, ASCII_1987)
    assert waiting.octets_to_mac[4:20].endswith(b"5")  # DE61 to DE64: 0101, KSN in 62 and the MAC in 64
    assert int(waiting.octets_to_mac[4:20], 16) & 1
    assert len(draft(REQUEST, ASCII_1987).without_mac()) == len(waiting.octets_to_mac)


def test_the_mac_moves_to_128_behind_a_secondary_bitmap() -> None:
    octets = draft(REVERSAL, ASCII_1987).with_mac(MAC)
    primary, secondary = int(octets[4:20], 16), int(octets[20:36], 16)
    assert primary >> 63 == 1
    assert primary & 1 == 0
    assert secondary & 1 == 1
    assert decode(octets, ASCII_1987).message.mac == MAC


def test_a_mac_that_is_not_last_is_refused() -> None:
    octets = bytearray(draft(REVERSAL, ASCII_1987).with_mac(MAC))
    primary = int(octets[4:20], 16) | 1
    octets[4:20] = f"{primary:016X}".encode()
    place = len(octets) - 8 - 42  # in front of DE90
    octets[place:place] = MAC
    with pytest.raises(DecodeError, match="DE64: a MAC that is not the last element"):
        decode(bytes(octets), ASCII_1987)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda o: o.replace(b"000000004200", b"00000000420X"), "DE4: digits expected"),
        (lambda o: o.replace(b"000007", b"000000", 1), "DE11: 000001 to 999999 expected"),
        (lambda o: o.replace(b"16" + TEST_PAN.encode(), b"07" + TEST_PAN[:7].encode()), "DE2: 7 characters found"),
        (lambda o: o.replace(b"16" + TEST_PAN.encode(), b"+7" + TEST_PAN[:7].encode()), "DE2: its length"),
        (lambda o: o.replace(b"2600000000000000", b"2700000000000000"), "DE53: a PIN format or algorithm"),
        (lambda o: o.replace(b"2600000000000000", b"2600000000000001"), "DE53: digit 3 must be"),
        (lambda o: o.replace(KSN.hex().upper().encode(), b"G" * 20), "DE62: not an even number"),
        (lambda o: b"0999" + o[4:], "message type: not one that this wire uses"),
        (lambda o: b"01x0" + o[4:], "message type: four digits expected"),
        (lambda o: o[:4] + b"7234 54128C28805" + o[20:], "primary bitmap, octet 4: 16 hexadecimal digits"),
        (lambda o: o[:4] + b"4000000000000002" + o[20:], "DE63"),
        (lambda o: o[:4] + b"0000000000000080" + o[20:], "DE57: announced by the bitmap"),
    ],
)
def test_errors_name_the_element_and_quote_nothing(change, words: str) -> None:  # type: ignore[no-untyped-def]
    octets = change(draft(REQUEST, ASCII_1987).with_mac(MAC))
    with pytest.raises(DecodeError) as refused:
        decode(octets, ASCII_1987)
    assert words in str(refused.value)
    printed = "".join(traceback.format_exception(refused.value))
    assert not any(form in printed for form in SECRET_FORMS)
    assert refused.value.__context__ is None


def test_what_cannot_be_written_is_named() -> None:
    with pytest.raises(EncodeError, match=r"^DE4: a number that does not fit 12 digits"):
        encode(replace(REQUEST, amount=10**12), ASCII_1987)
    with pytest.raises(EncodeError, match=r"^DE41: 9 characters, 8 expected"):
        encode(replace(REQUEST, terminal="TG0000001"), ASCII_1987)
    with pytest.raises(EncodeError, match=r"^DE55: 256 characters, 1 to 255"):
        encode(replace(REQUEST, icc=bytes(256)), ASCII_1987)
    with pytest.raises(EncodeError, match=r"^DE62: wanted by two values"):
        encode(replace(REQUEST, session_key=SIGNED_ON.session_key), ASCII_1987)
    with pytest.raises(EncodeError, match="MAC: 7 octets"):
        draft(REQUEST, ASCII_1987).with_mac(bytes(7))
    assert "not one that can be written" in repr(replace(REQUEST, amount=-1))


def test_the_ksn_moves_with_the_dialect() -> None:
    dialect = Dialect("other", ksn_field=63)
    octets = draft(REQUEST, dialect).without_mac()
    assert decode(octets, dialect).message.ksn == KSN
    with pytest.raises(DecodeError, match="DE63: BP, 4 digits, 16 and 16"):
        decode(octets, ASCII_1987)
    with pytest.raises(EncodeError, match="cannot travel in DE53"):
        Dialect("wrong", ksn_field=53)


def test_bcd_packs_an_odd_track_and_an_odd_pan() -> None:
    odd = replace(REQUEST, pan=Pan("400000999999001"), track2=None)
    octets = draft(odd, BCD_TPDU).without_mac()
    assert octets[:2] == b"\x01\x00"
    assert octets[10:19] == b"\x15" + bytes.fromhex("400000999999001F")
    assert bytes.fromhex("4000009999990016D2812201000000001F") in draft(REQUEST, BCD_TPDU).without_mac()


@EVERY_DIALECT
@EVERY_MESSAGE
def test_traces_and_reprs_are_masked(message: Message, dialect: Dialect) -> None:
    waiting = draft(message, dialect)
    octets = waiting.with_mac(MAC)
    for text in (
        redacted(message),
        redacted_octets(octets, dialect),
        redacted_octets(octets[:-1], dialect),
        repr(message),
        repr(waiting),
        repr(decode(octets, dialect)),
        str(message.session_key),
    ):
        assert not any(form in text for form in SECRET_FORMS)
        assert bytes(range(16)).hex() not in text.lower()


def test_a_redacted_request_says_what_it_may() -> None:
    text = redacted(REQUEST)
    assert text.startswith("0100 DE2=400000******0016 DE3=000000 DE4=000000004200 ")
    assert "DE35=track of 400000******0016" in text
    assert "DE52=[8 octets]" in text
    assert "DE55=[16 octets]" in text
    assert "DE62=KSN FFFF9876543210E00001" in text
    assert "DE62=[key, check value A1B2C3]" in redacted(SIGNED_ON)


def test_missing_elements_are_named() -> None:
    assert missing(REQUEST) == ()
    assert missing(ANSWER) == ()
    assert missing(replace(REQUEST, amount=None, terminal=None)) == ("DE4", "DE41")
    assert missing(replace(REVERSAL, mti=Mti.REVERSAL_REQUEST_REPEAT, original=None)) == ("DE90",)


def test_message_types_know_their_answers_and_repeats() -> None:
    assert Mti.AUTHORISATION_REQUEST.response is Mti.AUTHORISATION_RESPONSE
    assert Mti.REVERSAL_REQUEST_REPEAT.response is Mti.REVERSAL_RESPONSE
    assert Mti.FINANCIAL_ADVICE_REPEAT.response is Mti.FINANCIAL_ADVICE_RESPONSE
    assert Mti.REVERSAL_REQUEST.repeat is Mti.REVERSAL_REQUEST_REPEAT
    assert Mti.REVERSAL_REQUEST_REPEAT.is_repeat
    assert not Mti.REVERSAL_REQUEST.is_repeat
    assert all(mti.original in REQUIRED for mti in Mti)
    assert [mti for mti in Mti if mti.is_network] == [Mti.NETWORK_REQUEST, Mti.NETWORK_RESPONSE]


@settings(max_examples=60, deadline=None)
@given(
    mti=st.sampled_from([Mti.AUTHORISATION_REQUEST, Mti.FINANCIAL_REQUEST]),
    stan=st.integers(1, 999_999),
    moment=st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)),  # noqa: DTZ001  only its digits are used
)
def test_composite_values_round_trip(mti: Mti, stan: int, moment: datetime) -> None:
    original = OriginalData(mti, stan, moment.strftime("%m%d%H%M%S"))
    assert OriginalData.from_digits(original.digits()) == original
    for pin_format in PinFormat:
        for algorithm in PinAlgorithm:
            control = SecurityControl(pin_format, algorithm)
            assert SecurityControl.from_digits(control.digits()) == control


@settings(max_examples=60, deadline=None)
@given(digits=st.text("0123456789", max_size=45))
def test_composite_values_of_garbage(digits: str) -> None:
    for read in (OriginalData.from_digits, SecurityControl.from_digits):
        with contextlib.suppress(DecodeError):
            read(digits)


def test_security_control_of_an_iso_0_block_under_dukpt() -> None:
    assert SecurityControl(PinFormat.WITH_PAN, PinAlgorithm.TDES_DOUBLE_LENGTH).digits() == "2600000000000000"
    with pytest.raises(EncodeError):
        SessionKey(bytes(8), bytes(3)).text()
