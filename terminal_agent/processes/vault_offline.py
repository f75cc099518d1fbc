# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The vault of a terminal whose agent is not running, for the key commands. What is done is recorded all the same.

The events go into the terminal's audit log and outbox, as the agent's do; both refuse a second writer, so no key is
changed behind a running agent's back.
"""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from terminal_agent.api.methods import Methods
from terminal_agent.api.rpc import INVALID_PARAMS, REFUSED, Request, RpcError
from terminal_agent.audit import AuditLog
from terminal_agent.clock import SystemClock
from terminal_agent.errors import AgentError
from terminal_agent.flows.reporting import Recorder
from terminal_agent.processes import profile as profiles
from terminal_agent.processes.vault_keeper import VaultKeeper
from terminal_agent.report.outbox import Outbox
from tillguard.exits import Exit
from tillguard.voice import Fault, Voice

Call = Callable[..., Awaitable[Any]]
"""Method and parameters in, its result out."""
Talk = Callable[[Call], Awaitable[Any]]


class OfflineKeys:
    """Calls the key methods of a vault that lives as long as one command."""

    def __init__(self, path: Path, voice: Voice, components: Sequence[Path] = (), *, delivery: bool = False) -> None:
        """``delivery``: whether the vault serves keys by certificates too."""
        self._profile = profiles.load(path)
        # No keypad: nobody types a PIN for a command.
        self._settings = dataclasses.replace(profiles.vault_settings(self._profile, path), keypad="")
        self._voice = voice
        self._more = {"components": [str(one.absolute()) for one in components], "delivery": delivery}

    def run(self, talk: Talk) -> Any:
        """What ``talk`` returns, which may call methods as it likes, all of one vault."""
        return asyncio.run(self._run(talk))

    async def _run(self, talk: Talk) -> Any:
        state, terminal = self._profile.terminal.state, self._profile.terminal.id
        clock = SystemClock()
        try:
            log = AuditLog.open(state, terminal)
            outbox = Outbox.open(state / "outbox.db", terminal, opened_at_ms=clock.now_ms())
            recorder = Recorder(log, outbox, clock, self._voice.tell)
            keeper = VaultKeeper(self._settings, self._more, recorder, None)
            methods = Methods(keeper.methods())
            await keeper.open()
            try:

                async def call(method: str, **parameters: Any) -> Any:
                    return await methods.call(Request(1, method, parameters))

                if self._more["components"]:
                    await _note_transport(call, recorder)
                return await talk(call)
            finally:
                await keeper.close()
                outbox.close()
                log.close()
        except RpcError as fault:
            code = {REFUSED: Exit.REFUSED, INVALID_PARAMS: Exit.USAGE}.get(fault.code, Exit.FAILED)
            raise Fault(fault.what, fault.hint, code) from None
        except AgentError as fault:
            raise Fault(fault.what, fault.hint) from None


async def _note_transport(call: Call, recorder: Recorder) -> None:
    """Components are taken while the vault starts: what came of them is recorded here."""
    for key in (await call("keys.list"))["keys"]:
        if key["slot"] == "transport" and "components" in key["origin"]:
            recorder.note("key.loaded", slot="transport", kcv=key["check_value"])
