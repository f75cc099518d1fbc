# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A worker's process alone, an agent's bare socket before it: what it says aloud, and how it ends."""

import os
import signal
import socket
from pathlib import Path

import pytest

from protocols.worker_pipe import LARGEST_PACKET, NO_ANSWER, Answer, Fault, Question, Verb, decode, encode
from terminal_agent.processes import vault_child, worker, worker_child
from terminal_agent.processes.profile import load, models
from terminal_agent.processes.worker_ends import ORPHANED
from terminal_agent.sealed.fences import Fence
from tests.terminal_agent.processes.test_profile_emv import written
from tests.terminal_agent.sealed.vaults import made

LACKING = (Fence("seccomp", True, "up"), Fence("landlock", False, "is not in this kernel"))
HELLO = {
    "first": True, "reader": True, "reader_lost": "", "pad": True, "pad_lost": "",
    "key": b"", "check_value": "", "pause_ms": 0, "visit": -1,
}  # fmt: skip

ANSWERS = {Verb.NOTE: {}, Verb.STAN: {"stan": 1}, Verb.NOW: {"ms": 1_800_000_000_000}}
"""Of an agent that has no device to lend, and reaches no acquirer."""


def forked(agent: socket.socket, descriptor: int, path: Path) -> int:
    """A worker on a kernel that lacks a fence; its process number."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.alarm(60)
            agent.close()
            worker.fenced = lambda kernel, pcsc: LACKING  # type: ignore[assignment]  # only in this process
            code = worker.work(descriptor, load(path), models(load(path), path), trace=False)
        finally:
            os._exit(code)
    os.close(descriptor)
    return child


@pytest.mark.parametrize("first", [True, False])
def test_a_missing_fence_is_said_by_the_first_worker_and_the_end_of_the_agent_is_its_own(
    first: bool, tmp_path: Path
) -> None:
    path = written(tmp_path)
    agent, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = forked(agent, theirs.detach(), path)
    with agent:
        agent.settimeout(30)
        agent.send(encode(Question(NO_ANSWER, Verb.HELLO, HELLO | {"first": first})))
        told: list[str] = []
        while True:
            said = decode(agent.recv(LARGEST_PACKET))
            assert isinstance(said, Question)
            if said.verb is Verb.TELL:
                told.append(said.values["text"])
            elif said.verb is Verb.READY:
                break
            elif said.number:
                refused = Fault(said.number, "unreachable", "not here", "")
                known = ANSWERS.get(said.verb)
                agent.send(encode(refused if known is None else Answer(said.number, known)))
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == ORPHANED
    warning = "WARNING: fence landlock of the payment's process is not in this kernel"
    assert [text for text in told if text.startswith("WARNING")] == [warning] * first


def test_a_ctrl_c_reaches_whoever_started_them_alone(tmp_path: Path) -> None:
    """A terminal sends it to a whole process group: vault and source of workers are in groups of their own."""
    source = worker_child.start(written(tmp_path), trace=False)
    vault = vault_child.start(made(tmp_path))
    try:
        for process in (source.process, vault.process):
            assert process is not None
            assert os.getpgid(process.pid) == process.pid != os.getpgid(0)
    finally:
        source.stop()
        vault.stop()
