# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""No secret on any wire of a whole payment, but for the fields in allowed.toml; and the search finds what is planted.

Every wire between the processes of a payment is tapped: reader and pad (PTY), acquirer (plain TCP, as only loopback may
be), HSM (TCP), the agent's local socket, and the reports as head office gets them behind TLS.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from device_profiles import catalog
from protocols.acquirer.dialects import ASCII_1987
from protocols.acquirer.fields import pack, unpack
from protocols.acquirer.frame import Framer, frame
from protocols.emv import tlv
from protocols.hsm.commands import COMMANDS, HB
from protocols.hsm.commands.pins import G0
from protocols.hsm.fields import KeyField
from protocols.hsm.frame import FrameBuffer, open_message
from protocols.hsm.frame import frame as hsm_frame
from protocols.hsm.message import decode_request, encode_request, encode_response
from protocols.serial.ipp import Message as PadMessage
from protocols.serial.ipp import PinBlock, RequestMac, ShowText
from protocols.serial.ipp_codec import encode as encode_pad
from protocols.serial.pn532_messages import DataExchanged, reply_frame
from tests.flows.stage import Stage
from tests.secrets.planted import KEYS, PAN, PIN, PLANTED, clear_pin_block
from tests.secrets.scanner import Scanner
from tests.secrets.tapped import tapped
from tests.secrets.taps import TO_CLIENT, TO_SERVER, Recording
from tests.secrets.wires import BLANKERS, HSM_HEADER_OCTETS, Allowance, Search, read_allowed

Recordings = dict[str, Recording]
Plant = Callable[[Recordings], None]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Recordings:
    """One approved payment with PIN over tapped wires."""
    with Stage(tmp_path_factory.mktemp("tapped")) as stage:
        return tapped(stage)


def search(recordings: Recordings, allowed: tuple[Allowance, ...] | None = None) -> list[str]:
    return Search(Scanner(PLANTED), read_allowed() if allowed is None else allowed).findings(recordings)


def test_nothing_passes_but_what_is_allowed_and_needed(recordings: Recordings) -> None:
    assert recordings.keys() == BLANKERS.keys()
    assert search(recordings) == []


def test_every_wire_was_heard_both_ways(recordings: Recordings) -> None:
    for name, recording in recordings.items():
        assert len(recording.said(TO_SERVER)) > 100, name
        assert len(recording.said(TO_CLIENT)) > 100 or name == "reports", name
    assert b"payment.finished" in recordings["socket"].said(TO_CLIENT)
    assert elements(recordings, "0100")[52]
    assert elements(recordings, "0110")[39] == "00"
    assert translation(recordings).account


def test_without_allowances_each_field_is_a_finding(recordings: Recordings) -> None:
    found = search(recordings, ())
    assert {line.partition(" ")[0] for line in found} == {row.wire for row in read_allowed()}
    assert PAN not in str(found)


@pytest.mark.parametrize("row", read_allowed(), ids=lambda row: f"{row.wire} {row.field}")
def test_each_allowance_covers_its_own_field(recordings: Recordings, row: Allowance) -> None:
    found = search(recordings, tuple(one for one in read_allowed() if one != row))
    assert found
    assert all(line.startswith(f"{row.wire} ") for line in found)


def test_an_allowance_that_nothing_needs_is_a_finding(recordings: Recordings) -> None:
    idle = Allowance("acquirer", "0110 DE2", "PAN", "a bank might send it back")
    assert search(recordings, (*read_allowed(), idle)) == ["acquirer: '0110 DE2' is allowed and was not needed"]


def test_an_allowance_is_for_one_kind_of_value(recordings: Recordings) -> None:
    rows = tuple(replace(row, what="PIN") if row.field == "0100 DE2" else row for row in read_allowed())
    assert any(line.startswith("acquirer >: PAN as text") for line in search(recordings, rows))


# What a careless or malicious part might do, planted into a copy of the recordings.


def elements(recordings: Recordings, mti: str) -> dict[int, str]:
    """The elements of the message of that type that passed."""
    octets = recordings["acquirer"].said(TO_CLIENT if mti[2] == "1" else TO_SERVER)
    messages = (unpack(one.message, ASCII_1987) for one in Framer(ASCII_1987).feed(octets))
    (found,) = (fields for kind, fields in messages if kind == mti)
    return found


def translation(recordings: Recordings) -> G0:
    """The command that took the PIN to the issuer's zone."""
    buffer = FrameBuffer()
    buffer.feed(recordings["hsm"].said(TO_SERVER))
    opened = (open_message(message, HSM_HEADER_OCTETS) for message in iter(buffer.take, None))
    (body,) = (one.body for one in opened if one.code == "G0")
    fields = decode_request(COMMANDS["G0"], body).fields
    assert isinstance(fields, G0)
    return fields


def say(wire: str, way: str, octets: bytes) -> Plant:
    return lambda recordings: recordings[wire].connections.append([(way, octets)])


