# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A34, what is left of a payment: nothing in any process' memory, in core files, swap or files; masked values leave.

The real processes, as root reads them. The same scan finds the account number in the worker while a payment runs, and
in a terminal that has no worker (tests/attacks/catalogue/a34_memory_scraping.py), so it would find it here.
"""

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.flows.memories import Process, held, processes
from tests.flows.stage import Stage
from tests.flows.vault_stage import VaultStage
from tests.patience import PATIENCE_S
from tests.secrets.planted import PAN, PLANTED
from tests.secrets.scanner import Marked, Scanner
from tests.terminal_agent.wardens import STICK, Shop

ALL = Scanner(PLANTED)
ACCOUNT = (Marked.digits("PAN", PAN),)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Stage(tmp_path) as built:
        yield built


def of(stage: Stage) -> list[Process]:
    return processes(stage.stations["agent"].process.pid)


def worker(stage: Stage, other_than: int = 0) -> Process:
    """The one worker that is there; another one than before, where that is to end first."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        found = [one for one in of(stage) if one.name == "worker" and one.pid != other_than]
        if len(found) == 1:
            return found[0]
        time.sleep(0.01)
    raise AssertionError("no worker")


class Paying(threading.Thread):
    """A payment under way."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self._stage = stage
        self.fields: dict[str, Any] = {}
        self.start()

    def run(self) -> None:
        self.fields = self._stage.pay()


def at(stage: Stage, step: str, seen: int) -> None:
    """Wait until the agent has told a step of that name."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if any(line.get("fields", {}).get("step") == step for line in stage.stations["agent"].lines[seen:]):
            return
        time.sleep(0.002)
    raise AssertionError(f"the payment never came to '{step}'")


def test_after_payments_no_process_and_no_file_holds_what_they_saw(stage: Stage) -> None:
    stage.everything()
    told = [stage.pay() for _ in range(2)]
    last = worker(stage)
    told.append(stage.pay())
    worker(stage, other_than=last.pid)
    assert [fields["outcome"] for fields in told] == ["approved"] * 3
    assert len({fields["pan_ref"] for fields in told}) == 3, "a reference is good for one payment"
    assert {fields["masked_pan"] for fields in told} == {PAN[:6] + "******" + PAN[-4:]}
    assert {one.name for one in of(stage)} == {"agent", "source", "worker"}
    for process in of(stage):
        assert held(process.memory()) == [], process.name
        assert process.status("VmSwap") == "0 kB"
    assert not Path(f"/proc/{last.pid}").exists()
    for path in filter(Path.is_file, (stage.folder / "state").rglob("*")):
        assert ALL.scan(path.read_bytes()) == [], path.name


def test_while_a_payment_runs_its_worker_alone_holds_the_account_number(stage: Stage) -> None:
    stage.values["pin_s"] = PATIENCE_S
    stage.reader()
    stage.pad("--behaviour", "silent")
    stage.acquirer()
    stage.broker()
    stage.agent()
    paying = worker(stage)
    seen = len(stage.stations["agent"].lines)
    payment = Paying(stage)
    at(stage, "pin-entry", seen)
    memories = {one.name: one.memory() for one in reversed(of(stage))}
    assert {name for name, memory in memories.items() if held(memory, ACCOUNT)} == {"worker"}
    stage.stop("pad")
    payment.join(PATIENCE_S)
    assert payment.fields["outcome"] == "failed"
    fresh = worker(stage, other_than=paying.pid)
    assert held(fresh.memory(), ACCOUNT) == []


@pytest.mark.parametrize("number", [signal.SIGABRT, signal.SIGSEGV, signal.SIGKILL])
def test_a_worker_that_crashes_leaves_no_core_and_costs_one_payment(number: signal.Signals, stage: Stage) -> None:
    stage.everything()
    paying = worker(stage)
    assert paying.limit("Max core file size") == "0"
    seen = len(stage.stations["agent"].lines)
    with stage.asleep("pad"):
        payment = Paying(stage)
        at(stage, "card", seen)
        os.kill(paying.pid, number)
        payment.join(PATIENCE_S)
    assert payment.fields["outcome"] == "failed"
    assert payment.fields["reason"] == "the payment's process ended in mid-payment"
    assert stage.pay()["outcome"] == "approved"
    assert not [path for path in (*stage.folder.rglob("core*"), *Path.cwd().glob("core*")) if path.is_file()]


def test_the_agent_is_killed_and_its_worker_dies_with_it(stage: Stage) -> None:
    stage.everything()
    alive = of(stage)
    stage.kill("agent")
    deadline = time.monotonic() + PATIENCE_S
    while any(Path(f"/proc/{one.pid}").exists() for one in alive):
        assert time.monotonic() < deadline, "somebody outlived the agent"
        time.sleep(0.01)


def test_the_source_is_killed_and_the_next_payment_has_another(stage: Stage) -> None:
    stage.everything()
    (source,) = [one for one in of(stage) if one.name == "source"]
    os.kill(source.pid, signal.SIGKILL)
    assert stage.pay()["outcome"] == "approved"


def test_a_workers_fences_as_the_kernel_sees_them(stage: Stage) -> None:
    stage.everything()
    found = worker(stage)
    assert found.status("Seccomp") == "2"
    assert found.status("NoNewPrivs") == "1"
    assert int(found.status("CapEff"), 16) == int(found.status("CapBnd"), 16) == 0
    assert not [line for line in stage.stations["agent"].talk if "WARNING: fence" in line]


def test_with_a_vault_and_a_warden_nobody_holds_anything_and_no_file_does(tmp_path: Path) -> None:
    (tmp_path / "w").mkdir()
    ports = Shop(tmp_path / "w")
    ports.plug("1-1", STICK)
    with contextlib.closing(ports.start()), VaultStage(tmp_path, enciphers=True, warden=ports.folder / "sock") as stage:
        stage.load()
        stage.reader()
        stage.keypad()
        stage.acquirer()
        stage.agent()
        used = worker(stage)
        assert stage.pay()["outcome"] == "approved"
        worker(stage, other_than=used.pid)
        assert ports.process is not None
        everybody = [*of(stage), Process("warden", ports.process.pid)]
        assert {one.name for one in everybody} == {"agent", "source", "vault", "warden", "worker"}
        for process in everybody:
            assert held(process.memory()) == [], process.name
            assert process.status("VmSwap") == "0 kB"
            assert process.limit("Max core file size") == "0", process.name
        assert json.loads(stage.run("status").stdout)["parts"]["pad"]["up"]
        for folder in ("state", "vault", "elsewhere", "w"):
            for path in filter(Path.is_file, (tmp_path / folder).rglob("*")):
                assert ALL.scan(path.read_bytes()) == [], path.name
