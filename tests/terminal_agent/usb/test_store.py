# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The signed policy on disk: trial, confirmation, the way back, exceptions; nothing unreadable lets a device in."""

import contextlib
import json
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from protocols.ed25519 import verify
from protocols.signed import Envelope, Statement
from protocols.usb.device import Device
from terminal_agent.usb.commit import TRANSITIONS, Input, State, Trial, step
from terminal_agent.usb.policy import Now
from terminal_agent.usb.store import LONGEST_EXCEPTION_S, NotTaken, Store
from tests.protocols.persons import sealed, trust
from tests.protocols.usb.made import interface

TRUST = trust("anna", "ben", "carl")
STICK = Device("1-6", "0781", "5567", (interface("08:06:50"),))
NOW = Now(utc_s=10_000, steady_s=100.0)


def policy(
    version: int, rules: str = "allow", *, names: tuple[str, ...] = ("anna", "ben"), until_s: int = 90_000
) -> Envelope:
    body = f"title = 'v{version}'\nrules = '''{rules}'''\n"
    return sealed(Statement("usb-policy", "TG000001", version, 0, until_s, body), *names)


def exception(rules: str, from_s: int = 10_000, until_s: int = 13_600) -> Envelope:
    body = f"reason = 'ticket'\nrules = '''{rules}'''\n"
    return sealed(Statement("usb-exception", "*", 1, from_s, until_s, body), "anna", "carl")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "usb", "TG000001", TRUST, verify, "boot-1")


def later(seconds: float) -> Now:
    return replace(NOW, utc_s=NOW.utc_s + int(seconds), steady_s=NOW.steady_s + seconds)


def target(store: Store, now: Now = NOW, device: Device = STICK) -> str:
    return str(store.in_force(now).policy.judge(device, now).target)


def kept(store: Store, *versions: int) -> None:
    for version in versions:
        store.offer(policy(version), NOW, 60)
        store.confirm(NOW)


def test_an_empty_folder_allows_nothing(store: Store) -> None:
    found = store.in_force(NOW)
    assert (found.state, target(store)) == (State.NONE, "block")


def test_offer_confirm_and_the_floor_rises(store: Store) -> None:
    assert store.offer(policy(7), NOW, 60).file.title == "v7"
    found = store.in_force(NOW)
    assert (found.state, found.version, found.trial_ends_steady_s) == (State.FIRST_TRIAL, 7, 160.0)
    assert found.persons == ("anna", "ben")
    assert target(store) == "allow"
    store.confirm(NOW)
    assert store.in_force(later(9_999)).state is State.KEPT
    with pytest.raises(NotTaken, match="version 6, at least 7"):
        store.offer(policy(6), NOW, 60)
    with pytest.raises(NotTaken, match="another statement of this version"):
        store.offer(policy(7, "block"), NOW, 60)
    store.offer(policy(8, "block"), NOW, 60)
    assert target(store) == "block"


def test_without_confirmation_the_policy_before_is_in_force_again(store: Store) -> None:
    kept(store, 7)
    store.offer(policy(8, "block"), NOW, 60)
    assert store.in_force(later(59.9)).version == 8
    found = store.in_force(later(60))
    assert (found.version, found.state) == (7, State.KEPT)
    assert "ended without confirmation" in found.alarms[0]
    with pytest.raises(NotTaken, match="no policy is on trial"):
        store.confirm(later(61))
    store.offer(policy(8, "block"), later(61), 60)  # the floor did not rise: the same version may come again


def test_a_restart_ends_a_trial(store: Store, tmp_path: Path) -> None:
    kept(store, 7)
    store.offer(policy(8, "block"), NOW, 60)
    anew = Store(tmp_path / "usb", "TG000001", TRUST, verify, "boot-2")
    assert anew.in_force(Now(10_010, steady_s=1.0)).version == 7


def test_taken_back(store: Store) -> None:
    store.offer(policy(7), NOW, 60)
    store.take_back(NOW)
    assert target(store) == "block"
    with pytest.raises(NotTaken, match="no policy is on trial"):
        store.take_back(NOW)


def test_one_trial_at_a_time_and_of_a_sane_length(store: Store) -> None:
    store.offer(policy(7), NOW, 60)
    with pytest.raises(NotTaken, match="another policy is on trial"):
        store.offer(policy(8), NOW, 60)
    for seconds in (9, 86_401):
        with pytest.raises(NotTaken, match="a trial of"):
            store.offer(policy(8), NOW, seconds)


@pytest.mark.parametrize(
    ("envelope", "why"),
    [
        (policy(7, names=("anna",)), "too few persons"),
        (policy(7, names=("anna", "mallory")), "too few persons"),
        (policy(7, until_s=10_000), "its time is over"),
        (policy(7, "allow it"), "an attribute with its value"),
        (exception("allow"), "another kind"),
        (sealed(Statement("usb-policy", "TG000002", 7, 0, 90_000, "x"), "anna", "ben"), "another terminal"),
        (sealed(Statement("usb-policy", "*", 7, 0, 90_000, "title = "), "anna", "ben"), "not valid TOML"),
    ],
)
def test_what_is_not_taken(store: Store, envelope: Envelope, why: str) -> None:
    with pytest.raises(NotTaken, match=why):
        store.offer(envelope, NOW, 60)
    assert target(store) == "block"


