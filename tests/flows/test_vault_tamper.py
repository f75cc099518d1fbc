# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Tamper inputs that the agent notices: a pad that was opened, an audit log that does not hold. Real processes."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.lib.stations import command
from tests.flows.vault_stage import VAULT, VaultStage
from tests.growing import records
from tests.patience import PATIENCE_S
from tests.terminal_agent.sealed.vaults import DATA_KSN, block, component_files, made_key


class PadAndVaultStage(VaultStage):
    """A terminal with a PIN pad that enciphers by itself, and a vault beside it for account data."""

    more = 'needed = ["data"]\n'

    def profile(self) -> Path:
        """The stage's own pad, and a vault."""
        path = super(VaultStage, self).profile()
        path.write_text(path.read_text() + VAULT + self.more)
        return path

    def load(self) -> None:
        """A vault with a data key."""
        self.keys("init")
        parts = [word for path in component_files(self.folder) for word in ("--component", path)]
        self.keys("load", "transport", *parts)
        (self.folder / "data.keyblock").write_text(block("B1", "T", "X", made_key("data"), DATA_KSN) + "\n")
        self.keys("load", "data", "--block", str(self.folder / "data.keyblock"))

    def events(self) -> list[dict[str, Any]]:
        return records(self.folder / "state" / "TG000001.audit.jsonl")

    def wait_for(self, name: str) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            found = [event for event in self.events() if event["name"] == name]
            if found:
                return found[-1]
            assert time.monotonic() < deadline, f"no {name}"
            time.sleep(0.05)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[PadAndVaultStage]:
    with PadAndVaultStage(tmp_path) as built:
        yield built


def test_a_pad_that_was_opened_destroys_the_keys_of_the_vault_beside_it(stage: PadAndVaultStage) -> None:
    stage.load()
    stage.reader()
    stage.pad()
    stage.acquirer()
    stage.agent()
    assert stage.pay()["outcome"] == "approved"
    assert "data" in stage.keys("list", offline=False)
    stage.stations.pop("pad").stop()
    stage.pad("--tamper-after", "0")
    assert stage.wait_for("vault.tampered")["fields"]["source"] == "pad: it was opened"
    assert "no keys" in stage.keys("list", offline=False)
    assert "phase tampered" in stage.keys("status", offline=False)


@pytest.mark.parametrize(("alarms", "gone"), [('["audit"]', True), ('["pad"]', False)])
def test_an_audit_log_that_does_not_hold_does_so_where_the_profile_says_so(
    stage: PadAndVaultStage, alarms: str, gone: bool
) -> None:
    stage.more += f"tamper-on = {alarms}\n"
    stage.load()
    log = stage.folder / "state" / "TG000001.audit.jsonl"
    whole = log.read_text()
    log.write_text(whole.replace('"kcv":"', '"kcv":"0', 1))
    argv = [command("terminal-agent"), "run", "--profile", str(stage.profile())]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 6
    assert ("the vault's keys are destroyed" in done.stderr) == gone
    log.write_text(whole)
    status = stage.keys("status")
    assert ("phase tampered" in status) == gone
    assert ("integrity alarm: audit log" in status) == gone
    told = [event["fields"] for event in stage.events() if event["name"] == "vault.alert"]
    assert ({"alert": "phase tampered: integrity alarm: audit log"} in told) == gone
