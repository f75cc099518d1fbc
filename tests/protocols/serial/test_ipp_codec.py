# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: a message survives its dialect's packet; anything else is a DecodeError; a trace shows no secret."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import DecodeError, EncodeError
from protocols.pan import Pan
from protocols.serial.framer import Control, Damaged, Envelope, Packet
from protocols.serial.ipp import (
    Cancel,
    CheckKey,
    Dialect,
    Display,
    KeyPresence,
    MacResult,
    Message,
    PinBlock,
    PinRefusal,
    PinReplyForm,
    ReadSerial,
    RequestMac,
    RequestPin,
    RequestRefusedError,
    SelectKey,
    SerialNumber,
    ShowText,
)
from protocols.serial.ipp_codec import decode_reply, decode_request, encode, number, redacted, redacted_event

UIC = Dialect(PinReplyForm.NUMBER_71, mac_slot="B", display=Display.AMOUNTS, closing_eot=("71",))
VERIFONE = Dialect(
    PinReplyForm.NUMBER_73, pin_request_marker="DUKPT ENCRYPTION", pin_time_unit_s=0, ksn_without_fill=True
)
TEST_PAN = Pan("4000009999990016")
KSN = bytes.fromhex("FFFF9876543210E00001")
BLOCK = bytes.fromhex("1B9C1845EB993A7A")
REQUESTS: list[Message] = [
    Cancel(),
    ReadSerial(),
    CheckKey("B"),
    SelectKey("7"),
    ShowText("EUR 42.00"),
    RequestPin(TEST_PAN),
    RequestMac(True, 0, bytes(range(16)), bytes(104)),
    RequestMac(False, 99, bytes(range(16)), b"12345678"),
]
REPLIES: list[Message] = [
    SerialNumber("TG0001"),
    KeyPresence(True),
    KeyPresence(False),
    PinBlock(KSN, BLOCK),
    PinRefusal("7"),
    MacResult("0", BLOCK),
    MacResult("1"),
]


@pytest.mark.parametrize("dialect", [UIC, VERIFONE], ids=["uic", "verifone"])
@pytest.mark.parametrize("message", REQUESTS, ids=repr)
def test_requests_survive(message: Message, dialect: Dialect) -> None:
    assert decode_request(encode(message, dialect), dialect) == message


@pytest.mark.parametrize("dialect", [UIC, VERIFONE], ids=["uic", "verifone"])
@pytest.mark.parametrize("message", REPLIES, ids=repr)
def test_replies_survive(message: Message, dialect: Dialect) -> None:
    assert decode_reply(encode(message, dialect), dialect) == message


@pytest.mark.parametrize(
    ("message", "dialect", "body"),
    [
        (RequestPin(TEST_PAN), UIC, b"Z60.4000009999990016"),
        (RequestPin(TEST_PAN, 2), UIC, b"Z60.4000009999990016\x1c2"),
        (RequestPin(TEST_PAN), VERIFONE, b"Z60.4000009999990016\x1cDUKPT ENCRYPTION"),
        (PinBlock(KSN, BLOCK), UIC, b"710FFFF9876543210E000011B9C1845EB993A7A"),
        (PinBlock(KSN, BLOCK), VERIFONE, b"73.000009876543210E000011B9C1845EB993A7A"),
        (ShowText("1.00"), UIC, b"Z2\x1a1.00"),
        (MacResult("1"), UIC, b"Z671"),
        (
            RequestMac(True, 3, bytes.fromhex("00112233445566778899AABBCCDDEEFF"), b"\x00" * 8),
            UIC,
            b"Z66603B\x1c0011223344556677\x1c8899AABBCCDDEEFF\x1c0000000000000000",
        ),
    ],
)
def test_what_stands_on_the_line(message: Message, dialect: Dialect, body: bytes) -> None:
    assert encode(message, dialect).body == body


@pytest.mark.parametrize("packet", [encode(one, UIC) for one in REPLIES], ids=repr)
def test_truncated_replies(packet: Packet) -> None:
    whole = decode_reply(packet, UIC)
    for cut in range(len(packet.body)):
        try:
            decoded = decode_reply(Packet(packet.envelope, packet.body[:cut]), UIC)
        except DecodeError:
            continue
        assert decoded != whole


@pytest.mark.parametrize("packet", [encode(one, UIC) for one in REQUESTS], ids=repr)
def test_truncated_requests(packet: Packet) -> None:
    whole = decode_request(packet, UIC)
    for cut in range(len(packet.body)):
        try:
            decoded = decode_request(Packet(packet.envelope, packet.body[:cut]), UIC)
        except DecodeError:
            continue
        assert decoded != whole


@given(
    st.sampled_from(Envelope),
    st.sampled_from([b"", b"72", b"71", b"73", b"04", b"06", b"08", b"Z2", b"Z60.", b"Z66", b"Z67"]),
    st.binary(max_size=80),
)
@settings(max_examples=300, deadline=None)
def test_garbage_is_a_decode_error_and_prints_nothing_of_itself(envelope: Envelope, head: bytes, tail: bytes) -> None:
    packet = Packet(envelope, head + tail)
    for decode in (decode_reply, decode_request):
        try:
            decode(packet, UIC)
        except DecodeError:
            continue
    assert isinstance(redacted_event(packet), str)
    assert isinstance(redacted(head + tail), str)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"Z60.", "0"),
        (b"Z60.\x1c2", "0"),
        (b"Z60.1234567", "2"),
        (b"Z60." + b"1" * 20, "3"),
        (b"Z60.40000099A9990016", "4"),
        (b"Z60.4000009999990016\x1c0", "6"),
        (b"Z60.4000009999990016\x1c12", "6"),
        (b"Z60.4000009999990016\x1c2\x1c2", "6"),
    ],
)
def test_a_pad_refuses_with_a_code(body: bytes, code: str) -> None:
    with pytest.raises(RequestRefusedError) as caught:
        decode_request(Packet(Envelope.TRANSACTION, body), UIC)
    assert caught.value.code == code
    assert "4000" not in str(caught.value)


