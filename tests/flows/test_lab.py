# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The lab as a person starts it, on real pcscd and mosquitto: its endings, its data form, and that nothing stays."""

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
LAB = [sys.executable, str(ROOT / "scripts/lib/lab.py")]
PAN = "4000009999990057"


def environment(folder: Path) -> dict[str, str]:
    """The lab makes its folder below TMPDIR: what it leaves there can be seen."""
    return os.environ | {"TMPDIR": str(folder), "NO_COLOR": "1"}


def nothing_stays(folder: Path, within_s: float = 60.0) -> bool:
    """Whether all has ended; a process caught at its very start is ended by the system, not by the lab."""
    deadline = time.monotonic() + within_s
    while left_running(folder) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left_running(folder) == []


def left_running(folder: Path) -> list[str]:
    """Command lines of processes that still know the lab's folder; pcscd's names its configuration there."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in words:
            found.append(words)
    return found


def start(folder: Path, *options: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*LAB, *options], env=environment(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )


def lab(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*LAB, *options], env=environment(folder), capture_output=True, text=True, timeout=60, check=False
    )
    assert nothing_stays(folder)
    assert list(folder.iterdir()) == []
    assert PAN not in done.stdout + done.stderr
    return done


@pytest.mark.parametrize(("option", "said"), [((), "T=1, ATR 3BE0"), (("--t0",), "T=0, ATR 3B68")], ids=["t1", "t0"])
def test_approved(tmp_path: Path, option: tuple[str, ...], said: str) -> None:
    done = lab(tmp_path, *option)
    assert done.returncode == 0, done.stdout + done.stderr
    for words in (
        said,
        "application: TEST CREDIT",
        "CVM: enciphered PIN, checked online",
        "KSN FFFF9876543210E00001",
        "TVR: 8000048000: offline data authentication was not performed; online PIN entered",
        "issuer authentication: the card believes the issuer's answer",
        "TSI: 7800: cardholder verification performed",
        "cryptogram: TC",
        "APPROVED  EUR 42.00, card 400000******0057",
        "MAC good, KSN fresh, PIN good, ARQC good",
        "reports as TG000001: refused (135, not authorized)",
        "payment.finished",
        "audit chain whole",
        "pcscd, vpcd, pyscard and mosquitto are real",
    ):
        assert words in done.stdout, words


@pytest.mark.parametrize(
    ("option", "headline", "log"),
    [
        ("--wrong-pin", "DECLINED (55, incorrect PIN)", "PIN wrong"),
        ("--tampered-arqc", "DECLINED (59, suspected fraud)", "ARQC wrong"),
    ],
)
def test_declined_with_its_reason(tmp_path: Path, option: str, headline: str, log: str) -> None:
    done = lab(tmp_path, option)
    assert done.returncode == 1
    assert headline in done.stdout
    assert log in done.stdout


def test_an_estate_finds_its_copy_and_loses_nothing_of_the_others(tmp_path: Path) -> None:
    done = lab(tmp_path, "--fleet", "5", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(one["holds"] for one in said if one.get("event") == "check")
    [status] = [one for one in said if one.get("event") == "status"]
    assert (status["terminals"], status["dead_letters"].keys() - {"isolated"}) == ({"active": 4, "isolated": 1}, set())
    [isolated] = [one for one in said if one.get("event") == "isolated"]
    assert isolated["terminal"] == "TG000005"
    assert isolated["reason"].startswith("two machines bear its name")
    assert said[-1] == {
        "event": "verdict", "sound": True, "words": "one copy: seen, said why, isolated; nothing of the others lost",
    }  # fmt: skip


def test_an_estate_of_one_has_nobody_to_try_it_against(tmp_path: Path) -> None:
    done = lab(tmp_path, "--fleet", "1")
    assert done.returncode == 2
    assert "--fleet: 2 or more expected" in done.stderr


def test_the_same_as_data_with_the_traffic_of_every_wire(tmp_path: Path) -> None:
    done = lab(tmp_path, "--json", "--trace")
    assert done.returncode == 0, done.stderr
    documents: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    ready = {one["station"]: one for one in documents if one.get("event") == "ready"}
    assert set(ready) == {"pcscd", "hsm-sim", "pad", "mosquitto", "card", "acquirer", "fleet-console", "agent"}
    assert ready["mosquitto"]["kind"] == "mosquitto"
    assert ready["acquirer"]["tls"] is True
    assert {one["wire"] for one in documents if one.get("event") == "traffic"} == {
        "reader",
        "pad",
        "acquirer",
        "hsm",
        "mqtt",
    }
    reported = [one for one in documents if one["station"] == "fleet-console" and one.get("event") == "report"]
    assert reported[-1]["name"] == "payment.finished"
    seqs = [one["seq"] for one in reported]  # heartbeats between them are left out
    assert seqs == sorted(set(seqs))
    assert next(one for one in documents if one.get("event") == "trespass")["refused"] is True


def test_kept_running_the_customer_comes_again(tmp_path: Path) -> None:
    with start(tmp_path, "--keep") as process:
        try:
            comes_again(process)
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=90)
            assert process.returncode == 0
        finally:
            process.terminate()
    assert nothing_stays(tmp_path)
    assert list(tmp_path.iterdir()) == []


def comes_again(process: "subprocess.Popen[str]") -> None:
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if "terminal.toml" in line:
            break
    socket = re.search(r"TILLGUARD_SOCKET=(\S+)", said)
    service = re.search(r"PCSCLITE_CSOCK_NAME=(\S+)", said)
    assert socket is not None
    assert service is not None
    outside = os.environ | {"PCSCLITE_CSOCK_NAME": service.group(1)}
    listed = subprocess.run(["opensc-tool", "-l"], env=outside, capture_output=True, text=True, check=False).stdout
    assert "Tillguard Contact 00 00" in listed
    argv = [str(Path(sys.executable).with_name("terminal-agent")), "pay", "--socket", socket.group(1)]
    again = subprocess.run(
        [*argv, "--amount", "30.00", "--currency", "EUR"], capture_output=True, text=True, check=False
    )
    assert "APPROVED" in again.stdout, again.stdout + again.stderr


@pytest.mark.parametrize(
    ("stage", "number"),
    [
        ("begin", signal.SIGINT),
        ("stations", signal.SIGTERM),
        ("payment of", signal.SIGINT),
        ("asks for the PIN", signal.SIGTERM),
        ("audit chain", signal.SIGINT),
    ],
)
def test_interrupted_at_any_stage_nothing_stays(tmp_path: Path, stage: str, number: signal.Signals) -> None:
    process = start(tmp_path)
    assert process.stdout is not None
    if stage == "begin":
        while not left_running(tmp_path):  # until the first station is started; none is ready
            time.sleep(0.005)
    else:
        for line in process.stdout:
            if stage in line:
                break
    process.send_signal(number)
    process.communicate(timeout=90)
    assert process.returncode in (0, 130)
    assert nothing_stays(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_killed_outright_nothing_stays_running(tmp_path: Path) -> None:
    process = start(tmp_path)
    assert process.stdout is not None
    for line in process.stdout:
        if "asks for the PIN" in line:
            break
    process.kill()
    process.communicate(timeout=90)
    assert nothing_stays(tmp_path)


def test_a_station_that_cannot_start_says_why(tmp_path: Path) -> None:
    done = lab(tmp_path, "--card", "no-such-card")
    assert done.returncode == 1
    assert "lab: error:" in done.stderr
    assert "no model 'no-such-card'" in done.stderr
