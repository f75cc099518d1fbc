# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: every profile of the package loads; what is unknown or out of range is a fault with its cure."""

from pathlib import Path

import pytest

from device_profiles import catalog
from device_profiles.model import AbecsProfile
from device_profiles.pinpad_load import fitting_load, load_pinpad
from tillguard.exits import Exit
from tillguard.voice import Fault


def test_every_profile_loads_under_its_own_name() -> None:
    for name in catalog.names("readers"):
        assert catalog.reader(name).model == name
    for name in catalog.names("pinpads"):
        assert catalog.pinpad(name).model == name
    for name in catalog.names("pinpads/loads"):
        assert load_pinpad(name).serial
    assert "pn532" in catalog.names("readers")
    assert "ipp-uic" in catalog.names("pinpads")


def test_an_unknown_model_lists_the_known() -> None:
    with pytest.raises(Fault) as caught:
        catalog.reader("pn533")
    assert caught.value.exit_code is Exit.USAGE
    assert "did you mean 'pn532'?" in caught.value.hint
    with pytest.raises(Fault, match="no model 'x' among the pinpads"):
        catalog.pinpad("x")


def test_a_device_of_either_kind(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    for name in ("pn532", "ipp-uic", "abecs"):
        profile = catalog.device(name)
        assert profile.model == name
        own.write_text(catalog.find("readers" if name == "pn532" else "pinpads", name).read_text())
        assert catalog.device(str(own)) == profile
    with pytest.raises(Fault, match="no model 'abacs'") as caught:
        catalog.device("abacs")
    assert "did you mean 'abecs'?" in caught.value.hint
    own.write_text('protocol = "morse"\n')
    with pytest.raises(Fault, match="neither a terminal's profile nor a device's"):
        catalog.device(str(own))


def test_a_load_fits_its_pad() -> None:
    for name in catalog.names("pinpads"):
        profile = catalog.pinpad(name)
        load = load_pinpad(fitting_load(profile))
        if isinstance(profile, AbecsProfile):
            slot = f"{profile.abecs.data_key_index:02d}"
        else:
            slot = profile.dialect.mac_slot or profile.dialect.mac_select
        assert slot in load.slots, name


def test_a_users_own_file(tmp_path: Path) -> None:
    text = (catalog.folder("readers") / "pn532.toml").read_text()
    own = tmp_path / "mine.toml"
    own.write_text(text.replace("baud = 115200", "baud = 460800"))
    assert catalog.reader(str(own)).line.baud == 460800


@pytest.mark.parametrize(
    ("kind", "old", "new", "words"),
    [
        ("readers", "baud = 115200", "baud = 115201", "baud must be one of"),
        ("readers", "sends = 3", "sends = 0", "sends must be 1 to 10"),
        ("readers", "ack-s = 0.1 ", "ack-s = 0 ", "ack-s must be"),
        ("readers", 'protocol = "pn532"', 'protocol = "pn533"', "protocol"),
        ("pinpads", "data-bits = 8", "data-bits = 9", "data-bits must be"),
        ("pinpads", "naks = 3", "naks = 30", "naks must be"),
        ("pinpads", 'mac-slot = "B"', 'mac-slot = "BB"', "mac-slot"),
        ("pinpads", 'display = "amounts"', 'display = "everything"', "display"),
        ("pinpads", "naks = 3", "nacks = 3", "nacks"),
        ("pinpads", 'title = "UIC pad', 'title = "\\u001b[2J', "title: 1 to 100 printable"),
        ("readers", 'model = "pn532"', 'model = ""', "model: 1 to 100 printable"),
    ],
)
def test_what_does_not_fit_is_named(kind: str, old: str, new: str, words: str, tmp_path: Path) -> None:
    name = {"readers": "pn532", "pinpads": "ipp-uic"}[kind]
    text = (catalog.folder(kind) / f"{name}.toml").read_text()
    assert old in text
    own = tmp_path / "mine.toml"
    own.write_text(text.replace(old, new, 1))
    with pytest.raises(Fault, match=words) as caught:
        (catalog.reader if kind == "readers" else catalog.pinpad)(str(own))
    assert str(own) in caught.value.what


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('initial-ksn = "FFFF9876543210E00000"', 'initial-ksn = "FFFF98"'),
        ('test-initial-key = "72DD', 'test-initial-key = "72'),
        ('serial = "TGUIC0000001"', 'serial = "TG UIC"'),
        ('slot = "B"', 'slot = "BBB"'),
    ],
)
def test_a_broken_load_never_quotes_a_key(old: str, new: str, tmp_path: Path) -> None:
    text = (catalog.folder("pinpads/loads") / "test-bank.toml").read_text()
    assert old in text
    own = tmp_path / "load.toml"
    own.write_text(text.replace(old, new, 1))
    with pytest.raises(Fault) as caught:
        load_pinpad(str(own))
    assert "41E4F25D" not in caught.value.what + caught.value.hint
