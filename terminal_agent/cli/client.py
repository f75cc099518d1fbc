# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A blocking client of the agent's socket, for the commands. Speaks JSON-RPC lines; knows no method."""

import argparse
import json
import os
import socket
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from terminal_agent.api.rpc import INVALID_PARAMS, INVALID_REQUEST, REFUSED
from terminal_agent.config import Identity
from tillguard.exits import Exit
from tillguard.voice import Fault

SOCKET_VARIABLE = "TILLGUARD_SOCKET"
DEFAULT_SOCKET = Identity("DEFAULT0", "DEFAULT").socket  # where an agent listens whose profile says nothing

LONGEST_ANSWER = 4 << 20  # octets: a thousand grants, or readers, are far below
_EXITS = {INVALID_PARAMS: Exit.USAGE, INVALID_REQUEST: Exit.USAGE, REFUSED: Exit.REFUSED}


def add_socket_option(parser: argparse.ArgumentParser) -> None:
    """``--socket``, for every command that talks to a running agent."""
    parser.add_argument(
        "--socket",
        type=Path,
        metavar="PATH",
        help=f"the agent's socket (else ${SOCKET_VARIABLE}, else {DEFAULT_SOCKET})",
    )


def socket_path(given: Path | None) -> Path:
    """The socket to talk to: as given, else from the environment, else where an agent listens by default."""
    if given is not None:
        return given
    if SOCKET_VARIABLE in os.environ:
        return Path(os.environ[SOCKET_VARIABLE])
    return DEFAULT_SOCKET


class AgentClient:
    """One connection to the agent. Calls are answered in order; events that come between are kept for ``events``."""

    def __init__(self, path: Path, timeout_s: float = 10.0) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout_s)
        try:
            self._socket.connect(str(path))
        except OSError as fault:
            reason = fault.strerror or "no answer"
            raise Fault(
                f"no agent answers on {path}: {reason}",
                "start it with: terminal-agent run --profile FILE, or name its socket with --socket",
                Exit.UNREACHABLE,
            ) from None
        self._lines = self._socket.makefile("rb")
        self._events: deque[dict[str, Any]] = deque()
        self._number = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.close()
        self._socket.close()

    def call(self, method: str, **params: object) -> Any:
        """The result of one method; an error answer becomes a :class:`Fault`."""
        self._number += 1
        request = {"jsonrpc": "2.0", "id": self._number, "method": method, "params": params}
        try:
            self._socket.sendall(json.dumps(request).encode() + b"\n")
        except OSError as fault:
            raise _went_away(fault) from None
        while True:
            try:
                document = self._read()
            except TimeoutError:
                raise Fault(
                    "the agent does not answer", "see its output; it may be stopped", Exit.UNREACHABLE
                ) from None
            if document.get("method") == "event":
                self._events.append(document["params"])
            elif "error" in document:
                error = document["error"]
                code = _EXITS.get(error["code"], Exit.FAILED)
                raise Fault(error["message"], error.get("data", {}).get("hint", ""), code)
            else:
                return document["result"]

    def events(self, timeout_s: float | None = None) -> Iterator[dict[str, Any]]:
        """Events as they come, for ever or until none came for ``timeout_s`` seconds."""
        self._socket.settimeout(timeout_s)
        while True:
            while self._events:
                yield self._events.popleft()
            try:
                document = self._read()
            except TimeoutError:
                if timeout_s is None:
                    raise
                return
            if document.get("method") == "event":
                yield document["params"]

    def _read(self) -> dict[str, Any]:
        try:
            line = self._lines.readline(LONGEST_ANSWER + 1)
        except TimeoutError:
            raise
        except OSError as fault:
            raise _went_away(fault) from None
        if not line:
            raise Fault("the agent closed the connection", "see its output for the reason", Exit.UNREACHABLE)
        try:
            document = json.loads(line) if line.endswith(b"\n") else None
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict) or not document.keys() & {"method", "error", "result"}:
            raise Fault("what answers there is no agent", "name the agent's socket with --socket", Exit.UNREACHABLE)
        return document


def _went_away(fault: OSError) -> Fault:
    return Fault(f"the agent went away: {fault.strerror or 'connection lost'}", "see its output", Exit.UNREACHABLE)
