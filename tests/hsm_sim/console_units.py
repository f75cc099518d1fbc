# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A simulator of a test's own with vault and audit in a folder, and a person at its console. No test."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hsm_sim.audit import Audit
from hsm_sim.config import Settings
from hsm_sim.console_actions import perform
from hsm_sim.engine.vault import Vault
from hsm_sim.engine.vault_seal import ByPassphrase, Passphrase
from hsm_sim.simulator import REMEMBERED, Simulator
from protocols.secret import Secret
from tests.hsm_sim.units import Clock

WORDS = b"TEST passphrase of a unit"


@dataclass
class Bench:
    """A simulator that can be stopped and started again over the same files."""

    folder: Path | None
    settings: Settings = field(default_factory=Settings)
    clock: Clock = field(default_factory=Clock)
    now_ms: int = 1_700_000_000_000
    stops: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    make: type[Simulator] = Simulator
    with_vault: bool = True

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        vault = None
        if self.folder is not None and self.with_vault:
            path = self.folder / "vault.db"
            if path.exists():
                vault = Vault.open(path, lambda stored: ByPassphrase(Passphrase(WORDS), os.urandom, stored), os.urandom)
            else:
                vault = Vault.create(path, ByPassphrase(Passphrase(WORDS), os.urandom), os.urandom)
        self.simulator = self.make(
            self.settings,
            random=os.urandom,
            clock=self.clock,
            clock_ms=lambda: self.now_ms,
            audit=Audit(lambda: self.now_ms, None if self.folder is None else self.folder / "audit.jsonl", REMEMBERED),
            vault=vault,
            stop=lambda what, hint: self.stops.append(what),
            tell=self.told.append,
        )

    def restart(self) -> None:
        self.simulator.close()
        self.start()

    def ask(self, command: str | bytes) -> str:
        """What follows the response code."""
        octets = command.encode("latin-1") if isinstance(command, str) else command
        return self.simulator.unit.answer(b"head" + octets)[6:].decode("latin-1")

    def order(self, *words: str, secrets: Sequence[str] = ()) -> dict[str, Any]:
        """What an order came to; a person brings the secrets one by one."""
        talk = perform(self.simulator, words)
        self.asked: list[str] = []
        rest = iter(secrets)
        try:
            ask = next(talk)
            while True:
                self.asked.append(ask.words)
                ask = talk.send(Secret(bytearray(next(rest).encode())))
        except StopIteration as ended:
            assert ended.value.text
            return dict(ended.value.document)

    def secure(self) -> None:
        self.order("state", "offline")
        self.order("state", "secure")

    def online(self) -> None:
        self.order("state", "offline")
        self.order("state", "online")

    @property
    def records(self) -> list[str]:
        return [record.name for record in self.simulator.audit.last(1000)]