@pytest.mark.parametrize("damage", [b"", b"{}", b"\xff" * 9, policy(9, names=("mallory", "nell")).encode(), None])
def test_an_unreadable_policy_falls_back_to_the_last_signed_one(
    store: Store, tmp_path: Path, damage: bytes | None
) -> None:
    kept(store, 7, 8)
    path = tmp_path / "usb/kept.signed"
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage)
    found = store.in_force(NOW)
    assert found.version == 7
    assert any("kept.signed" in alarm for alarm in found.alarms)
    (tmp_path / "usb/before.signed").write_bytes(b"also damaged")
    assert store.in_force(NOW).version == 0
    assert target(store) == "block"


class Death(BaseException):
    """The machine stops."""


@pytest.mark.parametrize("writes", range(6))
@pytest.mark.parametrize("step_of", ["offer", "confirm"])
def test_death_between_any_two_writes_leaves_a_policy_in_force(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int, step_of: str
) -> None:
    kept(store, 7)
    if step_of == "confirm":
        store.offer(policy(8, "block"), NOW, 60)
    write, left = Store._write, [writes]

    def dying(self: Store, name: str, octets: bytes) -> None:
        if not left[0]:
            raise Death
        left[0] -= 1
        write(self, name, octets)

    with monkeypatch.context() as patch, contextlib.suppress(Death):
        patch.setattr(Store, "_write", dying)
        if step_of == "offer":
            store.offer(policy(8, "block"), NOW, 60)
        else:
            store.confirm(NOW)
    again = Store(tmp_path / "usb", "TG000001", TRUST, verify, "boot-2")
    found = again.in_force(Now(10_010, steady_s=5.0))
    assert found.version in (7, 8)
    assert found.state is State.KEPT
    again.offer(policy(9), Now(10_010, steady_s=5.0), 60)
    again.confirm(Now(10_020, steady_s=15.0))
    assert again.in_force(Now(10_020, steady_s=15.0)).version == 9


def test_a_damaged_trial_is_no_trial(store: Store, tmp_path: Path) -> None:
    kept(store, 7)
    store.offer(policy(8, "block"), NOW, 60)
    (tmp_path / "usb/trial.json").write_text("{")
    assert store.in_force(NOW).version == 7
    store.offer(policy(8, "block"), NOW, 60)
    (tmp_path / "usb/trial.signed").write_text("{")
    assert store.in_force(NOW).version == 7


def test_a_damaged_floor_stops_every_offer(store: Store, tmp_path: Path) -> None:
    kept(store, 7)
    (tmp_path / "usb/floor.json").write_text("[]")
    with pytest.raises(NotTaken, match=r"floor\.json"):
        store.offer(policy(8), NOW, 60)


def test_a_kept_policy_outlives_its_end_and_is_told_stale(store: Store) -> None:
    kept(store, 7)
    found = store.in_force(later(90_000))
    assert (found.stale, found.version) == (True, 7)
    assert not store.in_force(NOW).stale


def test_an_exception_holds_for_its_time_and_no_longer(store: Store) -> None:
    store.offer(policy(7, 'block label "no"'), NOW, 60)
    store.confirm(NOW)
    store.grant("ticket", exception('allow id 0781:5567 label "stick"'), NOW)
    for seconds, rule in ((0, "exception ticket, stick"), (3_599, "exception ticket, stick"), (3_600, "no")):
        now = later(seconds)
        assert store.in_force(now).policy.judge(STICK, now).rule_id == rule
    assert store.in_force(NOW).policy.next_change(NOW) == 13_600
    store.withdraw("ticket")
    assert target(store) == "block"
    with pytest.raises(NotTaken, match="no such exception"):
        store.withdraw("ticket")


def test_exceptions_that_are_not_taken(store: Store, tmp_path: Path) -> None:
    for name, envelope, why in (
        ("Ticket", exception("allow"), "an exception's name"),
        ("../x", exception("allow"), "an exception's name"),
        ("t", exception("allow", until_s=10_001 + LONGEST_EXCEPTION_S), "more than 72 hours"),
        ("t", exception("allow", 1, 2), "its time is over"),
        ("t", policy(7), "another kind"),
    ):
        with pytest.raises(NotTaken, match=why):
            store.grant(name, envelope, NOW)
    store.grant("t", exception("allow"), NOW)
    kept(store, 7)
    (tmp_path / "usb/exceptions/t.signed").write_bytes(policy(7).encode())
    found = store.in_force(NOW)
    assert found.policy.granted == ()
    assert "exception t does not hold" in found.alarms[0]


def test_every_state_and_input() -> None:
    for state, happened in product(State, Input):
        after = step(state, happened)
        assert (after is None) is ((state, happened) not in TRANSITIONS)
        if happened is Input.CONFIRM:
            assert after in (None, State.KEPT)
        if state is State.FIRST_TRIAL and happened is not Input.CONFIRM:
            assert after in (None, State.NONE)


def test_when_a_trial_ends() -> None:
    trial = Trial("boot-1", 100.0, 160.0)
    assert trial.ended("boot-1", 159.9) is None
    assert trial.ended("boot-1", 160.0) is Input.TIME_UP
    assert trial.ended("boot-2", 101.0) is Input.RESTART
    assert trial.ended("boot-1", 99.0) is Input.RESTART


def test_the_folder_is_its_owners_alone(store: Store, tmp_path: Path) -> None:
    kept(store, 7)
    assert (tmp_path / "usb").stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "usb").iterdir())
    assert json.loads((tmp_path / "usb/floor.json").read_text())["version"] == 7


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file/usb", "TG000001", TRUST, verify, "boot-1")
    with pytest.raises(NotTaken, match="file/usb"):
        store.offer(policy(7), NOW, 60)
    assert store.in_force(NOW).state is State.NONE
