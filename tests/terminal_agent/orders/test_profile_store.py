# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A profile is believed when it is taken and each time it is read; nothing older comes back; nothing half is kept."""

from pathlib import Path

import pytest

from protocols.ed25519 import verify
from protocols.signed import Envelope, Statement, Trust
from terminal_agent.orders.profile_store import ProfileNotTaken, ProfileStore
from tests.protocols.persons import sealed, trust
from tillguard.voice import Fault

NOW = 1_800_000_000
TRUST = trust("anna", "bernd", kinds=("profile",))


def store(folder: Path, known: Trust | None = TRUST) -> ProfileStore:
    def check(text: str) -> None:
        if text == "unusable":
            raise Fault("profile: unusable", "")

    return ProfileStore(folder, "TG000001", lambda: known, verify, check)


def profile(version: int, body: str = "text", *persons: str, terminal: str = "TG000001") -> Envelope:
    made = Statement("profile", terminal, version, NOW - 60, NOW + 600, body)
    return sealed(made, *(persons or ("anna", "bernd")))


def test_taken_read_and_raised(tmp_path: Path) -> None:
    here = store(tmp_path)
    assert here.in_force() is None
    assert here.take(profile(3, "three"), NOW) == 3
    assert here.in_force() == "three"
    assert here.take(profile(4, "four"), NOW) == 4
    assert store(tmp_path).in_force() == "four"


@pytest.mark.parametrize(
    ("envelope", "now_s", "words"),
    [
        (profile(2), NOW, "a newer version was believed before"),
        (profile(3, "another"), NOW, "another statement of this version"),
        (profile(3, "three"), NOW, "version 3 is in force already"),
        (profile(4, "text", "anna"), NOW, "too few persons"),
        (profile(4, "text", "mallory", "eve"), NOW, "no known key"),
        (profile(4, terminal="TG000002"), NOW, "for another terminal"),
        (profile(4), NOW + 600, "its time is over"),
        (profile(4), NOW - 61, "its time has not come"),
        (sealed(Statement("usb-policy", "*", 4, 0, NOW + 9, "x"), "anna", "bernd"), NOW, "of another kind"),
    ],
)
def test_what_is_not_taken_changes_nothing(envelope: Envelope, now_s: int, words: str, tmp_path: Path) -> None:
    here = store(tmp_path)
    here.take(profile(3, "three"), NOW)
    with pytest.raises(ProfileNotTaken, match=words):
        here.take(envelope, now_s)
    assert here.in_force() == "three"


def test_what_no_terminal_can_run_with_is_not_taken(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="unusable"):
        store(tmp_path).take(profile(3, "unusable"), NOW)
    assert list(tmp_path.iterdir()) == []


def test_what_was_changed_put_back_or_taken_away_is_not_believed(tmp_path: Path) -> None:
    here = store(tmp_path)
    kept = tmp_path / "profile.signed"
    here.take(profile(3, "three"), NOW)
    old = kept.read_bytes()
    here.take(profile(4, "four"), NOW)
    new = kept.read_bytes()
    for octets, words in (
        (profile(4, "another four").encode(), "another version 4 than what was in force"),
        (old, "older than what was in force"),
        (b"noise", "not a JSON document"),
        (new.replace(b'"key":"', b'"key":"0', 1), "16 hexadecimal digits"),
    ):
        kept.write_bytes(octets)
        with pytest.raises(ProfileNotTaken, match=words):
            here.in_force()
    kept.unlink()
    with pytest.raises(ProfileNotTaken, match="is gone"):
        here.in_force()
    kept.write_bytes(new)
    (tmp_path / "profile.floor").write_text("noise")
    with pytest.raises(ProfileNotTaken, match="cannot be read"):
        here.in_force()


def test_without_persons_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(ProfileNotTaken, match="nobody may sign one"):
        store(tmp_path, None).take(profile(3), NOW)
    store(tmp_path).take(profile(3), NOW)
    with pytest.raises(ProfileNotTaken, match="nobody may sign one"):
        store(tmp_path, None).in_force()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ProfileNotTaken, match="No such file"):
        store(tmp_path / "none").take(profile(3), NOW)
