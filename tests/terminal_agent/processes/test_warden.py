# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The warden's process from start to stop: what it locks, judges, records, refuses, and what it never gives back."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocols.signed import Statement
from terminal_agent.audit import verify_file
from tests.patience import PATIENCE_S
from tests.protocols.persons import sealed
from tests.terminal_agent.wardens import KEYBOARD, STICK, TERMINAL, Shop, now, until

ALLOW = 'allow id 0781:5567 with-interface 08:06:50 label "stick"\n'


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    found = Shop(tmp_path)
    yield found
    found.close()


def defaults(shop: Shop) -> list[str]:
    folder = shop.folder / "sys/bus/usb/devices/usb1"
    return [(folder / name).read_text().strip() for name in ("authorized_default", "interface_authorized_default")]


def test_what_is_there_is_judged_and_nothing_is_given_back(shop: Shop) -> None:
    shop.keep(ALLOW)
    shop.plug("1-1", STICK)
    shop.plug("1-2", KEYBOARD)
    shop.start()
    until(lambda: shop.verdicts("1-2"))
    assert (shop.verdicts("1-1"), shop.verdicts("1-2")) == (["allow stick"], ["block implicit"])
    assert (shop.authorized("1-1"), shop.authorized("1-2"), defaults(shop)) == ("1", "0", ["0", "0"])
    fields = shop.records("usb.verdict")[-1]["fields"]
    assert fields["policy"] == 1
    assert fields["hash"].startswith("v2:")
    assert fields["digest"] == shop.status()["digest"] != ""
    assert shop.status()["allowed"] == ["1-1", "usb1"]
    assert shop.stop() == (0, "")
    assert (shop.authorized("1-1"), shop.authorized("1-2"), defaults(shop)) == ("1", "0", ["0", "0"])
    assert [one["name"] for one in (shop.records()[0], shop.records()[-1])] == ["policy.in_force", "warden.stopped"]
    assert verify_file(shop.folder / f"audit/{TERMINAL}.warden.jsonl").head.text() == _head(shop)


def _head(shop: Shop) -> str:
    last = shop.records()[-1]
    return f"warden/{TERMINAL}:{last['seq']}:{last['hash']}"


def test_behind_its_fences_it_has_no_right_of_root(shop: Shop) -> None:
    shop.start()
    status = shop.memory()
    assert status["CapEff"] == status["CapPrm"] == status["CapBnd"] == "0" * 16
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert shop.records("warden.started")[0]["fields"]["fences"] == "all stand"


LATER = """
import sys
from terminal_agent.processes import warden
sys.modules["_hashlib"], sys.modules["inspect"] = None, warden._Later("inspect")
import terminal_agent.processes.warden_watch
assert type(sys.modules["inspect"]) is warden._Later  # no class of the warden's needed it
import inspect
assert inspect.isclass(int) and type(sys.modules["inspect"]) is not warden._Later  # whoever needs it has it
"""


def test_what_the_warden_does_not_need_it_does_not_load() -> None:
    subprocess.run([sys.executable, "-I", "-c", LATER], check=True)


def test_without_a_policy_nothing_lives(shop: Shop) -> None:
    shop.plug("1-1", STICK)
    shop.start()
    until(lambda: shop.verdicts("1-1"))
    assert (shop.verdicts("1-1"), shop.authorized("1-1")) == (["block implicit"], "0")
    assert shop.status()["state"] == "none"


def test_the_first_policy_is_taken_by_a_warden_that_began_with_none(shop: Shop) -> None:
    shop.plug("1-1", STICK)
    shop.start()
    until(lambda: shop.authorized("1-1") == "0")
    shop.keep(ALLOW)
    until(lambda: shop.authorized("1-1") == "1")


