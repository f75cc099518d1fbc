# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""`fleet-console` as a process: help, faults with hints and exit codes, a clean end on signals."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from device_profiles.serve.mosquitto import free_port
from tests.brokers import KINDS, Pki, broker, make_pki
from tests.patience import PATIENCE_S

COMMAND = [sys.executable, "-m", "fleet_console.cli"]


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("pki"))


def watch(pki: Pki, address: str, *more: str, name: str = "head-office") -> list[str]:
    files = ["--ca", str(pki.ca), "--certificate", str(pki.certificate(name)), "--key", str(pki.key(name))]
    return [*COMMAND, "watch", "--broker", address, *files, *more]


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def test_help_has_examples_and_loads_nothing_heavy() -> None:
    done = run([sys.executable, "-X", "importtime", *COMMAND[1:], "--help"])
    assert done.returncode == 0
    assert "examples:\n  fleet-console ingest --settings" in done.stdout
    for heavy in ("asyncio", "ssl", "mqtt5", "msgspec", "cryptography"):
        assert f" {heavy}\n" not in done.stderr, heavy


def test_no_command_is_a_usage_fault() -> None:
    assert run(COMMAND).returncode == 2


@pytest.mark.parametrize("address", ["127.0.0.1", ":1", "h:0", "h:x", "h:99999"])
def test_bad_address(pki: Pki, address: str) -> None:
    done = run(watch(pki, address))
    assert done.returncode == 2
    error, hint = done.stderr.splitlines()
    assert error.startswith("fleet-console: error: --broker: HOST:PORT expected, ")
    assert hint == "hint: such as 127.0.0.1:8883"


def test_missing_and_unusable_files(pki: Pki, tmp_path: Path) -> None:
    done = run(watch(pki, "127.0.0.1:1", name="nobody"))
    assert done.returncode == 2
    assert "nobody.pem: no such file" in done.stderr
    (tmp_path / "bad.pem").write_text("no certificate")
    done = run(watch(pki, "127.0.0.1:1", "--ca", str(tmp_path / "bad.pem")))
    assert done.returncode == 2
    assert "cannot be used" in done.stderr


def test_no_broker_there(pki: Pki) -> None:
    done = run(watch(pki, f"127.0.0.1:{free_port()}", "--json"))
    assert done.returncode == 5
    assert "connection refused" in done.stderr.lower() or "connect call failed" in done.stderr.lower()
    assert json.loads(done.stdout)["exit"] == 5


def test_something_else_there(pki: Pki) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        process = subprocess.Popen(
            watch(pki, f"127.0.0.1:{server.getsockname()[1]}"),
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        connection, _ = server.accept()
        connection.recv(10)
        connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")
        connection.close()
        out, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, out) == (5, "")
    assert "TLS: wrong version number" in err


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("twin", "stranger", ""),
        ("mosquitto", "stranger", ""),
        ("twin", "TG000001", "refused the subscription: not authorized"),  # mosquitto grants it and delivers nothing
    ],
)
async def test_certificate_that_is_not_head_offices(pki: Pki, tmp_path: Path, kind: str, name: str, words: str) -> None:
    async with broker(kind, pki, tmp_path) as running:
        process = await asyncio.create_subprocess_exec(
            *watch(pki, running.address, name=name), stderr=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(PATIENCE_S):
            _, err = await process.communicate()
    assert process.returncode == 5
    assert words in err.decode()
    assert "hint:" in err.decode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("kind", KINDS)
async def test_signals_end_it_cleanly(pki: Pki, tmp_path: Path, number: signal.Signals, kind: str) -> None:
    async with broker(kind, pki, tmp_path) as running:
        process = await asyncio.create_subprocess_exec(
            *watch(pki, running.address, "--json"), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            ready = json.loads(await process.stdout.readline())
            assert ready == {"event": "ready", "broker": running.address, "session": "new"}
            before = time.monotonic()
            process.send_signal(number)
            out, err = await process.communicate()
    assert (process.returncode, out, err) == (0, b"", b"")
    assert time.monotonic() - before < 30
