# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Every command both ways: round trips, every truncation, garbage, and what a trace may show of it."""

import contextlib
import inspect
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import DecodeError, EncodeError
from protocols.hsm.codes import ErrorCode, KeyScheme, error_words
from protocols.hsm.commands import (
    A0,
    B2,
    BU,
    CM,
    CN,
    COMMANDS,
    HB,
    KQ,
    KR,
    M6,
    M8,
    NC,
    ND,
    RESPONSES,
    A0Export,
    CheckValueOptions,
)
from protocols.hsm.evidence import SOURCES, Evidence
from protocols.hsm.fields import FieldError, KeyField, Source
from protocols.hsm.frame import open_message, response_code
from protocols.hsm.layout import Fields, layout_of
from protocols.hsm.message import (
    decode_request,
    decode_response,
    encode_request,
    encode_response,
    refuse,
    shown_request,
    shown_response,
)
from tests.protocols.hsm.examples import ACCOUNT, BLOCK, DOUBLE, ODD, PAN, SINGLE
from tests.protocols.hsm.examples import REQUESTS as CHOSEN_REQUESTS
from tests.protocols.hsm.examples import RESPONSES as CHOSEN_RESPONSES
from tests.protocols.hsm.generated import message as drawn

HEADER = b"\x19%00"
SEEDS = range(4)
REQUEST_EXAMPLES = [
    *CHOSEN_REQUESTS,
    *(drawn(row.request, random.Random(f"{row.code} {seed}")) for row in COMMANDS.values() for seed in SEEDS),
]
RESPONSE_EXAMPLES = [
    *CHOSEN_RESPONSES,
    *(drawn(row.response, random.Random(f"{row.code} {seed}")) for row in COMMANDS.values() for seed in SEEDS),
]
OPEN_ENDED = ("MA", "MC", "ME")
every_command = pytest.mark.parametrize("code", sorted(COMMANDS))
TRAILERS = (None, b"", b"\x19\x19%01", bytes(32))


def requests_of(code: str) -> list[Fields]:
    return [example for example in REQUEST_EXAMPLES if type(example) is COMMANDS[code].request]


def responses_of(code: str) -> list[Fields]:
    return [example for example in RESPONSE_EXAMPLES if type(example) is COMMANDS[code].response]


def lmk_of(request: Fields) -> str | None:
    """The LMK identifier that is a field of a few commands."""
    return getattr(request, "lmk", None)


def body(request: Fields) -> bytes:
    return open_message(encode_request(request, HEADER), len(HEADER)).body


def test_every_command_has_an_example() -> None:
    assert {type(example).__name__ for example in REQUEST_EXAMPLES} == set(COMMANDS)
    assert {type(example).__name__ for example in RESPONSE_EXAMPLES} == set(RESPONSES)


def test_every_response_is_named_by_its_response_code() -> None:
    for code, command in COMMANDS.items():
        assert command.response.__name__ == response_code(code)
        assert inspect.getdoc(command.request)
        assert inspect.getdoc(command.response)


@every_command
def test_requests_round_trip(code: str) -> None:
    for request in requests_of(code):
        decoded = decode_request(COMMANDS[code], body(request))
        assert (decoded.fields, decoded.lmk, decoded.trailer) == (request, lmk_of(request), None)


@every_command
def test_the_tail_is_found_behind_binary_fields_that_look_like_it(code: str) -> None:
    command = COMMANDS[code]
    assert command.open_ended == (code in OPEN_ENDED)
    for request in requests_of(code):
        for trailer in TRAILERS:
            for lmk in (None, "00", "42"):
                if command.open_ended:
                    continue
                own = hasattr(request, "lmk")
                message = encode_request(request, HEADER, lmk=None if own else lmk, trailer=trailer)
                decoded = decode_request(command, open_message(message, len(HEADER)).body)
                expected = (request, lmk_of(request) if own else lmk, trailer)
                assert (decoded.fields, decoded.lmk, decoded.trailer) == expected


