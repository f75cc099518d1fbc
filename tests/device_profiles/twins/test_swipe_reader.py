# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: a track leaves the head enciphered, once, under a key of its own; it never types, and pays nothing."""

import os
from pathlib import Path

import pytest

from device_profiles import catalog
from device_profiles.pinpad_load import load_pinpad
from device_profiles.twins.swipe_reader import SwipeReaderTwin
from protocols.dukpt.ksn import TdesKsn
from protocols.dukpt.originator import TdesOriginator
from protocols.dukpt.tdes import Purpose, transaction_key, working_key
from protocols.pan import Track2
from protocols.primitives import TdesKey, Use
from protocols.serial.swipe import ReportJoiner, Swipe
from tillguard.voice import Fault

LOAD = load_pinpad("test-bank")
TRACK = "4000009999990016=28122010000000000"


def twin(track: str | None = TRACK) -> SwipeReaderTwin:
    engine = TdesOriginator(LOAD.test_initial_key, LOAD.initial_ksn)
    return SwipeReaderTwin(engine, None if track is None else Track2.from_text(track), 64, 0.5)


def joined(octets: bytes) -> Swipe:
    joiner = ReportJoiner()
    (swipe,) = (one for place in range(0, len(octets), 64) if (one := joiner.feed(octets[place : place + 64])))
    return swipe


def test_a_swipe_opens_with_its_key_alone() -> None:
    reader = twin()
    assert reader.due == 0.0
    assert reader.tick(1.0) == b""
    assert reader.due == pytest.approx(1.5)
    octets = reader.tick(1.5)
    swipe = joined(octets)
    assert swipe.masked == "400000******0016"
    assert b"4000009999990016" not in octets
    ksn = TdesKsn(swipe.ksn)
    assert ksn.counter == 1
    with TdesKey(working_key(transaction_key(LOAD.test_initial_key, ksn), Purpose.DATA_REQUEST), Use.DECIPHER) as key:
        assert key.cbc_decipher(bytes(8), swipe.cryptogram).rstrip(b"\0") == TRACK.encode()
    assert reader.tick(9.0) == b""
    assert reader.due is None


def test_nobody_swipes() -> None:
    reader = twin(None)
    assert (reader.due, reader.feed(os.urandom(64), 1.0), reader.tick(9.0)) == (None, b"", b"")


def test_keyboard_mode_is_refused_with_the_reason(tmp_path: Path) -> None:
    text = catalog.find("readers", "swipe-hid").read_text()
    path = tmp_path / "mine.toml"
    path.write_text(text.replace('mode = "vendor-hid"', 'mode = "keyboard"'))
    with pytest.raises(Fault, match="types tracks into whatever has the focus"):
        catalog.reader(str(path))
