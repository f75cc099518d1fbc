# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The commands' end of the agent's socket, where something else than an agent listens: words, and no traceback."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from terminal_agent.cli.client import LONGEST_ANSWER, AgentClient
from tillguard.exits import Exit
from tillguard.voice import Fault


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(tmp_path / "s"))
        listening.listen()
        yield listening


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"220 mail.example ESMTP\r\n", id="another protocol"),
        pytest.param(b"[" * 100_000 + b"\n", id="deep"),
        pytest.param(b"7\n", id="a number"),
        pytest.param(b"{}\n", id="no answer"),
        pytest.param(b'{"result":', id="cut off"),
        pytest.param(b"\xff\xfe\n", id="not UTF-8"),
        pytest.param(b" " * (LONGEST_ANSWER + 1), id="without end"),
    ],
)
def test_what_is_no_agent_is_named(listener: socket.socket, tmp_path: Path, answer: bytes) -> None:
    def stranger() -> None:
        talking, _ = listener.accept()
        with talking, suppress(OSError):
            talking.recv(65_536)
            talking.sendall(answer)

    thread = threading.Thread(target=stranger)
    thread.start()
    with AgentClient(tmp_path / "s", timeout_s=60.0) as agent, pytest.raises(Fault) as caught:
        agent.call("system.hello")
    thread.join()
    assert caught.value.exit_code is Exit.UNREACHABLE
    assert "no agent" in caught.value.what