@every_command
def test_every_truncation_of_a_request_is_refused_or_a_shorter_request(code: str) -> None:
    command = COMMANDS[code]
    for request in requests_of(code):
        whole = body(request)
        for length in range(len(whole)):
            with contextlib.suppress(FieldError):
                decoded = decode_request(command, whole[:length])
                assert layout_of(command.request).write(decoded.fields) == whole[:length]


@every_command
def test_octets_behind_a_request_are_refused(code: str) -> None:
    command = COMMANDS[code]
    for request in requests_of(code):
        whole = body(request)
        for more in (b"\x00", b"%", b"%0", b"%AB", b"%00%", b"\x19" + bytes(33), b"x"):
            try:
                decoded = decode_request(command, whole + more)
            except FieldError:
                continue
            assert layout_of(command.request).write(decoded.fields) == whole + more
            assert command.open_ended


@every_command
def test_responses_round_trip(code: str) -> None:
    shape = COMMANDS[code].response
    for response in responses_of(code):
        for trailer in (None, b"", b"behind\x19"):
            message = encode_response(HEADER, code, response, trailer)
            answer = decode_response(message, shape, len(HEADER), trailer)
            assert (answer.header, answer.error, answer.fields, answer.ok) == (HEADER, "00", response, True)


@every_command
def test_every_truncation_of_a_response_is_a_decode_error_or_a_shorter_response(code: str) -> None:
    shape = COMMANDS[code].response
    for response in responses_of(code):
        message = encode_response(HEADER, code, response)
        for length in range(len(message)):
            try:
                answer = decode_response(message[:length], shape, len(HEADER))
            except DecodeError:
                continue
            assert answer.fields is not None
            assert encode_response(HEADER, code, answer.fields) == message[:length]


@given(st.sampled_from(sorted(COMMANDS)), st.binary(max_size=200))
def test_garbage_is_a_field_error_or_a_request(code: str, octets: bytes) -> None:
    with contextlib.suppress(FieldError):
        decode_request(COMMANDS[code], octets)


@given(st.sampled_from(REQUEST_EXAMPLES), st.integers(0, 10_000), st.integers(0, 255))
def test_a_changed_octet_is_a_field_error_or_another_request(request_: Fields, place: int, octet: int) -> None:
    changed = bytearray(body(request_)) or bytearray(1)
    changed[place % len(changed)] = octet
    with contextlib.suppress(FieldError):
        decode_request(COMMANDS[type(request_).__name__], bytes(changed))
    shown_request(HEADER + type(request_).__name__.encode() + changed, len(HEADER))


@given(st.sampled_from(RESPONSE_EXAMPLES), st.binary(max_size=100))
def test_garbage_in_a_response_is_a_decode_error(example: Fields, octets: bytes) -> None:
    shape = type(example)
    for message in (
        octets,
        HEADER + shape.__name__.encode() + octets,
        HEADER + shape.__name__.encode() + b"00" + octets,
    ):
        with contextlib.suppress(DecodeError):
            decode_response(message, shape, len(HEADER))
        shown_response(message, len(HEADER))


def test_an_error_code_is_a_value_with_the_commands_own_words() -> None:
    answer = decode_response(refuse(HEADER, "CM", "01"), CN, len(HEADER))
    assert (answer.ok, answer.error, answer.words, answer.fields) == (False, "01", "PIN verification failed", None)
    assert decode_response(refuse(HEADER, "CM", "20"), CN, len(HEADER)).words == ErrorCode.INVALID_PIN_BLOCK.words
    assert decode_response(refuse(HEADER, "CM", "X9"), CN, len(HEADER)).words == "not a listed error code"


def test_an_error_may_be_followed_by_octets_that_a_client_need_not_know() -> None:
    assert decode_response(refuse(HEADER, "KQ", "01") + bytes(8), KR, len(HEADER)).error == "01"