def test_a_policy_an_exception_and_their_ends_reach_what_is_plugged_in(shop: Shop) -> None:
    shop.keep("")
    shop.plug("1-1", STICK)
    shop.start()
    until(lambda: shop.authorized("1-1") == "0")
    ends = int(time.time()) + 6
    text = f"reason = 'a visit'\nrules = '''{ALLOW}'''\n"
    statement = Statement("usb-exception", TERMINAL, 1, ends - 60, ends, text)
    shop.store.grant("visit", sealed(statement, "anna", "ben"), now())
    until(lambda: shop.authorized("1-1") == "1")
    until(lambda: shop.authorized("1-1") == "0")
    assert time.time() >= ends
    shop.keep(ALLOW, version=2)
    until(lambda: shop.authorized("1-1") == "1")
    until(lambda: len(shop.verdicts("1-1")) == 4)
    assert shop.verdicts("1-1") == ["block implicit", "allow exception visit, stick", "block implicit", "allow stick"]
    granted = shop.records("exception.granted")
    assert [one["fields"]["name"] for one in granted] == ["visit"]


def test_killed_it_leaves_everything_barred_and_the_next_one_goes_on(shop: Shop) -> None:
    shop.keep(ALLOW)
    shop.plug("1-1", STICK)
    shop.start()
    until(lambda: shop.verdicts("1-1"))
    shop.stop(signal.SIGKILL)
    assert (shop.authorized("1-1"), defaults(shop)) == ("1", ["0", "0"])
    before = len(shop.records())
    shop.start()
    until(lambda: len(shop.records()) > before + 2)
    assert verify_file(shop.folder / f"audit/{TERMINAL}.warden.jsonl").head.seq == len(shop.records())


def test_what_was_tampered_with_is_told(shop: Shop) -> None:
    shop.keep(ALLOW)
    shop.keep(ALLOW, version=2)
    shop.plug("1-1", STICK)
    kept = shop.folder / "usb/kept.signed"
    kept.write_bytes(kept.read_bytes().replace(b'"signature":"', b'"signature":"AAAA', 1)[:-6] + b"\n")
    shop.start()
    until(lambda: shop.verdicts("1-1"))
    assert shop.verdicts("1-1") == ["allow stick"]  # the policy before is in force
    assert any("kept.signed" in one for one in shop.status()["alarms"])
    kept.unlink()
    (shop.folder / "usb/before.signed").write_bytes(b"nonsense\n")
    until(lambda: shop.authorized("1-1") == "0")


def test_a_chain_that_does_not_hold_is_not_continued(shop: Shop) -> None:
    shop.start()
    shop.stop()
    path = shop.folder / f"audit/{TERMINAL}.warden.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[1:]))
    code, said = _started(shop.folder / "warden.toml", shop.folder / "sys")
    assert code == 1
    assert "record 1" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("terminal = 'TG000001'\n", "trust: missing"),
        ("terminal = 'x'\ntrust = 't'\n", "8 capital letters"),
        ("terminal = 'TG000001'\ntrust = 't'\nlisteners = ['nobody-of-that-name']\n", "no user"),
        ("terminal = 'TG000001'\ntrust = 't'\nopen = true\n", "unknown key"),
        ("terminal = 'TG000001'\ntrust = 't'\nradios = ['wifi']\n", "radios: wlan"),
        ("", "terminal: missing"),
        ("[", "not valid TOML"),
    ],
)
def test_settings_that_do_not_hold_are_refused_and_the_ports_are_locked_all_the_same(
    shop: Shop, text: str, said: str
) -> None:
    (shop.folder / "warden.toml").write_text(text)
    code, words = _started(shop.folder / "warden.toml", shop.folder / "sys")
    assert code == 1
    assert said in words
    assert "hint:" in words
    assert defaults(shop) == ["0", "0"]


def test_how_it_is_called() -> None:
    code, said = _started("--help")
    assert (code, "examples:" in said) == (0, True)
    assert _started()[0] == 2


def _started(*arguments: object) -> tuple[int, str]:
    command = [sys.executable, "-I", "-m", "terminal_agent.processes.warden", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    return done.returncode, done.stdout + done.stderr
