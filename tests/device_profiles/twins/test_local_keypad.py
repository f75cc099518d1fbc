# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The keypad's twin types when it is asked, what its person knows, in the octets of its profile; and tells nobody."""

from pathlib import Path

import pytest

from device_profiles.keypad import keypad
from device_profiles.twins.local_keypad import LONGEST_LINE, KeypadTwin
from device_profiles.twins.pinpad_cardholder import Behaviour, Cardholder
from protocols.secret import Pin
from tillguard.voice import Fault

PROMPT = b"EUR 42.00 ENTER PIN\n"


def twin(behaviour: Behaviour = Behaviour.RIGHT_PIN) -> KeypadTwin:
    return KeypadTwin(keypad("software"), Cardholder(Pin(bytearray((8, 6, 0, 4))), behaviour, 0.1))


def typed(one: KeypadTwin, until: float) -> bytes:
    out = b""
    while one.due is not None and one.due <= until:
        out += one.tick(one.due)
    return out


@pytest.mark.parametrize(
    ("behaviour", "octets"),
    [
        (Behaviour.RIGHT_PIN, b"8604\r"),
        (Behaviour.WRONG_PIN, b"9715\r"),
        (Behaviour.CANCEL, b"\x1b"),
        (Behaviour.SILENT, b""),
    ],
)
def test_its_person_answers_the_prompt(behaviour: Behaviour, octets: bytes) -> None:
    one = twin(behaviour)
    assert one.feed(PROMPT, 0.0) == b""
    assert typed(one, 10.0) == octets


def test_byte_wise_is_the_same_and_stars_are_no_prompt() -> None:
    one = twin()
    for octet in PROMPT:
        one.feed(bytes((octet,)), 0.0)
    assert typed(one, 0.25) == b"86"
    one.feed(b"EUR 42.00 ENTER PIN **\n", 0.25)
    assert typed(one, 10.0) == b"04\r"
    assert one.drain_shown() == ["EUR 42.00 ENTER PIN", "EUR 42.00 ENTER PIN **"]


def test_an_empty_display_ends_what_was_begun() -> None:
    one = twin()
    one.feed(PROMPT, 0.0)
    assert typed(one, 0.15) == b"8"
    one.feed(b"\n", 0.2)
    assert typed(one, 10.0) == b""


def test_nobody_is_there_and_garbage_does_not_pile_up() -> None:
    one = KeypadTwin(keypad("software"), None)
    one.feed(PROMPT, 0.0)
    assert one.due is None
    for _ in range(50):
        one.feed(b"x" * LONGEST_LINE, 0.0)
    assert len(one._line) <= LONGEST_LINE


@pytest.mark.parametrize(
    ("old", "new"), [("enter = 0x0D", "enter = 0x35"), ("clear = 0x08", "clear = 0x0D"), ("0x1B", "300")]
)
def test_keys_that_cannot_be_told_apart_are_refused(tmp_path: Path, old: str, new: str) -> None:
    from device_profiles import catalog

    text = (catalog.folder("keypads") / "software.toml").read_text()
    assert old in text
    own = tmp_path / "mine.toml"
    own.write_text(text.replace(old, new))
    with pytest.raises(Fault):
        keypad(str(own))
