# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The terminal's door for technicians: methods of the local socket, and the same for a terminal whose agent is stopped.

What happens is recorded in the audit log either way; it takes one writer, so nobody is let in behind a running agent.
"""

import os
from binascii import Error as BinasciiError
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from protocols.ed25519 import verify
from protocols.identity.grants import LARGEST_GRANT, Action, Grant
from protocols.signed import Trust
from protocols.telemetry.events import make
from terminal_agent.api.methods import Method, Methods, Parameter
from terminal_agent.api.rpc import INVALID_PARAMS, REFUSED, Request, RpcError
from terminal_agent.audit import AuditLog
from terminal_agent.clock import Clock
from terminal_agent.errors import AgentError
from terminal_agent.identity.folder import IdentityError
from terminal_agent.processes.identity import clock_of, folder_of, settings_of
from terminal_agent.processes.persons import at_rest
from terminal_agent.processes.profile import TerminalProfile, load
from tillguard.exits import Exit
from tillguard.voice import Fault

if TYPE_CHECKING:
    from terminal_agent.flows.doorkeeping import Doorkeeper, Record
    from terminal_agent.identity.technicians import Admission

Call = Callable[..., Awaitable[Any]]
"""Method and parameters in, its result out."""
_PERSON = Parameter(str, 160)
_ACTION = Parameter(str, 16)


def doorkeeper(
    terminal: TerminalProfile, trust: Callable[[], Trust | None], record: "Record", clock: Clock
) -> "Doorkeeper":
    """The door of one terminal. ``trust``: whose grants count now, the same persons as for its orders."""
    from terminal_agent.flows.doorkeeping import Doorkeeper  # 3 MB that an agent has no use for until somebody comes
    from terminal_agent.identity.technicians import Technicians

    if terminal.identity is None:
        raise IdentityError("this terminal lets nobody in: its profile has no [identity]", "see docs/identity.md")
    folder = folder_of(terminal)
    technicians = Technicians(
        folder.path / "technicians", terminal.terminal.id, trust, verify, clock.now_ms, os.urandom
    )

    def key() -> bytes:
        record = folder.read()
        if not record.in_use:
            raise IdentityError("no certificate is in use", "a code needs its key: enrol the terminal first")
        return folder.key(record.in_use)

    return Doorkeeper(technicians, record, key)


def door_methods(door: Callable[[], "Doorkeeper"]) -> Mapping[str, Method]:
    """The technicians' methods of the local socket; ``door`` is asked for at their use, as most of them never are."""

    async def take(grant: str) -> object:
        return _grant(door().take(_hex(grant)))

    async def listed() -> object:
        return {"grants": [_grant(one) for one in door().grants()], "locked_ms": door().locked_ms()}

    async def tidy() -> object:
        return {"removed": door().tidy()}

    async def challenge() -> object:
        return {"challenge": door().challenge().hex()}

    async def answer(person: str, action: str, signature: str) -> object:
        return _admission(door().by_key(person, _action(action), _hex(signature)))

    async def code(person: str, action: str, code: str) -> object:
        return _admission(door().by_code(person, _action(action), code))

    return {
        "technician.take": Method("a grant of head office", {"grant": Parameter(str, 2 * LARGEST_GRANT)}, _said(take)),
        "technician.list": Method("the grants that hold now", {}, _said(listed)),
        "technician.tidy": Method("remove the grants that are over", {}, _said(tidy)),
        "technician.challenge": Method("what a technician's key signs, once", {}, _said(challenge)),
        "technician.answer": Method(
            "let in whoever answered the challenge",
            {"person": _PERSON, "action": _ACTION, "signature": Parameter(str, 128)},
            _said(answer),
        ),
        "technician.code": Method(
            "let in whoever has the phone's code",
            {"person": _PERSON, "action": _ACTION, "code": Parameter(str, 16)},
            _said(code),
        ),
    }


async def with_stopped_agent(path: Path, talk: Callable[[Call], Coroutine[Any, Any, None]]) -> None:
    """Let ``talk`` call the methods for a terminal whose agent is not running."""
    terminal = load(path)
    settings_of(terminal, path)  # a terminal without [identity] has no door, whether its agent runs or not
    clock = clock_of(terminal)
    try:
        log = AuditLog.open(terminal.terminal.state, terminal.terminal.id)
    except AgentError as fault:
        raise Fault(fault.what, fault.hint) from None

    def record(name: str, **fields: Any) -> Any:
        event = make(name, clock.now_ms(), **fields)
        log.append(event)
        return event

    try:
        trust = at_rest(terminal)
        door = doorkeeper(terminal, lambda: trust, record, clock)
        methods = Methods(door_methods(lambda: door))

        async def call(method: str, **parameters: Any) -> Any:
            return await methods.call(Request(1, method, parameters))

        await talk(call)
    except RpcError as fault:
        raise Fault(fault.what, fault.hint, Exit.REFUSED if fault.code == REFUSED else Exit.USAGE) from None
    finally:
        log.close()


def _said(handler: Callable[..., Awaitable[object]]) -> Callable[..., Awaitable[object]]:
    """What the room refuses is an error of the socket with its hint."""

    async def answering(**parameters: Any) -> object:
        try:
            return await handler(**parameters)
        except AgentError as fault:
            raise RpcError(REFUSED, fault.what, fault.hint) from None

    return answering


def _action(name: str) -> Action:
    try:
        return Action(name)
    except ValueError:
        raise RpcError(INVALID_PARAMS, "action: not one", f"one of: {', '.join(Action)}") from None


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except (BinasciiError, ValueError):
        raise RpcError(INVALID_PARAMS, "hexadecimal digits expected") from None


def _grant(grant: Grant) -> dict[str, object]:
    return {"person": grant.person, "actions": list(grant.actions), "by": "key" if grant.key else "code"}


def _admission(admission: "Admission") -> dict[str, object]:
    return {"person": admission.person, "action": admission.action, "granted_by": list(admission.signed)}
