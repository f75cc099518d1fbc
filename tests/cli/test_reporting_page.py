# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""docs/reporting.md: its commands, run as they stand there, behind those of docs/head-office.md that set one up."""

import os
import signal
from pathlib import Path

from device_profiles.serve.mosquitto import Mosquitto, free_port, must_find
from tests.fleet_console.test_head_office_page import PAGE as OFFICE_PAGE
from tests.fleet_console.test_head_office_page import blocks, shell

PAGE = OFFICE_PAGE.parent / "reporting.md"
INGEST = "until grep -q ready ingest.said; do sleep 0.1; done"
AGENT = "until grep -q ready agent.said; do sleep 0.1; done"


def pages() -> tuple[str, str]:
    """Both pages, with ports of this test's own."""
    office, page = OFFICE_PAGE.read_text(), PAGE.read_text()
    for shown in ("18883", "18884"):
        port = str(free_port())
        office, page = office.replace(shown, port), page.replace(shown, port)
    return office.replace("19105", "0").replace("--user root", "--user root --address 127.0.0.1"), page


def started(script: str) -> str:
    """What goes on behind a block is awaited, and can be ended."""
    script = script.replace("ingest &", f"ingest > ingest.said 2>&1 & echo $! > ingest.pid\n{INGEST}")
    return script.replace("terminal.toml &", f"terminal.toml > agent.said 2>&1 & echo $! > agent.pid\n{AGENT}")


def end(folder: Path) -> None:
    """Head office's ingest and the agent, as far as they began."""
    for pid in folder.glob("*.pid"):
        os.kill(int(pid.read_text()), signal.SIGTERM)


async def test_every_command_of_the_page_runs(tmp_path: Path) -> None:
    office, page = pages()
    (tmp_path / "office.toml").write_text(blocks(office, "toml")[0])
    (tmp_path / "trust.toml").write_text(blocks(page, "toml")[1])
    persons, profile, begin, order, signed, exchanged = blocks(page, "sh")
    await shell(blocks(office, "sh")[0], tmp_path)
    conf = tmp_path / "broker" / "mosquitto.conf"
    broker = await Mosquitto.start(must_find(), conf, lambda _: None)
    try:
        listeners = [int(line.split()[1]) for line in conf.read_text().splitlines() if line.startswith("listener ")]
        await broker.ready(listeners[1])
        await shell(persons, tmp_path)
        assert "sound" in await shell(profile, tmp_path)
        try:
            await shell(started(begin), tmp_path)
            order = order.replace("terminal-agent status", "terminal-agent status || [ $? = 3 ]")
            done = "until fleet-console orders | grep -q done; do sleep 0.1; done"
            said = await shell(order.replace("sleep 2", done), tmp_path)
            assert "locked: where is till 3?" in said
            assert "standing  locked by order of head office: no payments" in said
            assert "2 signatures" in await shell(signed, tmp_path)
            told = "until fleet-console events | grep -q 'keys exchanged by anna, ben'; do sleep 0.1; done"
            said = await shell(exchanged.replace("sleep 2", told), tmp_path)
            assert "handed to 0 terminals, 1 have it already" in said
        finally:
            end(tmp_path)
    finally:
        await broker.stop()
