# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Another terminal, written from docs/protocol.md alone: the shell script of that page, openssl and mosquitto_pub."""

import asyncio
import json
import re
import signal
from pathlib import Path

from jsonschema import Draft202012Validator

from tests.brokers import broker, make_pki
from tests.flows.test_reporting_over_mqtt import start_watch, until
from tests.receipts import office, receipt_key

ROOT = Path(__file__).resolve().parents[2]
TERMINAL = "TG000001"


def from_the_page() -> str:
    """The script."""
    found = re.findall(r"```sh\n(.*?)```", (ROOT / "docs/protocol.md").read_text("utf-8"), re.DOTALL)
    (script,) = found
    return str(script)


async def test_the_page_is_enough(tmp_path: Path) -> None:
    script = tmp_path / "terminal.sh"
    script.write_text(from_the_page())
    assert "tillguard" not in re.sub(r"tillguard re(ports|port|ceipt)\b", "", script.read_text()), (
        "it runs none of ours"
    )
    pki = make_pki(tmp_path)
    async with broker("mosquitto", pki, tmp_path) as running, office(pki, running.port) as head:
        watch = await start_watch(pki, running.address)
        process = await asyncio.create_subprocess_exec(
            "sh", str(script), "127.0.0.1", str(running.port), str(tmp_path), TERMINAL, str(receipt_key(tmp_path)),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(60):
            out, err = await process.communicate()
        assert process.returncode == 0, err.decode()
        assert b"Signature Verified Successfully" in err
        receipt = json.loads(out)
        await until(lambda: len([line for line in watch.lines if json.loads(line)["event"] == "report"]) == 3)
        await watch.end(signal.SIGTERM)
    documents = [json.loads(line) for line in watch.lines]
    reports = [one for one in documents if one["event"] == "report"]
    assert [(one["seq"], one["lane"], one["name"]) for one in sorted(reports, key=lambda one: one["seq"])] == [
        (1, "health", "agent.started"),
        (2, "health", "device.back"),
        (3, "alert", "device.lost"),
    ]
    assert all(one["verified"] for one in reports)
    assert not [one for one in documents if one["event"] in ("refused", "unlinked")]
    assert head.committed.linked()
    assert (receipt["terminal"], receipt["upto"], receipt["missing"]) == (TERMINAL, 3, [])
    schema = json.loads((ROOT / "docs/protocol/receipt.schema.json").read_text())
    assert Draft202012Validator(schema).is_valid(receipt)
