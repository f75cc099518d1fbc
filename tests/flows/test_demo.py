# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The demonstration as a person starts it: its endings, its data form, and that nothing stays behind."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEMO = [sys.executable, str(ROOT / "scripts/lib/demo.py")]


def environment(tmp_path: Path) -> dict[str, str]:
    """The demonstration makes its folder below TMPDIR: what it leaves there can be seen."""
    return os.environ | {"TMPDIR": str(tmp_path), "NO_COLOR": "1"}


def left_running(tmp_path: Path) -> list[str]:
    """Command lines of processes that still know the demonstration's folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(tmp_path) in words:
            found.append(words)
    return found


def demo(tmp_path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*DEMO, *options], env=environment(tmp_path), capture_output=True, text=True, timeout=60, check=False
    )
    assert left_running(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
    return done


def lines(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("script", "options", "said"),
    [
        ("demo", ["--usb", "--encipher"], "--usb: --encipher changes nothing there"),
        ("demo", ["--usb", "--amount", "5.00"], "--usb: --amount changes nothing there"),
        ("demo", ["--torn", "--card", "test-visa-like"], "--torn: a Visa-like card has nothing to recover"),
        ("demo", ["--wrong-pin", "--card", "test-mobile-visa"], "--wrong-pin, --replay: a phone"),
        ("lab", ["--fleet", "50", "--t0"], "--fleet: --t0 changes nothing there"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    tmp_path: Path, script: str, options: list[str], said: str
) -> None:
    words = [sys.executable, str(ROOT / f"scripts/lib/{script}.py"), *options]
    done = subprocess.run(words, env=environment(tmp_path), capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_approved(tmp_path: Path) -> None:
    done = demo(tmp_path)
    assert done.returncode == 0, done.stderr
    for words in (
        "APPROVED  EUR 42.00, card 400000******0016",
        "TTQ: 24C00000",
        "CTQ: 8000: online PIN required",
        "CVM: online PIN",
        "KSN FFFF9876543210E00001",
        "session key check value",
        "audit chain whole",
        "payment.finished",
        "TEST keys",
    ):
        assert words in done.stdout
    assert "4000009999990016" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("card", "said"),
    [
        ("test-mastercard-like", ("kernel 2", "card 541333******2217", "CDA succeeded", "PIN good, ARQC good")),
        ("test-visa-fdda", ("kernel 3", "card 400000******2234", "PIN good, ARQC good")),
        ("test-mobile-visa", ("fDDA succeeded", "verified on the consumer's device", "PIN absent, ARQC good")),
        ("test-mobile-mastercard", ("CDA succeeded", "its issuer signed that it does so", "PIN absent, ARQC good")),
    ],
)
def test_approved_with_other_cards(tmp_path: Path, card: str, said: tuple[str, ...]) -> None:
    done = demo(tmp_path, "--card", card)
    assert done.returncode == 0, done.stderr
    for words in ("APPROVED  EUR 42.00", *said, "audit chain whole"):
        assert words in done.stdout


def test_a_card_that_leaves_too_early_is_charged_once(tmp_path: Path) -> None:
    done = demo(tmp_path, "--torn")
    assert done.returncode == 0, done.stderr
    for words in (
        "the card left too early: present it again",
        "it gives it now, and is charged once",
        "transaction counter 1",
        "APPROVED  EUR 42.00, card 541333******2217",
        "PIN good, ARQC good",
    ):
        assert words in done.stdout
    assert "transaction counter 2" not in done.stdout


def test_approved_on_another_reader(tmp_path: Path) -> None:
    done = demo(tmp_path, "--reader", "vivotech2", "--trace")
    assert done.returncode == 0, done.stderr
    for words in ("APPROVED  EUR 42.00", "ViVOtech2 reader", "pass-through on", "found A_ISO_DEP"):
        assert words in done.stdout + done.stderr
    assert "4000009999990016" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("pad", "said"),
    [
        ("ipp-verifone", ("KSN FFFF9876543220E00001", "08 2", "field of 16")),
        ("abecs", ("KSN FFFF9876543240E00001", "OPN success", "GPN method 3, key 01, PAN 400000******0016")),
    ],
)
def test_approved_on_another_pad(tmp_path: Path, pad: str, said: tuple[str, ...]) -> None:
    done = demo(tmp_path, "--pad", pad, "--trace")
    assert done.returncode == 0, done.stderr
    for words in ("APPROVED  EUR 42.00", "session key check value", *said):
        assert words in done.stdout + done.stderr
    assert "4000009999990016" not in done.stdout + done.stderr


def test_approved_with_the_pin_typed_at_a_keypad_of_the_vault(tmp_path: Path) -> None:
    done = demo(tmp_path, "--pad", "software", "--trace")
    assert done.returncode == 0, done.stdout + done.stderr
    for words in (
        "its line goes to the vault alone",
        "mac-master E362B8 serves",
        "key.loaded",
        "enter PIN for 400000******0016",
        "PIN block of format 0, KSN FFFF9876543210E0",
        "APPROVED  EUR 42.00, card 400000******0016",
        "MAC good, KSN fresh, PIN good, ARQC good",
    ):
        assert words in done.stdout, words
    assert "4000009999990016" not in done.stdout + done.stderr


def test_approved_without_an_account_number_in_the_message(tmp_path: Path) -> None:
    done = demo(tmp_path, "--encipher", "--trace")
    assert done.returncode == 0, done.stdout + done.stderr
    for words in (
        "keys load data",
        "account data enciphered by the vault; KSN FFFFDA7A0000020000",
        "DE48=account data of 400000******0016 under KSN FFFFDA7A0000020000",
        "APPROVED  EUR 42.00, card 400000******0016",
        "MAC good, ACCOUNT opened, KSN fresh, PIN good, ARQC good",
    ):
        assert words in done.stdout, words
    assert "DE2=" not in done.stdout
    assert "4000009999990016" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("option", "headline", "log"),
    [
        ("--wrong-pin", "DECLINED (55, incorrect PIN)", "PIN wrong"),
        ("--tampered-arqc", "DECLINED (59, suspected fraud)", "ARQC wrong"),
        ("--replay", "DECLINED (63, security violation)", "KSN replay: counter 1 was used before"),
    ],
)
def test_declined_with_its_reason(tmp_path: Path, option: str, headline: str, log: str) -> None:
    done = demo(tmp_path, option)
    assert done.returncode == 1
    assert headline in done.stdout
    assert log in done.stdout


def test_the_usb_story_in_words(tmp_path: Path) -> None:
    done = demo(tmp_path, "--usb")
    assert done.returncode == 0, done.stderr
    for words in (
        "blocked by rule service port",
        "allowed in part by rule service stick",
        "without a driver: 03:01:01 (keyboard)",
        "rejected by rule nothing that types or stores by the pad",
        "rejected by rule no network",
        "live on the bus: 0 input, 0 disks",
    ):
        assert words in done.stdout
    assert "is not so" not in done.stdout
    documents = lines(demo(tmp_path, "--usb", "--json"))
    assert documents[-1] == {"story": "a-night-at-the-till", "missed": 0}
    stick = [one for one in documents if one.get("port") == "1-6"]
    assert [(one["target"], one["disks"]) for one in stick] == [("block", 0), ("allow-interface", 1), ("block", 0)]


def test_the_same_as_data_with_the_traffic_of_every_wire(tmp_path: Path) -> None:
    done = demo(tmp_path, "--json", "--trace")
    assert done.returncode == 0, done.stderr
    documents = lines(done)
    ready = {one["station"] for one in documents if one.get("event") == "ready"}
    assert ready == {"hsm-sim", "reader", "pad", "broker", "acquirer", "fleet-console", "agent"}
    paid = [one for one in documents if one["station"] == "pay"]
    assert paid[-1]["fields"]["outcome"] == "approved"
    reported = [one for one in documents if one["station"] == "fleet-console" and one.get("event") == "report"]
    assert [one["name"] for one in reported][-1] == "payment.finished"
    seqs = [one["seq"] for one in reported]  # heartbeats between them are left out
    assert seqs == sorted(set(seqs))
    assert {one["wire"] for one in documents if one.get("event") == "traffic"} == {
        "reader",
        "pad",
        "acquirer",
        "hsm",
        "mqtt",
    }
    assert next(one for one in documents if one["station"] == "audit")["whole"] is True
    assert "4000009999990016" not in done.stdout


def test_an_amount_below_the_limit_needs_no_pin(tmp_path: Path) -> None:
    done = demo(tmp_path, "--amount", "18.00")
    assert done.returncode == 0
    assert "asks for the PIN" not in done.stdout


def test_a_strange_amount_is_refused_with_words(tmp_path: Path) -> None:
    done = demo(tmp_path, "--amount", "4,20")
    assert done.returncode != 0
    assert "--amount: a decimal number expected" in done.stderr


def test_kept_running_until_interrupted(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*DEMO, "--keep"], env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if "terminal.toml" in line:
            break
    socket = re.search(r"TILLGUARD_SOCKET=(\S+)", said)
    assert socket is not None
    agent = [str(Path(sys.executable).with_name("terminal-agent"))]
    status = subprocess.run(
        [*agent, "status", "--socket", socket.group(1)], capture_output=True, text=True, check=False
    )
    assert status.returncode == 0, status.stdout + status.stderr
    again = subprocess.run(
        [*agent, "pay", "--amount", "30.00", "--currency", "EUR", "--socket", socket.group(1)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "APPROVED" in again.stdout
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=90)
    assert process.returncode == 0
    assert left_running(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "stage", ["begin", "stations", "hsm-sim", "payment of", "asks for the PIN", "seen at", "audit chain"]
)
def test_interrupted_at_any_stage_nothing_stays(tmp_path: Path, stage: str, number: signal.Signals) -> None:
    process = subprocess.Popen(
        [*DEMO], env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )
    assert process.stdout is not None
    if stage == "begin":
        while not left_running(tmp_path):  # some processes are started, none is ready
            assert process.poll() is None
            time.sleep(0.01)
    else:
        for line in process.stdout:
            if stage in line:
                break
    process.send_signal(number)
    process.communicate(timeout=90)
    assert process.returncode in (0, 130)
    assert left_running(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_killed_outright_nothing_stays_running(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*DEMO], env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "asks for the PIN" in line:
            break
    process.kill()
    process.communicate(timeout=90)
    for _ in range(1_200):
        if not left_running(tmp_path):
            break
        time.sleep(0.05)
    assert left_running(tmp_path) == []
