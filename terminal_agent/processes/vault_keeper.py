# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Puts a vault behind the agent's pad port and its key methods behind the local socket. Decides nothing about keys."""

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from protocols.errors import ProtocolError
from protocols.telemetry.events import Event, fit
from protocols.vault import Done, Happened, Refusal, Status
from terminal_agent.api.methods import Method, Parameter
from terminal_agent.api.rpc import INVALID_PARAMS, REFUSED, UNAVAILABLE, RpcError
from terminal_agent.errors import AgentError
from terminal_agent.flows.keys import KeyOffice, KeysRefused
from terminal_agent.flows.reporting import Recorder
from terminal_agent.pad.account import ANSWER_S
from terminal_agent.pad.port import TAMPERED, PadAbsent, Trace
from terminal_agent.pad.software import SoftwarePad
from terminal_agent.pad.vault_link import VaultLink
from terminal_agent.processes import vault_child
from terminal_agent.processes.vault_delivery import Deliveries
from terminal_agent.processes.vault_settings import VaultSettings

SLOT = Parameter(str, 20)
APPROVALS = Parameter(str, 1_024, optional=True)
RETRY_S = 0.5
_LONGEST_BLOCK = 10_000  # X9.143:2021: a block says its length in four digits


class VaultKeeper:
    """Starts the vault when the pad is opened, and again whenever it has ended."""

    def __init__(
        self, settings: VaultSettings, more: Mapping[str, object], recorder: Recorder, trace: Trace | None
    ) -> None:
        """``more``: what the vault is told besides its settings."""
        self._settings = settings
        self._more = dict(more)
        self._recorder = recorder
        self._trace = trace
        self._pad: SoftwarePad | None = None
        self._child: vault_child.VaultChild | None = None
        self._turn = asyncio.Lock()
        self._told: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.office = KeyOffice(lambda: self._pad.link if self._pad is not None else None, recorder)

    async def lend(self) -> tuple[int, str, str]:
        """The pipe for payments of a running vault, to be closed; :class:`PadAbsent` where none comes up."""
        async with self._turn:
            if self.ended or self._child is None or self._child.hung_up:  # the kernel knows before the loop has heard
                await self.open()
            assert self._child is not None
            assert self._child.payments is not None
            return os.dup(self._child.payments.fileno()), "vault", "vault"

    @property
    def ended(self) -> bool:
        """Whether no vault runs: none was started, or the last one has ended."""
        return self._pad is None or self._pad.link.ended

    async def close(self) -> None:
        """End the vault."""
        for task in tuple(self._tasks):
            await asyncio.gather(task, return_exceptions=True)
        await self._end()

    async def _end(self) -> None:
        pad, self._pad = self._pad, None
        if pad is not None:
            await pad.close()

    async def open(self) -> SoftwarePad:
        """A vault as a pad at this process' own pipe; :class:`PadAbsent` where none comes up, or no keypad is there.

        A vault that runs can open nothing any more: a keypad that went and came back needs another vault. None is
        started before the keypad is there, since each start steps over keys that were never used.
        """
        await self._end()
        self._expect_keypad()
        child = await self._started()
        pad = SoftwarePad(VaultLink(child.pipe, self._happened), lambda: _reaped(child), self._trace)
        try:
            reply = await pad.link.ask(Status(), ANSWER_S)
            if not isinstance(reply, Done):
                raise PadAbsent("the vault does not say how it is", "see what it printed")
            lines = reply.words.splitlines()
            self._look(lines)
            if self._settings.keypad and "keypad up" not in lines:
                raise PadAbsent("the vault cannot open its keypad", "check [pad] line and its rights")
        except BaseException:
            await pad.close()
            raise
        self._pad, self._child = pad, child
        return pad

    async def _started(self) -> vault_child.VaultChild:
        """A vault's process. A thread starts it, which cannot be cancelled: who is cancelled meanwhile ends it."""
        start = partial(vault_child.start, self._settings, more=self._more, payments=True)
        starting = asyncio.ensure_future(asyncio.to_thread(start))
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            with contextlib.suppress(OSError):
                await asyncio.to_thread((await starting).stop)
            raise

    def _look(self, lines: list[str]) -> None:
        """Tell once of each fence that is missing, and of a vault that serves nothing."""
        for line in lines:
            name, _, rest = line.partition(" ")
            if name == "fence" and " MISSING " in line:
                self._alert(f"fence {rest}")
            elif name == "why":
                self._alert(f"locked: {rest}")
            elif name == "phase" and rest == "exhausted":
                self._alert(f"phase {rest}")
            elif name == "tampered":
                self._alert(f"phase tampered: {rest.partition(' ')[2]}")

    def _alert(self, words: str) -> None:
        if words not in self._told:
            self._told.add(words)
            self._recorder.note("vault.alert", alert=fit(words))

    def _happened(self, event: Happened) -> None:
        self.office.happened(event)
        if event.name == "vault.keypad_lost" and self._pad is not None:
            self._pad.link.close()

    def _expect_keypad(self) -> None:
        if not self._settings.keypad:
            return
        try:
            os.close(os.open(self._settings.keypad, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC))
        except OSError as fault:
            words = f"the keypad {self._settings.keypad} cannot be opened: {fault.strerror}"
            raise PadAbsent(words, "connect it; it is opened again within a second") from None

    def heard(self, event: Event) -> None:
        """An event of the terminal: a pad that was opened destroys the vault's keys, where the profile says so."""
        told = event.name == "device.lost" and event.fields.get("reason") == fit(TAMPERED)
        if told and "pad" in self._settings.tamper_on:
            task = asyncio.get_running_loop().create_task(self._tampered("pad: it was opened"))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _tampered(self, source: str) -> None:
        try:
            async with self._turn:
                if self.ended:
                    await self.open()
            await self.office.tamper(source)
        except AgentError as fault:
            self._alert(f"keys not destroyed ({source}): {fault.what}")

    async def keep(self) -> None:
        """Runs for the agent's life beside a pad that enciphers by itself: keeps a vault running."""
        while True:
            if self.ended:
                try:
                    async with self._turn:
                        await self.open()
                except AgentError as fault:
                    self._alert(f"does not run: {fault.what}")
            await asyncio.sleep(RETRY_S)

    def methods(self) -> Mapping[str, Method]:
        """The key methods of the local socket."""
        block = Parameter(str, _LONGEST_BLOCK)
        return {
            "keys.list": Method("every key by slot and check value", {}, said(self._list)),
            "keys.status": Method("the vault's phase, fences and custodians", {}, said(self._status)),
            "keys.challenge": Method("what custodians sign", {}, said(self._challenge)),
            "keys.load": Method(
                "a key block into a slot",
                {"slot": SLOT, "block": block, "ksn": Parameter(str, 24, optional=True), "approvals": APPROVALS},
                said(self._load),
            ),
            "keys.rotate": Method("the waiting key serves", {"slot": SLOT, "approvals": APPROVALS}, said(self._rotate)),
            "keys.zeroise": Method(
                "destroy one key, or all where the slot is empty",
                {"slot": SLOT, "approvals": APPROVALS},
                said(self._zeroise),
            ),
            "keys.renew": Method(
                "begin again without keys, after tampering", {"approvals": APPROVALS}, said(self._renew)
            ),
            "keys.verify": Method(
                "whether a slot's key has that check value",
                {"slot": SLOT, "kcv": Parameter(str, 10)},
                said(self._verify),
            ),
            "keys.tamper": Method(
                "a tamper input: every key is destroyed", {"source": Parameter(str, 40)}, said(self._tamper)
            ),
            **{
                name: replace(method, handler=said(method.handler))
                for name, method in Deliveries(self.office, APPROVALS, SLOT).methods().items()
            },
        }

    async def _list(self) -> object:
        return {"keys": [asdict(line) for line in await self.office.inventory()]}

    async def _status(self) -> object:
        return {"lines": await self.office.status()}

    async def _challenge(self) -> object:
        return {"challenge": (await self.office.challenge()).hex()}

    async def _load(self, slot: str, block: str, ksn: str = "", approvals: str = "") -> object:
        return {"words": await self.office.load(slot, block, bytes.fromhex(ksn), bytes.fromhex(approvals))}

    async def _rotate(self, slot: str, approvals: str = "") -> object:
        return {"words": await self.office.rotate(slot, bytes.fromhex(approvals))}

    async def _zeroise(self, slot: str, approvals: str = "") -> object:
        return {"words": await self.office.zeroise(slot, bytes.fromhex(approvals))}

    async def _renew(self, approvals: str = "") -> object:
        return {"words": await self.office.renew(bytes.fromhex(approvals))}

    async def _verify(self, slot: str, kcv: str) -> object:
        return {"words": await self.office.verify(slot, bytes.fromhex(kcv))}

    async def _tamper(self, source: str) -> object:
        await self.office.tamper(source)
        return {"words": "every key is destroyed"}


def _reaped(child: vault_child.VaultChild) -> None:
    child.stop()


def said(handler: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """What a handler raises, as an answer."""

    async def answered(**parameters: Any) -> Any:
        try:
            return await handler(**parameters)
        except KeysRefused as fault:
            code = INVALID_PARAMS if fault.why == Refusal.MALFORMED else REFUSED
            raise RpcError(code, fault.what, fault.hint) from None
        except AgentError as fault:
            raise RpcError(UNAVAILABLE, fault.what, fault.hint) from None
        except (ValueError, ProtocolError):
            raise RpcError(INVALID_PARAMS, "not hexadecimal digits, or too long", "see: keys --help") from None

    return answered
