# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Cards pulled and services killed under a running agent, on real pcscd: a clean outcome, and usable again in time."""

import json
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.lib.stations import command
from tests.flows.lab_stage import LabStage
from tests.private_pcscd import READER, until_missed

USABLE_AGAIN_S = 20.0  # on a machine with much else to do


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[LabStage]:
    with LabStage(tmp_path) as built:
        built.values["card_s"] = 10.0
        built.everything()
        yield built


def reader(stage: LabStage) -> dict[str, Any]:
    part: dict[str, Any] = json.loads(stage.run("status").stdout)["parts"]["reader"]
    return part


class Paying(threading.Thread):
    """A payment under way; ``at`` waits until the agent has told a step of that name."""

    def __init__(self, stage: LabStage) -> None:
        super().__init__()
        self._stage = stage
        self._seen = len(stage.stations["agent"].lines)
        self.fields: dict[str, Any] = {}
        self.start()

    def run(self) -> None:
        self.fields = self._stage.pay()

    def at(self, step: str, within_s: float = 30.0) -> None:
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            told = self._stage.stations["agent"].lines[self._seen :]
            if any(line.get("fields", {}).get("step") == step for line in told):
                return
            time.sleep(0.002)
        raise AssertionError(f"the payment never came to '{step}'")

    def ended(self) -> dict[str, Any]:
        self.join(60)
        assert not self.is_alive()
        return self.fields


def test_pulled_while_the_pin_is_typed(stage: LabStage) -> None:
    with stage.asleep("pad"):
        payment = Paying(stage)
        payment.at("pin-entry")
        stage.card.remove()
    fields = payment.ended()
    assert fields["outcome"] == "failed"
    assert "the card was lost" in fields["reason"]
    assert not [decision for decision in stage.decisions() if decision["mti"] == "0100"]
    until_missed(stage.pcscd.client)
    began = time.monotonic()
    stage.card.insert()
    again = Paying(stage)
    again.at("card")
    assert time.monotonic() - began <= USABLE_AGAIN_S
    assert again.ended()["outcome"] == "approved"


def test_the_service_is_killed_while_the_pin_is_typed(stage: LabStage) -> None:
    with stage.asleep("pad"):
        payment = Paying(stage)
        payment.at("pin-entry")
        stage.pcscd.kill()
    fields = payment.ended()
    assert fields["outcome"] == "failed"
    assert "PC/SC service" in fields["reason"]
    assert reader(stage)["up"] is False
    stage.pcscd.start()
    began = time.monotonic()
    while not reader(stage)["up"]:
        assert time.monotonic() - began <= USABLE_AGAIN_S
    assert stage.pay()["outcome"] == "approved"


def test_the_service_restarts_while_a_card_is_waited_for(stage: LabStage) -> None:
    stage.card.remove()
    until_missed(stage.pcscd.client)
    payment = Paying(stage)
    payment.at("present")
    stage.pcscd.kill()
    stage.card.process.send_signal(signal.SIGUSR2)
    stage.pcscd.start()
    fields = payment.ended()
    assert fields["outcome"] == "approved", fields.get("reason")


def test_status_lists_the_readers_where_none_matches(tmp_path: Path) -> None:
    with LabStage(tmp_path) as stage:
        stage.reader()
        stage.values["reader"] = "pcsc:ACR39U"
        stage.pad()
        stage.agent()
        assert "no reader matches 'ACR39U'" in reader(stage)["words"]
        assert f"'{READER} 00 00'" in reader(stage)["words"]


def test_a_line_that_does_not_fit_the_model(tmp_path: Path) -> None:
    with LabStage(tmp_path) as stage:
        stage.values["reader"] = "/dev/ttyUSB0"
        argv = [command("terminal-agent"), "run", "--profile", str(stage.profile())]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 2
        assert "reader.line: does not fit a reader of model pcsc" in done.stderr
        assert "pcsc:PART OF THE READER'S NAME" in done.stderr