def test_zero_is_an_error_only_where_a_dialect_says_so() -> None:
    """UIC's 0 is "no PAN"; elsewhere it is the function key of a good entry, and alone it is nothing."""
    packet = Packet(Envelope.TRANSACTION, b"710")
    uic = dataclasses.replace(UIC, pin_errors={"0": "the request has no PAN"})
    assert decode_reply(packet, uic) == PinRefusal("0")
    with pytest.raises(DecodeError):
        decode_reply(packet, UIC)


def test_the_marker_of_a_dialect_is_demanded() -> None:
    with pytest.raises(RequestRefusedError):
        decode_request(encode(RequestPin(TEST_PAN), UIC), VERIFONE)


@pytest.mark.parametrize(
    "message",
    [
        PinBlock(KSN, BLOCK[:7]),
        RequestPin(TEST_PAN, 10),
        RequestMac(True, 100, bytes(16), bytes(8)),
        RequestMac(True, 0, bytes(8), bytes(8)),
        RequestMac(True, 0, bytes(16), bytes(9)),
        RequestMac(True, 0, bytes(16), bytes(112)),
        MacResult("0"),
        MacResult("2", BLOCK),
        ShowText("a" * 33),
        ShowText("\x1b"),
    ],
    ids=repr,
)
def test_what_does_not_fit_is_not_sent(message: Message) -> None:
    with pytest.raises(EncodeError):
        encode(message, UIC)


def test_a_packet_longer_than_the_pad_takes_is_not_sent() -> None:
    with pytest.raises(EncodeError):
        encode(SerialNumber("1" * 70), dataclasses.replace(UIC, longest_packet=64))


@pytest.mark.parametrize(
    "wrong",
    [
        {"longest_packet": 10},
        {"mac_slot": "BB"},
        {"mac_select": "22"},
        {"mac_select": "2"},  # beside the mac_slot that this dialect has
        {"mac_last_flag": "7"},
        {"pin_time_unit_s": 61},
        {"closing_eot": ("7",)},
        {"closing_eot": ("7\x02",)},
        {"mac_last_flag": "\x02"},
        {"mac_select": "é"},
        {"pin_request_marker": "\x03"},
        {"pin_request_marker": "D" * 33},
        {"display_characters": 0},
        {"display_characters": 248},
    ],
    ids=str,
)
def test_a_dialect_checks_its_ranges(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must|one letter or digit|lists|printable"):
        dataclasses.replace(UIC, **wrong)  # type: ignore[arg-type]


def test_the_largest_mac_piece_fills_a_packet() -> None:
    size = UIC.mac_piece_octets
    assert size == 104
    packet = encode(RequestMac(True, 0, bytes(16), bytes(size)), UIC)
    assert UIC.longest_packet - 16 < len(packet.encode()) <= UIC.longest_packet


def test_packet_numbers() -> None:
    assert [number(encode(one, UIC)) for one in REQUESTS] == ["72", "06", "04", "08", "Z2", "Z60", "Z66", "Z66"]


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (encode(RequestPin(TEST_PAN, 2), UIC).encode(), "Z60 PAN 400000******0016 time limit 2"),
        (encode(PinBlock(KSN, BLOCK), UIC).encode(), "71 KSN FFFF9876543210E00001 block of 8 octets"),
        (encode(PinBlock(KSN, BLOCK), VERIFONE).encode(), "73 KSN FFFF9876543210E00001 block of 8 octets"),
        (encode(PinRefusal("7"), UIC).encode(), "71 error 7"),
        (
            encode(RequestMac(True, 1, b"K" * 16, b"D" * 16), UIC).encode(),
            "Z66 piece 01, enciphered key, 16 octets of data",
        ),
        (encode(MacResult("0", BLOCK), UIC).encode(), "Z67 code 0 with MAC"),
        (encode(ShowText("EUR 42.00"), UIC).encode(), "Z2 'EUR 42.00'"),
        (encode(ShowText("4000009999990016"), UIC).encode(), "Z2 text of 16 characters"),
        (encode(Cancel(), UIC).encode() + bytes((Control.ACK, Control.EOT)), "72, ACK, EOT"),
        (b"\x02no", "damaged (the line fell silent inside a packet)"),
        (b"", "nothing"),
    ],
)
def test_redacted(octets: bytes, words: str) -> None:
    assert redacted(octets) == words


@given(
    st.text("0123456789", min_size=8, max_size=19),
    st.sampled_from(["Z60.{}", "Z66{}", "71{}", "{}", "Z2\x1a{}", "90{}"]),
)
@settings(max_examples=100, deadline=None)
def test_no_trace_shows_a_whole_pan(digits: str, form: str) -> None:
    packet = Packet(Envelope.TRANSACTION, form.format(digits).encode())
    assert digits not in redacted_event(packet)


def test_redacted_events() -> None:
    assert redacted_event(Control.NAK) == "NAK"
    assert redacted_event(Damaged("noise")) == "damaged (noise)"
    assert redacted_event(Packet(Envelope.TRANSACTION, b"\xff")) == "packet of 1 octets"
