# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Account data enciphered as they are read, every part its own process: without a data key, with one, and when it is.

That no wire carries an account number is shown in tests/secrets/test_enciphered_wires.py.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.lib.stations import command
from tests.flows.vault_stage import VaultStage


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[VaultStage]:
    with VaultStage(tmp_path) as built:
        yield built


def checked(stage: VaultStage) -> subprocess.CompletedProcess[str]:
    argv = [command("terminal-agent"), "profile", "check", str(stage.profile())]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def test_no_data_key_is_told_with_its_cure_and_the_first_one_serves_at_once(stage: VaultStage) -> None:
    stage.load()
    assert "account   in clear, inside the link" in checked(stage).stdout
    stage.enciphers = True
    told = checked(stage)
    assert told.returncode == 2
    assert "acquirer.encipher-account: no key serves in the vault's slot data" in told.stderr
    assert "terminal-agent keys load data --profile" in told.stderr
    stage.reader()
    stage.keypad()
    stage.acquirer()
    stage.agent()
    refused = stage.pay()
    assert refused["outcome"] == "failed"
    assert "no key in slot data: terminal-agent keys load data" in refused["reason"]
    assert "serves" in stage.keys("load", "data", "--block", str(stage.write_block("data")), offline=False)
    assert "by the vault's data key" in checked(stage).stdout, "of the running agent"
    paid = stage.pay()
    assert paid["outcome"] == "approved"
    decision = stage.decisions()[-1]
    assert decision["checks"]["account"] == "opened"
    assert decision["pan"] == paid["masked_pan"]
