# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A session without a socket, and a running simulator with one."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from hsm_sim.engine.engine import Engine
from hsm_sim.engine.wrapping import VariantLmk
from hsm_sim.payshield.session import Session
from protocols.hsm.frame import frame
from tests.hsm_sim.units import Heard, unit
from tests.patience import PATIENCE_S

Ask = Callable[[str | bytes], str]


def command_line(*arguments: str) -> list[str]:
    """How a test starts the command."""
    return [sys.executable, "-m", "hsm_sim.cli", *arguments]


@pytest.fixture
def bugs() -> list[str]:
    return []


@pytest.fixture
def session(bugs: list[str]) -> Session:
    return Session(unit(Engine(VariantLmk.of_test_keys(), os.urandom), heard=Heard(bugs)))


@pytest.fixture
def ask(session: Session, bugs: list[str]) -> Ask:
    """Asks one command and gives what follows the response code."""

    def ask(command: str | bytes) -> str:
        octets = command.encode("latin-1") if isinstance(command, str) else command
        session.feed(frame(b"head" + octets))
        answer, _ = session.answer(1)
        assert answer[:6] == len(answer[2:]).to_bytes(2, "big") + b"head"
        assert not bugs
        return answer[8:].decode("latin-1")

    return ask


@pytest.fixture(scope="session")
def simulator() -> Iterator[tuple[str, int]]:
    """The address of a simulator that runs as its own process."""
    with subprocess.Popen(
        command_line("serve", "--port", "0", "--json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        ready = json.loads(process.stdout.readline())
        assert ready["event"] == "ready"
        host, _, port = ready["address"].rpartition(":")
        yield host, int(port)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
        said = process.stderr.read()
        assert said.count("\n") == 1, said
        assert "TEST" in said
