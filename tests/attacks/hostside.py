# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A bank's HSM behind its host interface, and what a host there holds: the ground of attacks on keys and PINs.

Attacks nothing itself. The hardened unit is the shipped one with an AES key block LMK and the preset `hardened`; soft
units are put together in :mod:`tests.attacks.soft.hsm`. What keys, blocks and offsets are is computed by other people's
libraries (:mod:`tests.hsm_sim.oracle`), and the attacker sees only messages and answers.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hsm_sim.config import PolicySettings, Preset, Settings
from hsm_sim.simulator import Simulator
from protocols.hsm.commands.command import Activity
from tests.hsm_sim import oracle
from tests.hsm_sim.console_units import Bench
from tests.hsm_sim.world import KINDS

ACCOUNT, PIN = "000999999001", "0237"  # TEST, ours
TABLE = "0123456789012345"
VALIDATION = "P" + "4000009999990016"
HARDENED = Settings(test_lmks={"00": "aes-blocks"}, policy=PolicySettings(Preset.HARDENED))
TELLER = "whoever reads the unit's audit or metrics"


def in_blocks(kind: str, clear: bytes, mode: str | None = None, exportability: str = "E") -> str:
    """A key field under the hardened unit's LMK."""
    _, usage, usual = KINDS[kind]
    return oracle.key_block("aes", "00", clear, usage, mode or usual, "T", exportability)


def in_variants(kind: str, clear: bytes, mode: str | None = None, exportability: str = "E") -> str:
    """A key field under a variant LMK, which knows no mode and no exportability."""
    return oracle.under_lmk(KINDS[kind][0], clear)


Held = Callable[..., str]


@dataclass
class HostSide:
    """A unit, its bank's keys, and what its owner was told: a :class:`tests.attacks.harness.Target`."""

    bench: Bench
    held: Held
    names_types: bool = False
    """Whether commands name key types, as they do under a variant LMK."""
    closed_tables: bool = True
    zmk: bytes = field(default_factory=oracle.key)
    zpk: bytes = field(default_factory=oracle.key)
    tpk: bytes = field(default_factory=oracle.key)
    pvk: bytes = field(default_factory=oracle.key)
    asked: int = 0
    table: str = ""

    def __post_init__(self) -> None:
        self.table = self._table()
        self.offset = oracle.ibm_offset(self.pvk, TABLE, VALIDATION[1:], PIN).ljust(12, "F")
        self.pvv = oracle.pvv(self.pvk, "1", PIN, ACCOUNT)

    def _table(self) -> str:
        """The bank's decimalisation table; a person at the console lets the unit encipher it."""
        if not self.closed_tables:
            return TABLE
        self.simulator.authorise(str(Activity.TABLES), 60)
        made = self.ask(f"LO{TABLE}")
        self.simulator.cancel(str(Activity.TABLES))
        return made[2:]

    @property
    def simulator(self) -> Simulator:
        """The unit."""
        return self.bench.simulator

    def ask(self, command: str | bytes) -> str:
        """What a host gets for a command."""
        self.asked += 1
        return self.bench.ask(command)

    def code(self, kind: str) -> str:
        """The key type that a command names."""
        return KINDS[kind][0] if self.names_types else "FFF"

    def block(self, pin: str = PIN, account: str = ACCOUNT) -> str:
        """A PIN block as the network carries it."""
        return oracle.block_0(self.zpk, pin, account)

    def verify(self, block: str, table: str, offset: str) -> str:
        """EA: the PIN of a block against an offset."""
        keys = self.held("ZPK", self.zpk) + self.held("IBM PVK", self.pvk)
        return self.ask(f"EA{keys}12{block}0104{ACCOUNT}{table}{VALIDATION}{offset.ljust(12, 'F')}")

    async def honest(self) -> bool:
        """Two verifications and a translation, as every payment asks for them."""
        other = oracle.key()
        by_pvv = f"EC{self.held('ZPK', self.zpk)}{self.held('PVK', self.pvk)}{self.block()}01{ACCOUNT}1{self.pvv}"
        moved = f"CC{self.held('ZPK', self.zpk)}{self.held('ZPK', other)}12{self.block()}0101{ACCOUNT}"
        answers = [self.verify(self.block(), self.table, self.offset), self.ask(by_pvv), self.ask(moved)]
        return answers == ["00", "00", f"0004{oracle.block_0(other, PIN, ACCOUNT)}01"]

    def alerts(self) -> Sequence[str]:
        """What the audit holds: events by name, refusals with their error code."""
        self.simulator.report_refusals()
        return [_named(record.name, dict(record.fields)) for record in self.simulator.audit.last(10_000)]


def _named(name: str, fields: dict[str, object]) -> str:
    return f"{name} {fields['error']}" if name == "host.refused" else name


@asynccontextmanager
async def unit(
    folder: Path,
    settings: Settings = HARDENED,
    *,
    make: type[Simulator] = Simulator,
    held: Held = in_blocks,
    names_types: bool = False,
    closed_tables: bool = True,
) -> AsyncIterator[HostSide]:
    """A unit in a folder of its own; as it is, the hardened one."""
    bench = Bench(folder, settings, make=make)
    try:
        yield HostSide(bench, held, names_types, closed_tables)
    finally:
        bench.simulator.close()