def test_the_answer_to_another_command_is_a_decode_error() -> None:
    with pytest.raises(DecodeError, match="HB expected"):
        decode_response(refuse(HEADER, "HC", "00"), HB, len(HEADER))


def test_a_missing_trailer_is_a_decode_error() -> None:
    with pytest.raises(DecodeError):
        decode_response(refuse(HEADER, "CM", "00"), CN, len(HEADER), b"mine")


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (A0(mode="1", key_type="009", scheme="U"), "export: present exactly with mode 1"),
        (
            A0(mode="0", key_type="009", scheme="U", export=A0Export(key=DOUBLE, scheme="X")),
            "export: present exactly with mode 1",
        ),
        (A0(mode="2", key_type="009", scheme="U"), "mode: one of 0, 1, A, B expected"),
        (A0(mode="0", key_type="9", scheme="U"), "key_type: 3 hexadecimal digits"),
        (BU(type_code="FF", length_flag="1", key=DOUBLE), "key_type: present exactly"),
        (M6(mode="3", key=DOUBLE, data=b""), "chaining: present exactly"),
        (M8(key=DOUBLE, data=b""), "mac: present exactly"),
        (M8(key=DOUBLE, data=b"", mac=bytes(5)), "16H|8H expected"),
        (B2(data=bytes(0x10000)), "a length of 4 hexadecimal digits"),
        (CN(), "CN is not a request"),
        (
            CM(bdk=DOUBLE, pvk=DOUBLE, ksn=bytes(9), block=BLOCK, account=ACCOUNT, pvki="1", pvv="1234"),
            "ksn: 10 octets expected, 9 given",
        ),
        (
            CM(bdk=DOUBLE, pvk=DOUBLE, ksn=bytes(10), block=BLOCK, account=ACCOUNT[:11], pvki="1", pvv="1234"),
            "account: 12 decimal digits expected",
        ),
        (BU(type_code="02", length_flag="1", key=DOUBLE, options=CheckValueOptions(kind="2")), "kind: one of 0, 1"),
    ],
)
def test_what_has_no_place_on_the_wire_is_the_callers_fault(request_: Fields, words: str) -> None:
    with pytest.raises(EncodeError, match=words.replace("|", r"\|")):
        encode_request(request_, HEADER)


@pytest.mark.parametrize(("lmk", "trailer"), [("0", None), ("0a", None), (None, bytes(33))])
def test_a_tail_that_does_not_fit_is_the_callers_fault(lmk: str | None, trailer: bytes | None) -> None:
    with pytest.raises(EncodeError):
        encode_request(NC(), HEADER, lmk=lmk, trailer=trailer)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("M69", "02"),
        ("M60", "15"),
        ("M6030", "03"),
        ("M60021", "04"),
        ("M60012", "04"),
        ("M600137", "09"),
        ("M600131001", "05"),
        ("M600131003S0", "83"),
        ("M60013100300112233445566770", "15"),
        ("M6001310030011223344556677" + "0010" + "short", "06"),
        ("KQ9", "04"),
        ("KQ09", "05"),
        ("KW5", "04"),
        ("KW03", "05"),
        ("KQ00" + DOUBLE.text + "8" * 8 + "22" + "4444" + "00", "81"),
        ("KQ00" + DOUBLE.text + "8" * 8 + "22" + "4444" + "20" + "short", "80"),
        ("B20010short", "80"),
        ("B20003longer", "15"),
        ("BUZZ", "04"),
        ("BU023", "05"),
        ("A00009Q", "26"),
        ("CW" + DOUBLE.text + "40000099999900161234;", "15"),
        ("CW" + DOUBLE.text + "1234;28122010", "15"),
        ("NC%9", "15"),
        ("NC%xy", "13"),
    ],
)
def test_a_field_is_refused_with_its_own_code(text: str, code: str) -> None:
    message = open_message(b"0001" + text.encode(), 4)
    with pytest.raises(FieldError) as caught:
        decode_request(COMMANDS[message.code], message.body)
    assert caught.value.code == code


