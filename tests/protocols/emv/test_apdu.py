# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: a command's octets decode to the same command; octets that are no command end in DecodeError only."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.emv import apdu
from protocols.emv.apdu import Command, Ins, Response
from protocols.errors import DecodeError, EncodeError
from tests.protocols.emv.traces import ANSWERS, COMMANDS


@pytest.mark.parametrize("octets", COMMANDS, ids=lambda octets: f"{len(octets)}-{octets[:4].hex()}")
def test_recorded_commands_come_back_octet_for_octet(octets: bytes) -> None:
    assert Command.decode(octets).encode() == octets


@pytest.mark.parametrize("octets", ANSWERS[:6], ids=lambda octets: f"{len(octets)}-{octets[:4].hex()}")
def test_recorded_answers(octets: bytes) -> None:
    response = Response.decode(octets)
    assert response.ok
    assert response.encode() == octets


@pytest.mark.parametrize(
    ("data", "expected", "octets"),
    [
        (b"", None, "00A40400"),
        (b"", 256, "00A4040000"),
        (b"", 1, "00A4040001"),
        (b"\xaa", None, "00A4040001AA"),
        (b"\xaa", 256, "00A4040001AA00"),
        (b"", 257, "00A40400000101"),
        (b"", 65_536, "00A40400000000"),
        (b"\xaa", 257, "00A40400000001AA0101"),
        (b"\xaa", 65_536, "00A40400000001AA0000"),
        (b"\xaa" * 256, None, "00A40400000100" + "AA" * 256),
        (b"\xaa" * 256, 10, "00A40400000100" + "AA" * 256 + "000A"),
    ],
)
def test_the_seven_forms(data: bytes, expected: int | None, octets: str) -> None:
    command = Command(0x00, 0xA4, 0x04, 0x00, data, expected)
    assert command.encode() == bytes.fromhex(octets)
    assert Command.decode(bytes.fromhex(octets)) == command


@pytest.mark.parametrize(
    "octets",
    ["", "00", "00A404", "00A4040002AA", "00A4040001AABBCC", "00A404000000", "00A40400000000AA", "00A404000001"],
)
def test_what_is_no_command(octets: str) -> None:
    with pytest.raises(DecodeError):
        Command.decode(bytes.fromhex(octets))


def test_bounds() -> None:
    for command in (
        Command(0x100, 0, 0, 0),
        Command(0, 0, 0, 0, bytes(65_536)),
        Command(0, 0, 0, 0, b"", 0),
        Command(0, 0, 0, 0, b"", 65_537),
    ):
        with pytest.raises(EncodeError):
            command.encode()
    for octets in (b"", b"\x90", bytes(65_539)):
        with pytest.raises(DecodeError):
            Response.decode(octets)
    with pytest.raises(EncodeError):
        Response(b"", 0x1_0000).encode()
    assert Response.decode(b"\x6a\x82") == Response(b"", 0x6A82)


def test_commands_of_the_books() -> None:
    assert apdu.select(apdu.PPSE).encode().hex().upper() == "00A404000E325041592E5359532E444446303100"
    assert apdu.select(bytes.fromhex("A0000000031010"), following=True).encode()[3] == 0x02
    assert apdu.read_record(2, 1).encode().hex().upper() == "00B2011400"
    assert apdu.get_processing_options(b"").encode().hex().upper() == "80A8000002830000"
    long = apdu.get_processing_options(bytes(200)).encode()
    assert long[:8].hex().upper() == "80A80000CB8381C8"
    for make in (
        lambda: apdu.select(b"1234"),
        lambda: apdu.read_record(31, 1),
        lambda: apdu.read_record(1, 0),
        lambda: apdu.get_processing_options(bytes(253)),
    ):
        with pytest.raises(EncodeError):
            make()
    assert Command.decode(apdu.get_processing_options(bytes(252)).encode()).data[:3] == bytes.fromhex("8381FC")


def test_the_commands_of_a_contact_payment() -> None:
    assert apdu.get_data(0x9F36).encode().hex().upper() == "80CA9F3600"
    assert apdu.generate_ac(2, b"\xaa\xbb").encode().hex().upper() == "80AE800002AABB00"
    assert apdu.generate_ac(0, b"\xaa").encode().hex().upper() == "80AE000001AA00"
    assert apdu.external_authenticate(bytes(8)).encode().hex().upper() == "0082000008" + "00" * 8
    assert apdu.get_response(256).encode().hex().upper() == "00C0000000"
    assert apdu.get_response(0x2E).encode().hex().upper() == "00C000002E"
    for make in (
        lambda: apdu.get_data(0xDF8101),
        lambda: apdu.generate_ac(3, b"\0"),
        lambda: apdu.generate_ac(1, b""),
        lambda: apdu.generate_ac(1, bytes(256)),
        lambda: apdu.external_authenticate(bytes(7)),
        lambda: apdu.external_authenticate(bytes(17)),
        lambda: apdu.get_response(0),
        lambda: apdu.get_response(257),
    ):
        with pytest.raises(EncodeError):
            make()


def test_they_print_no_data() -> None:
    command = Command(0x00, Ins.VERIFY, 0x00, 0x80, bytes.fromhex("2412345FFFFFFFFF"))
    assert repr(command) == "Command(00200080, 8 octets of data, Le None)"
    assert repr(Response(b"\x5a\x01\x47", 0x9000)) == "Response(3 octets of data, 9000)"


@given(
    st.tuples(*[st.integers(0, 255)] * 4),
    st.binary(max_size=300),
    st.one_of(st.none(), st.integers(1, 65_536)),
)
@settings(max_examples=150, deadline=None)
def test_every_command_decodes_to_itself(header: tuple[int, ...], data: bytes, expected: int | None) -> None:
    command = Command(*header, data, expected)
    decoded = Command.decode(command.encode())
    if len(data) > 255 or not expected or expected > 256 or not data:
        assert decoded == command
    assert (decoded.data, decoded.expected) == (data, expected)


@given(st.binary(max_size=40))
@settings(max_examples=200, deadline=None)
def test_garbage_is_decoded_or_refused(octets: bytes) -> None:
    try:
        command = Command.decode(octets)
    except DecodeError:
        return
    assert Command.decode(command.encode()) == command
