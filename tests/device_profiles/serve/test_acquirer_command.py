# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""`device-twin acquirer` as a person or a script runs it, with `hsm-sim` as its own process."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from device_profiles.cli import main
from protocols.acquirer.dialects import ASCII_1987
from protocols.acquirer.frame import Framer, frame
from protocols.acquirer.message import Message, decode, draft
from protocols.acquirer.mti import Mti, NetworkCode

WAIT_S = 20
ECHO = Message(
    mti=Mti.NETWORK_REQUEST, transmitted="0607123456", stan=1, terminal="TG000001", network_code=NetworkCode.ECHO
)
SIGN_ON = Message(
    mti=Mti.NETWORK_REQUEST, transmitted="0607123456", stan=2, terminal="TG000001", network_code=NetworkCode.SIGN_ON
)


@contextmanager
def running(*words: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A command with ``--json``, its readiness line, and a clean end."""
    command = [sys.executable, "-m", *words, "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=WAIT_S)
    assert process.returncode == 0, said
    assert "Traceback" not in said


def ask(address: str, message: Message) -> Message:
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=WAIT_S) as line:
        line.sendall(frame(draft(message, ASCII_1987).without_mac(), ASCII_1987))
        framer = Framer(ASCII_1987)
        while True:
            for one in framer.feed(line.recv(4096)):
                return decode(one.message, ASCII_1987).message


@pytest.fixture(scope="module")
def hsm() -> Iterator[str]:
    with running("hsm_sim.cli", "serve", "--port", "0") as (_, ready):
        yield str(ready["address"])


def test_it_serves_and_tells_and_remembers(hsm: str, tmp_path: Path) -> None:
    state = tmp_path / "bank.json"
    words = ("device_profiles.cli", "acquirer", "--hsm", hsm, "--trace", "--state", str(state))
    with running(*words) as (process, ready):
        assert (ready["event"], ready["twin"], ready["profile"], ready["tls"]) == (
            "ready",
            "acquirer",
            "test-bank",
            False,
        )
        assert len(ready["check_value"]) == 16
        assert ask(ready["address"], ECHO).response_code == "00"
        answer = ask(ready["address"], SIGN_ON)
        assert answer.session_key is not None
        assert process.stdout is not None
        told = [json.loads(process.stdout.readline()) for _ in range(6)]
    assert [one["event"] for one in told] == ["traffic", "network", "traffic"] * 2
    assert told[0]["text"].startswith("0800 DE7=0607123456")
    assert told[3]["wire"] == "acquirer"
    assert told[5]["text"].endswith(f"DE128={answer.mac.hex().upper()}") if answer.mac else False
    assert answer.session_key.cryptogram.hex().upper() not in json.dumps(told)
    assert json.loads(state.read_text())["session_keys"].keys() == {"TG000001"}
    assert state.stat().st_mode & 0o777 == 0o600
    with running(*words) as (_, ready):
        assert ask(ready["address"], ECHO).mac is not None  # it still knows the session key


def test_a_busy_port_is_a_fault_with_a_hint(hsm: str, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["acquirer", "--hsm", hsm, "--port", str(port)]) == 1
    said = capsys.readouterr().err
    assert f"device-twin: error: cannot listen on 127.0.0.1:{port}: " in said
    assert "hint: another program has that port? --port 0 takes any free one" in said


def test_without_an_hsm_it_says_how_to_get_one(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert main(["acquirer", "--hsm", f"127.0.0.1:{port}"]) == 5
    assert "hint: start one: hsm-sim serve --port 1500" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--hsm", "nowhere"], 2, "--hsm nowhere: HOST:PORT expected"),
        (["--hsm", "127.0.0.1:1", "--port", "70000"], 2, "--port 70000: not a port"),
        (["--hsm", "127.0.0.1:1", "--listen", "0.0.0.0"], 4, "only loopback may go without TLS"),
        (["--hsm", "127.0.0.1:1", "--tls-ca", "ca.pem"], 2, "TLS needs three files"),
        (
            ["--hsm", "127.0.0.1:1", "--tls-ca", "absent.pem", "--tls-certificate", "x", "--tls-key", "y"],
            2,
            "check the three paths",
        ),
        (["--hsm", "127.0.0.1:1", "--profile", "test-bnk"], 2, "did you mean 'test-bank'?"),
    ],
)
def test_wrong_options(words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["acquirer", *words]) == code
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[rules]]\namont = 1\ncode = '51'\n", "did you mean 'amount'?"),
        ("[[rules]]\namount = 1\n", "a rule needs one of code, fault, delay-ms"),
        ("[[rules]]\nfault = 'explode'\n", "one of: lose, drop, duplicate"),
        ("[[rules]]\ncode = '5'\n", "code: two letters or digits"),
        ("[[rules]]\ndelay-ms = -1\n", "delay-ms: 0 to 600000"),
        ("[[rules]]\ncode = '51'\ntimes = -1\n", "times: 0 (always) or more"),
    ],
)
def test_wrong_scripts(text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "script.toml"
    path.write_text(text, encoding="utf-8")
    assert main(["acquirer", "--hsm", "127.0.0.1:1", "--script", str(path)]) == 2
    shown = capsys.readouterr().err
    assert said in shown
    assert "script.toml" in shown


def test_a_state_file_of_something_else_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bank.json"
    path.write_text("{}", encoding="utf-8")
    assert main(["acquirer", "--hsm", "127.0.0.1:1", "--state", str(path)]) == 2
    assert "not what this twin wrote" in capsys.readouterr().err
    assert path.read_text(encoding="utf-8") == "{}"
