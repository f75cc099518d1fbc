# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A terminal's vault as a target: a real process with a keypad that the attacker, or an honest person, types at."""

import contextlib
import os
import re
import select
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from protocols.vault import Encrypt, EnterCardPin, EnterPin, PinMade, Refused, Reply, Result
from terminal_agent.processes import vault_child
from terminal_agent.processes.vault_child import PROGRAM
from tests.secrets import planted
from tests.terminal_agent.sealed.vaults import Asker, component_files, keypad_pair, load_all, made

SOFT = (str(Path(__file__).parent / "soft" / "vault.py"),)
INTERVAL_S, BURST = 30.0, 4


class VaultTarget:
    """One vault. ``lack`` names what the soft one is without; nothing for the one that is shipped."""

    def __init__(self, folder: Path, lack: str, **more: Any) -> None:
        self.folder = folder
        self.lack = lack
        self.keypad, link = keypad_pair(folder)
        self.wanted = made(folder, keypad=str(link), pin_interval=INTERVAL_S, pin_burst=BURST, **more)
        self._told: list[str] = []
        self.asker = self._start(components=component_files(folder))
        load_all(self.asker)

    def restart(self) -> None:
        """Power off and on."""
        self.asker.status()  # what it has told is heard
        self.stop()
        self.start()

    def stop(self) -> None:
        """Power off."""
        self._told += [event.name for event in self.asker.events]
        self.asker.child.stop()

    def start(self) -> None:
        """Power on."""
        self.asker = self._start()

    def _start(self, **more: object) -> Asker:
        program: Sequence[str] = SOFT if self.lack else PROGRAM
        extra = more | ({"lack": self.lack} if self.lack else {})
        asker = Asker(vault_child.start(self.wanted, program=program, more=extra))
        asker.status()
        return asker

    def pin(self, asked: EnterPin | EnterCardPin | None = None) -> Reply:
        """Somebody asks for the PIN, for the host unless he says otherwise, and it is typed."""
        number = self.asker.send(asked or EnterPin(planted.PAN.encode(), "", 60_000))
        typed = False
        while True:
            ready, _, _ = select.select([self.keypad, self.asker.child.pipe], [], [], 20)
            assert ready, "the vault is silent"
            if self.keypad in ready and b"ENTER PIN\n" in os.read(self.keypad, 4096) and not typed:
                typed = True
                os.write(self.keypad, planted.PIN.encode() + b"\r")
            if self.asker.child.pipe in ready:
                return self.asker.answer(number)

    def encrypt(self) -> bytes | None:
        """The KSN under which account data was enciphered; None for a refusal."""
        reply = self.asker.ask(Encrypt(b"account data"))
        return bytes(reply.ksn) if isinstance(reply, Result) else None

    async def honest(self) -> bool:
        """Whether a customer can pay with his PIN."""
        return isinstance(self.pin(), PinMade)

    def alerts(self) -> Sequence[str]:
        """Everything that the vault has told, and why it is locked, if it is."""
        with contextlib.suppress(OSError, EOFError):
            status = self.asker.status()
            why = ["clone or rollback" for words in status.get("why", []) if "clone or rollback" in words]
            missed = [name for name in why if name not in self._told]
            self._told += missed
        return [*self._told, *(event.name for event in self.asker.events)]

    def memory(self) -> bytes:
        """Whatever root can read of the vault's memory: everything that is mapped for writing."""
        process = self.asker.child.process.pid
        found = bytearray()
        lines = Path(f"/proc/{process}/maps").read_text().splitlines()
        with Path(f"/proc/{process}/mem").open("rb", buffering=0) as octets:
            for line in lines:
                place = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
                if place is None:
                    continue
                start, end = (int(word, 16) for word in place.groups())
                with contextlib.suppress(OSError, ValueError):
                    octets.seek(start)
                    found += octets.read(end - start) or b""
        return bytes(found)


@asynccontextmanager
async def vault(folder: Path, lack: str = "", **more: Any) -> AsyncIterator[VaultTarget]:
    """A vault for a ``with``."""
    target = VaultTarget(folder, lack, **more)
    try:
        yield target
    finally:
        target.stop()
        os.close(target.keypad)


def refused(reply: Reply) -> bool:
    """Whether it is a refusal."""
    return isinstance(reply, Refused)
