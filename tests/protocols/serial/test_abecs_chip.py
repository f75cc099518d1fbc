# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: commands of a chip sale carry what they say, answers are read whole or refused, a stripe is no chip."""

import pytest

from protocols.emv import tlv
from protocols.errors import DecodeError, EncodeError
from protocols.serial.abecs_chip import (
    Decision,
    Finish,
    GetCard,
    GoOn,
    Host,
    decode_card,
    decode_finished,
    decode_gone_on,
    decode_tags,
)
from protocols.serial.abecs_messages import Command, Parameter, Response, decode_command, decode_parameters, parameters

GET = GetCard(48300, "130901", "201847", "986", tags=(0x5F28, 0x5F24))
GO = GoOn(8, 23450, "986", 7, "CREDIT\rENTER PIN", (0x95, 0x9F26, 0x9F27), floor_limit=10000)
OBJECTS = tlv.encode([(0x9F26, bytes(8)), (0x9F36, b"\x00\x4c")])


def given(command: Command) -> dict[int, bytes]:
    return decode_parameters(decode_command(command.packet()).blocks, command.name)


def answer(name: str, values: dict[Parameter, bytes]) -> Response:
    return Response(name, 0, (parameters(values),))


def test_what_gcx_carries() -> None:
    found = given(GET.command())
    assert found[Parameter.AMOUNT] == b"000000048300"
    assert (found[Parameter.DATE], found[Parameter.TIME], found[Parameter.CURRENCY]) == (b"130901", b"201847", b"986")
    assert found[Parameter.PAN_MASK] == b"0604"
    assert decode_tags(found[Parameter.TAGS], "tags") == (0x5F28, 0x5F24)


def test_what_gox_carries() -> None:
    found = given(GO.command())
    assert (found[Parameter.ACQUIRER], found[Parameter.PIN_METHOD], found[Parameter.KEY_INDEX]) == (b"08", b"3", b"07")
    assert found[Parameter.RISK].hex() == "00002710" + "00" * 6
    assert decode_tags(found[Parameter.TAGS], "tags") == (0x95, 0x9F26, 0x9F27)


def test_what_fcx_carries() -> None:
    found = given(Finish(Host.APPROVED, "Y3", OBJECTS, (0x95,)).command())
    assert (found[Parameter.FINISH_OPTIONS], found[Parameter.RESPONSE_CODE]) == (b"0000", b"Y3")
    assert found[Parameter.EMV_DATA] == OBJECTS
    assert Parameter.RESPONSE_CODE not in given(Finish(Host.UNREACHED, "", b"", ()).command())


@pytest.mark.parametrize(
    "wrong",
    [
        GetCard(-1, "130901", "201847", "986"),
        GetCard(1, "13090", "201847", "986"),
        GetCard(1, "130901", "2018x7", "986"),
        GetCard(1, "130901", "201847", "98"),
        GetCard(1, "130901", "201847", "986", open_digits=(7, 4)),
        GetCard(1, "130901", "201847", "986", wait_s=0),
        GoOn(0, 1, "986", 7, "", ()),
        GoOn(1, 10**12, "986", 7, "", ()),
        GoOn(1, 1, "986", 100, "", ()),
        GoOn(1, 1, "986", 7, "x" * 129, ()),
        GoOn(1, 1, "986", 7, "", (), floor_limit=-1),
        Finish(Host.APPROVED, "", b"", ()),
        Finish(Host.DECLINED, "5", b"", ()),
        Finish(Host.UNREACHED, "", bytes(513), ()),
    ],
    ids=repr,
)
def test_what_cannot_be_asked(wrong: GetCard | GoOn | Finish) -> None:
    with pytest.raises(EncodeError):
        wrong.command()


CARD = {
    Parameter.CARD_TYPE: b"03",
    Parameter.PAN: b"444433******1111",
    Parameter.PAN_SEQUENCE: b"01",
    Parameter.LABEL: b"CREDIT",
    Parameter.EMV_OBJECTS: OBJECTS,
}
GONE = {Parameter.GO_RESULT: b"202000", Parameter.PIN_BLOCK: bytes(8), Parameter.KSN: bytes(10)}


def test_answers() -> None:
    card = decode_card(answer("GCX", CARD))
    assert (card.masked_pan, card.sequence_number, card.label) == ("444433******1111", 1, "CREDIT")
    assert card.objects.first(0x9F36) == b"\x00\x4c"
    gone = decode_gone_on(answer("GOX", GONE))
    assert (gone.decision, gone.signature, gone.offline_pin, gone.ksn) == (Decision.ONLINE, False, False, bytes(10))
    signed = decode_gone_on(answer("GOX", {Parameter.GO_RESULT: b"011000"}))
    assert (signed.decision, signed.signature, signed.offline_pin) == (Decision.APPROVED, True, True)
    assert (signed.pin_block, signed.ksn) == (b"", b"")
    assert decode_finished(answer("FCX", {Parameter.FINISH_RESULT: b"000"})).approved
    assert not decode_finished(answer("FCX", {Parameter.FINISH_RESULT: b"100"})).approved


@pytest.mark.parametrize(
    "change",
    [
        {Parameter.CARD_TYPE: b"00"},
        {Parameter.PAN: b"4444,33"},
        {Parameter.PAN: b""},
        {Parameter.PAN_SEQUENCE: b"x1"},
        {Parameter.EMV_OBJECTS: b"\x9f"},
        {Parameter.EMV_OBJECTS: bytes(513)},
    ],
    ids=repr,
)
def test_other_cards_are_refused(change: dict[Parameter, bytes]) -> None:
    with pytest.raises(DecodeError):
        decode_card(answer("GCX", CARD | change))


@pytest.mark.parametrize(
    "change",
    [
        {Parameter.GO_RESULT: b"20200"},
        {Parameter.GO_RESULT: b"302000"},
        {Parameter.PIN_BLOCK: bytes(7)},
        {Parameter.KSN: b""},
    ],
    ids=repr,
)
def test_other_results_are_refused(change: dict[Parameter, bytes]) -> None:
    with pytest.raises(DecodeError):
        decode_gone_on(answer("GOX", GONE | change))
    with pytest.raises(DecodeError):
        decode_finished(answer("FCX", {Parameter.FINISH_RESULT: b"20"}))


@pytest.mark.parametrize("octets", [b"\x9f", b"\x5f\x81", b"\x95\x9f"])
def test_tags_that_end_too_soon(octets: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_tags(octets, "tags")
    assert decode_tags(b"\xdf\x81\x25\x95", "tags") == (0xDF8125, 0x95)
