# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Another terminal, written from docs/protocol.md alone: the shell script of that page, openssl and mosquitto_rr.

Head office is the one that is shipped: its broker's configuration, its access list, its ingest.
"""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from fleet_console.judge import Reason
from protocols.signed import Cause
from tests.fleet_console.estate import Estate, command, estate, ingest
from tests.fleet_console.test_ingest import add

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/protocol.md"
TERMINAL = "TG000001"


def from_the_page() -> str:
    """The script."""
    found = re.findall(r"```sh\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    (script,) = found
    return str(script)


async def life(there: Estate) -> dict[str, Any]:
    """Run the script, to its end; the receipt that it printed."""
    process = await asyncio.create_subprocess_exec(
        "sh", "terminal.sh", "127.0.0.1", str(there.port), ".", TERMINAL, "receipt.pub", cwd=there.folder,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert b"Signature Verified Successfully" in err
    receipt: dict[str, Any] = json.loads(out)
    return receipt


async def test_the_page_is_enough(tmp_path: Path) -> None:
    script = from_the_page()
    (tmp_path / "terminal.sh").write_text(script)
    assert "tillguard" not in re.sub(r"tillguard re(ports|port|ceipt)\b", "", script), "it runs none of ours"
    schema = Draft202012Validator(json.loads((ROOT / "docs/protocol/receipt.schema.json").read_text()))
    async with estate(tmp_path, TERMINAL) as there:
        settings = there.settings("fleet.db")
        await add(there, settings, TERMINAL)
        async with ingest(settings):
            first, second = await life(there), await life(there)
        events = await command("events", "--settings", settings)
        [terminal] = await command("terminals", "--settings", settings)
        dead = await command("events", "--dead", "--settings", settings)
    told = [(1, "health", "agent.started"), (2, "health", "device.back"), (3, "alert", "device.lost")]
    assert [(one["seq"], one["lane"], one["name"]) for one in events] == told * 2
    assert (terminal["state"], terminal["boot"], dead) == ("active", second["boot"], [])
    for receipt in (first, second):
        assert (receipt["terminal"], receipt["upto"], receipt["missing"]) == (TERMINAL, 3, [])
        assert schema.is_valid(receipt)
    assert first["boot"] < second["boot"]


def test_the_page_names_every_refusal() -> None:
    text = PAGE.read_text("utf-8")
    assert [one for one in Reason if f"| `{one}` |" not in text] == []
    assert [one for one in Cause if f"`{one.name.lower().replace('_', '-')}`" not in text] == []