def test_key_fields_in_all_their_forms() -> None:
    block = KeyField(KeyScheme.KEY_BLOCK, b"00072P0TB00N0001" + b"0" * 56)
    stored = KeyField(KeyScheme.STORED, b"0A1")
    for key in (SINGLE, DOUBLE, block, stored):
        assert KeyField.from_text(key.text) == key
    assert (block.usage, block.algorithm, stored.usage, DOUBLE.algorithm) == ("P0", "T", "", "")
    assert repr(block) == "S00072P0TB00N0001…/72"
    assert repr(stored) == "K0A1…/3"
    assert KeyField.from_text("Z" + SINGLE.text) == SINGLE
    assert SINGLE.text == "0001020304050607"
    assert KeyField.from_text("u".upper() + DOUBLE.text[1:].lower()) == DOUBLE
    texts = ("", "U", DOUBLE.text[:-1], DOUBLE.text + "0", "Q" + DOUBLE.text[1:], "\u00e9")
    for text in (*texts, "K00", "K0G1", "S00", "S0010", "R00150", "S00072P0TB00N0001" + "\x01" * 56):
        with pytest.raises(DecodeError):
            KeyField.from_text(text)
    with pytest.raises(EncodeError):
        KeyField(DOUBLE.scheme, bytes(8))


def test_a_key_pair_without_tag_is_two_ecb_halves() -> None:
    pair = layout_of(CM).slots[0].kind.read(Source(DOUBLE.text[1:].encode()), "bdk")
    assert pair.scheme is KeyScheme.DOUBLE_X917
    assert pair.bare
    assert pair.text == DOUBLE.text[1:]


def test_traces_and_reprs_show_neither_account_nor_reference_nor_data() -> None:
    for request in CHOSEN_REQUESTS:
        message = encode_request(request, b"0001")
        for text in (shown_request(message, 4), repr(request)):
            for hidden in (
                ACCOUNT,
                PAN.digits,
                BLOCK.hex().upper(),
                DOUBLE.text,
                "pvv 1234",
                "cvv 123",
                ODD.hex().upper(),
            ):
                assert hidden not in text, hidden
    assert any("ksn 00010203040506070809" in repr(request) for request in CHOSEN_REQUESTS)
    assert shown_request(b"0001ZZ123", 4) == "ZZ not a command known here, 3 octets"
    assert shown_request(b"00", 4).startswith("2 octets that are no command")
    assert shown_response(b"0001ZZ68", 4) == "ZZ 68 command has been disabled, or is not known here"
    assert shown_response(b"0001KR00" + bytes(8), 4).endswith("no error: arpc 0000000000000000")
    assert shown_response(b"0001KR00" + bytes(3), 4) == "KR 00 no error"
    assert shown_response(b"", 4) == "0 octets that are no response"


def test_evidence_labels() -> None:
    assert Evidence().label == "own"
    assert Evidence(("TS",)).label == "single source"
    assert Evidence(("TS", "UT")).label == "2 sources"
    assert Evidence(("TS", "UT"), vectors=3).label == "vector"
    with pytest.raises(ValueError, match="unknown source XX"):
        Evidence(("XX",))
    assert [code for code, command in COMMANDS.items() if not command.evidence.sources] == ["L0"]
    assert set(SOURCES) == {source for command in COMMANDS.values() for source in command.evidence.sources}


def test_layouts_in_words() -> None:
    assert layout_of(NC).words() == "nothing"
    assert layout_of(ND).words() == "check_value 16H, firmware 9A"
    assert layout_of(KQ).words().endswith("[mode 0/1: data length 2H, data, `;`], arqc 8B, [mode 1/2: arc 2B]")


def test_every_error_code_has_words() -> None:
    assert all(code.words and error_words(code) == code.words for code in ErrorCode)
