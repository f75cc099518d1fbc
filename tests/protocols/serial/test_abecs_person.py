# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: what a pad waits for survives its packet, published examples read as they should, the rest is refused."""

import pytest

from protocols.errors import DecodeError, EncodeError
from protocols.serial.abecs_messages import (
    Command,
    Parameter,
    Response,
    decode_command,
    decode_parameters,
    decode_response,
    display,
    parameters,
)
from protocols.serial.abecs_person import (
    AWAIT_KEY,
    ChipEvent,
    ChipThere,
    ContactlessThere,
    Happened,
    KeyPressed,
    PadKey,
    Watch,
    await_removal,
    decode_event,
    decode_key,
    decode_notification,
    decode_show_long,
    decode_two_lines,
    decode_watch,
    event_block,
    extended_event,
    notification,
    show_long,
)

WATCHES = [Watch(), Watch(keys=True), Watch(chip=ChipEvent.REMOVED), Watch(True, ChipEvent.INSERTED, True)]
EVENTS: list[Happened] = [KeyPressed(PadKey.F1), ChipThere(True), ChipThere(False), ContactlessThere(True)]


@pytest.mark.parametrize("watch", WATCHES, ids=repr)
def test_watches_survive(watch: Watch) -> None:
    assert decode_watch(decode_command(watch.command().packet())) == watch


def test_a_watch_without_its_last_digit() -> None:
    """The specification's example of 3.3.3 waits for keys alone and leaves the contactless digit out."""
    assert decode_watch(Command("CKE", (b"100",))) == Watch(keys=True)


@pytest.mark.parametrize("block", [b"", b"1", b"11111", b"2000", b"0030", b"00x0", b"0002"])
def test_other_watches_are_refused(block: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_watch(Command("CKE", (block,)))


def test_the_extended_watch() -> None:
    """As a host asked for it in a recorded session: keys, stripe, chip and contactless."""
    block = parameters({Parameter.WATCH: b"111100"})
    assert decode_watch(Command("CEX", (block,))) == Watch(True, ChipEvent.INSERTED, True)
    for wrong in (b"1111", b"113100", b"x11100", b""):
        with pytest.raises(DecodeError):
            decode_watch(Command("CEX", (parameters({Parameter.WATCH: wrong}),)))
    codes = [decode_parameters((extended_event(one),), "CEX")[Parameter.EVENT] for one in EVENTS]
    assert codes == [b"04", b"92", b"91", b"94"]


@pytest.mark.parametrize("happened", EVENTS, ids=repr)
def test_events_survive(happened: Happened) -> None:
    assert decode_event(Response("CKE", 0, (event_block(happened),))) == happened


@pytest.mark.parametrize("block", [b"", b"0", b"099", b"22", b"2", b"4", b"174B5148", b"1"])
def test_other_events_and_tracks_are_refused(block: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_event(Response("CKE", 0, (block,)))


def test_keys_by_status() -> None:
    assert (decode_key(0), decode_key(13), decode_key(4), decode_key(10)) == (
        PadKey.ENTER,
        PadKey.CANCEL,
        PadKey.F1,
        None,
    )
    assert AWAIT_KEY.packet().data == b"GKY"


def test_long_texts() -> None:
    text = "LINE ONE\rLINE TWO"
    assert decode_show_long(decode_command(show_long(text).packet())) == text
    assert show_long(text).packet().data == b"DEX020017" + text.encode()
    for wrong in ("x" * 161, "é", "a\nb"):
        with pytest.raises(EncodeError):
            show_long(wrong)
    for block in (b"", b"003ab", b"xxxabc", b"003ab\n", b"161" + b"x" * 161):
        with pytest.raises(DecodeError):
            decode_show_long(Command("DEX", (block,)))


def test_two_lines() -> None:
    for command in (await_removal("TAKE CARD"), display("TAKE CARD")):
        assert decode_two_lines(decode_command(command.packet())) in ("TAKE CARD",)
    with pytest.raises(EncodeError):
        await_removal("x" * 33)
    with pytest.raises(DecodeError):
        decode_two_lines(Command("RMC", (b"short",)))


def test_notifications() -> None:
    said = decode_response(notification("PIN ENTRY").packet())
    assert said.packet().data == b"NTM000032" + b"PIN ENTRY".ljust(32)
    assert decode_notification(said) == "PIN ENTRY"
    for wrong in (Response("NTM", 0, (b"x" * 33,)), Response("NTM", 0, (b"\x00",)), Response("GPN", 0, (b"x",))):
        with pytest.raises(DecodeError):
            decode_notification(wrong)