def message(mti: str, changes: dict[int, str]) -> Plant:
    def plant(recordings: Recordings) -> None:
        octets = pack(mti, elements(recordings, mti) | changes, ASCII_1987)
        say("acquirer", TO_CLIENT if mti[2] == "1" else TO_SERVER, frame(octets, ASCII_1987))(recordings)

    return plant


def broken_message(recordings: Recordings) -> None:
    octets = pack("0100", elements(recordings, "0100"), ASCII_1987)
    say("acquirer", TO_SERVER, frame(octets[:-1], ASCII_1987))(recordings)


def hsm_command(**changes: Any) -> Plant:
    def plant(recordings: Recordings) -> None:
        request = replace(translation(recordings), **changes)
        say("hsm", TO_SERVER, hsm_frame(encode_request(request, b"0001")))(recordings)

    return plant


def pad(message: PadMessage, way: str) -> Plant:
    return say("pad", way, encode_pad(message, catalog.pinpad("ipp-uic").dialect).encode())


def card(tag: int, value: bytes) -> Plant:
    answer = tlv.encode([tlv.template(0x77, (tag, value))]) + b"\x90\x00"
    return say("reader", TO_CLIENT, reply_frame(DataExchanged(0, answer)).encode())


def cut_in_two(recordings: Recordings) -> None:
    text = f'{{"reason":"card {PAN} is worn"}}'.encode()
    recordings["reports"].connections.append([(TO_SERVER, text[:20]), (TO_SERVER, text[20:])])


def split_between_pieces(recordings: Recordings) -> None:
    for last, sequence, piece in ((False, 0, PAN[:8]), (True, 1, PAN[8:])):
        pad(RequestMac(last, sequence, bytes(16), piece.encode()), TO_SERVER)(recordings)
    first, second = recordings["pad"].connections[-2:]
    recordings["pad"].connections[-2:] = [first + second]


BDK = KeyField.from_text("U" + KEYS["BDK"].hex().upper())
PLANTS: dict[str, tuple[Plant, str]] = {
    "PIN digits beside the KSN": (message("0100", {62: PIN.ljust(20, "0")}), "acquirer >: PIN as text"),
    "PAN in private data": (message("0100", {48: f"customer {PAN}"}), "acquirer >: PAN as text"),
    "PAN in an answer": (message("0110", {2: PAN}), "acquirer <: PAN as text"),
    "clear PIN block": (message("0100", {52: clear_pin_block().hex().upper()}), "acquirer >: clear PIN block"),
    "PAN in chip data": (message("0100", {55: f"5A08{PAN}"}), "acquirer >: PAN as BCD"),
    "message that cannot be read": (broken_message, "acquirer >: PAN as text"),
    "clear PIN block to the HSM": (hsm_command(block=clear_pin_block()), "hsm >: clear PIN block"),
    "clear key to the HSM": (hsm_command(bdk=BDK), "hsm >: key BDK"),
    "clear key from the HSM": (
        say("hsm", TO_CLIENT, hsm_frame(encode_response(b"0001", "HA", HB(under_tmk=BDK, under_lmk=BDK)))),
        "hsm <: key BDK",
    ),
    "PAN on the pad's display": (pad(ShowText(PAN), TO_SERVER), "pad >: PAN as text"),
    "clear PIN block from the pad": (pad(PinBlock(bytes(10), clear_pin_block()), TO_CLIENT), "pad <: clear PIN block"),
    "key in clear for the MAC": (pad(RequestMac(True, 0, KEYS["TMK-MAC"], bytes(8)), TO_SERVER), "pad >: key TMK-MAC"),
    "PAN to be MACed outside DE2": (pad(RequestMac(True, 0, bytes(16), PAN.encode()), TO_SERVER), "pad >"),
    "the same in two pieces": (split_between_pieces, "pad > put together: PAN"),
    "track in another tag": (card(0x9F6B, bytes.fromhex(PAN + "D2812201F0")), "reader <: PAN as BCD"),
    "PIN from the card": (card(0x5A, bytes.fromhex(PIN)), "reader <: PIN as BCD"),
    "PAN in an event's text": (cut_in_two, "reports >: PAN as text"),
    "PAN in a topic": (say("reports", TO_SERVER, f"pos/v1/{PAN}/alert".encode()), "reports >: PAN as text"),
    "PIN on the local socket": (say("socket", TO_SERVER, f'{{"pin":"{PIN}"}}'.encode()), "socket >: PIN as text"),
}


@pytest.fixture(params=PLANTS, ids=lambda name: name)
def planted(request: pytest.FixtureRequest, recordings: Recordings) -> tuple[Recordings, str]:
    plant, expected = PLANTS[request.param]
    copy = deepcopy(recordings)
    plant(copy)
    return copy, expected


def test_a_leak_is_found(planted: tuple[Recordings, str]) -> None:
    altered, expected = planted
    found = search(altered)
    assert found
    assert all(line.startswith(expected) for line in found), found
