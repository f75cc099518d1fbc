# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""`device-twin broker` as a process: readiness, trace, faults with hints, a clean end, and no child left behind."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.brokers import KINDS, Pki, make_pki
from tests.patience import PATIENCE_S, until

T1 = "pos/v1/s20/TG000001"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("pki"))


def command(pki: Pki, *more: str, ca: str = "ca", name: str = "broker") -> list[str]:
    files = ["--ca", str(pki.certificate(ca)), "--certificate", str(pki.certificate(name)), "--key", str(pki.key(name))]
    return [sys.executable, "-m", "device_profiles.cli", "broker", *files, *more]


@asynccontextmanager
async def serving(*arguments: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, Any]]:
    process = await asyncio.create_subprocess_exec(
        *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE_S):
            while (line := json.loads(await process.stdout.readline()))["event"] != "ready":
                pass
        yield process, line
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def child_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


async def publish(pki: Pki, address: str) -> str:
    host, port = address.split(":")
    assert shutil.which("mosquitto_pub"), "mosquitto_pub is not installed: apt-get install mosquitto-clients"
    publisher = await asyncio.create_subprocess_exec(
        "mosquitto_pub", "-h", host, "-p", port, "-V", "5", *pki.flags("TG000001"),
        "-t", f"{T1}/health", "-m", "SECRET-PAYLOAD", "-q", "1", "-d",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await publisher.communicate()
    return output.decode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("kind", KINDS)
async def test_serves_until_told_to_stop(kind: str, number: signal.Signals, pki: Pki) -> None:
    async with serving(*command(pki, "--json", "--kind", kind)) as (process, ready):
        assert set(ready) == {"event", "address", "kind", "version"}
        assert ready["kind"] == kind
        assert ready["version"][0].isdigit()
        assert "received PUBACK" in await publish(pki, ready["address"])
        process.send_signal(number)
        async with asyncio.timeout(PATIENCE_S):
            out, err = await process.communicate()
        assert (process.returncode, out, err) == (0, b"", b"")
    with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
        probe.connect(("127.0.0.1", int(ready["address"].split(":")[1])))


@pytest.mark.parametrize("kind", KINDS)
async def test_trace_says_what_goes_over_the_wire_without_payloads(kind: str, pki: Pki) -> None:
    async with serving(*command(pki, "--json", "--trace", "--kind", kind)) as (process, ready):
        await publish(pki, ready["address"])
        process.terminate()
        async with asyncio.timeout(PATIENCE_S):
            out, _ = await process.communicate()
    traffic = [line for line in map(json.loads, out.splitlines()) if line["event"] == "traffic"]
    assert {line["wire"] for line in traffic} == {"mqtt"}
    received = "\n".join(line["text"] for line in traffic if line["direction"] == "<")
    assert "PUBLISH" in received
    assert f"{T1}/health" in received
    assert b"SECRET" not in out


async def test_auto_takes_mosquitto_where_it_is_installed_and_real_asks_for_it(pki: Pki) -> None:
    for flags in ([], ["--real"]):
        async with serving(*command(pki, "--json", *flags)) as (_, ready):
            assert ready["kind"] == "mosquitto"


async def test_auto_takes_the_twin_where_it_is_not(pki: Pki) -> None:
    script = (
        "import sys; from device_profiles.serve import mosquitto; mosquitto.find = lambda: None;"
        "from device_profiles.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    arguments = command(pki, "--json")[3:]
    async with serving(sys.executable, "-c", script, *arguments) as (_, ready):
        assert ready["kind"] == "twin"
    refused = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        script,
        *arguments,
        "--real",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    _, err = await refused.communicate()
    assert refused.returncode == 1
    assert b"hint: install it: apt-get install mosquitto; or take --kind twin" in err


async def test_mosquitto_dies_with_its_parent(pki: Pki) -> None:
    async with serving(*command(pki, "--json", "--real")) as (process, ready):
        port = int(ready["address"].split(":")[1])
        process.kill()
        await process.wait()
        await until(lambda: not listens(port))


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def test_mosquitto_that_dies_is_said(pki: Pki) -> None:
    async with serving(*command(pki, "--json", "--real")) as (process, _):
        os.kill(child_of(process.pid), signal.SIGKILL)
        async with asyncio.timeout(PATIENCE_S):
            out, err = await process.communicate()
    assert process.returncode == 1
    assert "mosquitto ended" in err.decode()
    assert "mosquitto ended" in json.loads(out)["error"]


@pytest.mark.parametrize("kind", KINDS)
def test_port_in_use(kind: str, pki: Pki) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            command(pki, "--kind", kind, "--port", str(port)),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == f"device-twin: error: port {port} is in use\nhint: stop who uses it, or take --port 0\n"


@pytest.mark.parametrize("kind", KINDS)
def test_unusable_certificates(kind: str, pki: Pki) -> None:
    missing = subprocess.run(
        command(pki, "--kind", kind, ca="none"), capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert missing.returncode == 2
    assert "none.pem: no such file" in missing.stderr
    (pki.folder / "noise.pem").write_text("noise")
    (pki.folder / "noise.key").write_text("noise")
    unusable = subprocess.run(
        command(pki, "--kind", kind, name="noise"), capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert unusable.returncode == 2
    assert "hint: check --ca, --certificate and --key" in unusable.stderr
    assert "Traceback" not in unusable.stderr


def test_help_shows_examples(pki: Pki) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "device_profiles.cli", "broker", "--help"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    assert "examples:\n  device-twin broker --ca ca.pem" in done.stdout
