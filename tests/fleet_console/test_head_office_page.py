# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""docs/head-office.md: its commands, run as they stand there, from the top to the end, against the real mosquitto."""

import asyncio
import os
import re
import signal
import sys
from pathlib import Path

from device_profiles.serve.mosquitto import Mosquitto, free_port, must_find
from fleet_console.cli import COMMANDS
from fleet_console.settings import load
from tests.fleet_console.test_orders import people

PAGE = Path(__file__).resolve().parents[2] / "docs" / "head-office.md"
PORTS = {"18883": "", "18884": "", "19105": "0"}
READY = "until grep -q ready said; do sleep 0.1; done"


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


async def shell(script: str, folder: Path) -> str:
    """Run a block; every line of it must end well."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    process = await asyncio.create_subprocess_exec(
        "sh", "-eu", "-c", script, cwd=folder, env={**os.environ, "PATH": path},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    async with asyncio.timeout(60):
        out, _ = await process.communicate()
    assert process.returncode == 0, f"{script}\n{out.decode()}"
    return out.decode()


async def test_every_command_of_the_page_runs(tmp_path: Path) -> None:
    text = PAGE.read_text()
    for shown, wanted in PORTS.items():
        text = text.replace(shown, wanted or str(free_port()))
    text = text.replace("--user root", "--user root --address 127.0.0.1")
    setting_up, check, ingest, isolate, orders, audit = blocks(text, "sh")
    (tmp_path / "office.toml").write_text(blocks(text, "toml")[0])
    people(tmp_path)
    (tmp_path / "ada.key").write_bytes((tmp_path / "Ada.key").read_bytes())
    await shell(setting_up, tmp_path)
    conf = tmp_path / "broker" / "mosquitto.conf"
    broker = await Mosquitto.start(must_find(), conf, lambda _: None)
    try:
        await broker.ready(int(re.findall(r"^listener (\d+)", conf.read_text(), re.MULTILINE)[1]))
        assert "BROKEN" not in await shell(check, tmp_path)
        running = ingest.replace("ingest &", f"ingest > said 2>&1 & echo $! > pid\n{READY}")
        said = await shell(running, tmp_path)
        try:
            assert "3 online" in said
            assert "device.lost" in said or "receipted 15" in said
            shown = await shell(isolate, tmp_path)
            assert "isolated" in shown
            given = await shell(orders, tmp_path)
            assert "(1 of 2)" in given
            verified = await shell(audit, tmp_path)
            assert "records hold" in verified
        finally:
            os.kill(int((tmp_path / "pid").read_text()), signal.SIGTERM)
    finally:
        await broker.stop()


def test_every_setting_of_the_page_is_taken(tmp_path: Path) -> None:
    first, more = blocks(PAGE.read_text(), "toml")
    file = tmp_path / "office.toml"
    file.write_text(first)
    assert load(file).ingest is not None
    crl, enrolment = more.split("\n\n")
    file.write_text(first.replace("[broker]", crl) + enrolment)
    broker = load(file).broker
    assert broker is not None
    assert broker.reload == ("systemctl", "reload", "mosquitto")


def test_the_page_names_every_command() -> None:
    text = PAGE.read_text()
    assert [name for name in COMMANDS if f"fleet-console {name}" not in text] == []
