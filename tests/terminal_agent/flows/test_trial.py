# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Certificates on trial: promoted by a receipt over the new one, given up when only the old one is heard."""

from pathlib import Path
from typing import Any

import pytest

from terminal_agent.flows.trial import Trial
from terminal_agent.identity.folder import Folder, IdentityError
from terminal_agent.report.settings import ReportSettings

BARE = ReportSettings("broker:8883", Path("ca"), Path("certificate"), Path("key"))


class Place:
    """A folder, a trial over it, and what was recorded."""

    def __init__(self, path: Path) -> None:
        self.folder = Folder(path, "TG000001")
        self.notes: list[tuple[str, dict[str, Any]]] = []
        self.trial = Trial(self.folder, lambda name, **fields: self.notes.append((name, fields)))

    def enrolled(self) -> "Place":
        record = self.folder.prepare(self.folder.read(), b"key 1", b"application", "1" * 64)
        self.folder.issued(record, b"certificate 1")
        return self

    def renewed(self) -> "Place":
        record = self.folder.prepare(self.folder.read(), b"key 2", b"application", "2" * 64)
        self.folder.issued(record, b"certificate 2")
        return self

    def shown(self) -> bytes:
        return self.trial.settings(BARE).certificate.read_bytes()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_terminal_that_was_never_enrolled_shows_what_its_profile_says(place: Place) -> None:
    assert place.trial.settings(BARE) is BARE
    place.trial.heard()
    place.trial.ended("away")
    assert place.notes == []


def test_no_folder_is_made_for_a_terminal_that_was_never_enrolled(tmp_path: Path) -> None:
    place = Place(tmp_path / "identity")
    assert place.trial.settings(BARE) is BARE
    place.trial.heard()
    assert not (tmp_path / "identity").exists()


def test_promoted_by_a_receipt_over_the_new_one(place: Place) -> None:
    place.enrolled()
    assert place.shown() == b"certificate 1"
    place.renewed()
    assert place.shown() == b"certificate 2"
    place.trial.heard()
    assert [name for name, _ in place.notes] == ["certificate.promoted"]
    assert place.shown() == b"certificate 2"
    assert place.folder.read().candidate == ""
    place.trial.heard()
    assert len(place.notes) == 1


def test_given_up_when_only_the_old_one_is_heard(place: Place) -> None:
    place.enrolled().renewed()
    assert place.shown() == b"certificate 2"
    place.trial.ended("the broker refuses the certificate")
    assert place.shown() == b"certificate 1"
    place.trial.heard()
    assert place.notes == [("certificate.refused", {"reason": "the broker refuses the certificate"})]
    assert place.shown() == b"certificate 1"
    assert not any(slot.key.exists() for slot in (place.folder.slot("b"),))


def test_while_the_line_is_down_they_take_turns_and_nothing_is_decided(place: Place) -> None:
    place.enrolled().renewed()
    seen = []
    for _ in range(4):
        seen.append(place.shown())
        place.trial.ended("no route to host")
    assert seen == [b"certificate 2", b"certificate 1"] * 2
    assert place.notes == []
    assert place.shown() == b"certificate 2"
    place.trial.heard()
    assert [name for name, _ in place.notes] == ["certificate.promoted"]


def test_a_renewal_while_connected_is_tried_at_the_next_connection(place: Place) -> None:
    place.enrolled()
    place.shown()
    place.renewed()
    place.trial.heard()  # over the old one, before the new one was tried
    assert place.notes == []
    place.trial.ended("closed")
    assert place.shown() == b"certificate 2"


def test_a_kill_during_a_promotion_leaves_no_old_key(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.enrolled().renewed()
    place.shown()

    def killed(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(place.folder, "empty", killed)
    with pytest.raises(KeyboardInterrupt):
        place.trial.heard()
    again = Place(place.folder.path)
    assert again.shown() == b"certificate 2"
    assert not again.folder.slot("a").key.exists()


def test_a_folder_that_is_damaged_meanwhile_decides_nothing_and_is_told_at_the_next_connection(place: Place) -> None:
    """The reporter calls these where nothing may be raised: it would end the agent, and payments with it."""
    place.enrolled().renewed()
    assert place.shown() == b"certificate 2"
    record = place.folder.path / "identity.json"
    sound = record.read_bytes()
    record.write_bytes(b"noise")
    place.trial.heard()
    place.trial.ended("away")
    with pytest.raises(IdentityError, match="damaged"):
        place.trial.settings(BARE)
    assert place.notes == []
    record.write_bytes(sound)
    assert place.shown() == b"certificate 2"
    place.trial.heard()
    assert [name for name, _ in place.notes] == ["certificate.promoted"]
