# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A certificate renewed by order: a whole agent, mosquitto as shipped, head office's own ingest and commands.

Nothing is carried by hand: the application comes as a report, the certificate goes back in an order, and the terminal
shows it for good only when head office has answered over it.
"""

import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from fleet_console.authority import Authority
from fleet_console.enrolment import EnrolmentDesk
from fleet_console.life_steps import LifeStep
from fleet_console.store.sqlite import SqliteDatabase
from protocols.ed25519 import verify
from protocols.identity.binding import Binding
from protocols.identity.life import Step
from protocols.signed import Person, Trust
from protocols.telemetry.orders import trust_statement
from scripts.lib.stations import command as program
from terminal_agent.flows.enrolment import Enrolment
from terminal_agent.identity.folder import Folder
from tests.fleet_console.estate import Estate, command, estate, ingest, until
from tests.flows.stage import PROFILE, TERMINAL
from tests.protocols import persons

BINDING = Binding("123456", "TILLGUARD000001", "LIC-2026-77", "SN-00042", "+52.5200+013.4050")
KINDS = ("life", "life-grave", "order", "order-grave", "trust")
TRUST = Trust(
    tuple(Person(name, persons.key(name).public, frozenset(KINDS)) for name in ("ada", "ben")),
    {"life": 1, "life-grave": 2, "order": 1, "order-grave": 2, "trust": 2},
)
MORE = f"""\
receipt-key = "receipt.pub"
heartbeat-s = 5
[orders]
trust = "trust.toml"
[identity]
authority = "ca.pem"
acquirer = "{BINDING.acquirer}"
licence = "{BINDING.licence}"
serial = "{BINDING.serial}"
location = "{BINDING.location}"
"""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Ends:
    """Head office and one terminal that it has enrolled."""

    def __init__(self, there: Estate) -> None:
        self.folder = there.folder
        self.settings = there.settings("fleet.db")
        (self.folder / "trust.json").write_text(trust_statement(TRUST, 1, 0, 1).body)
        listed = ""
        for name in ("ada", "ben"):
            (self.folder / f"{name}.key").write_bytes(persons.private_pem(name))
            (self.folder / f"{name}.pub").write_text(persons.public_pem(name))
            listed += f'[[persons]]\nname = "{name}"\nkey = "{name}.pub"\nmay = {json.dumps(KINDS)}\n'
        numbers = "".join(f"{kind} = {needed}\n" for kind, needed in TRUST.thresholds.items())
        (self.folder / "trust.toml").write_text(f"{listed}[thresholds]\n{numbers}")
        values = {"terminal": TERMINAL, "reader": "no-reader", "pad": "no-pad", "acquirer": "127.0.0.1:9", "tls": ""}
        waits = {"card_s": 3.0, "pin_s": 3.0, "acquirer_s": 2.0}
        text = PROFILE.format(**values, **waits, broker=f"127.0.0.1:{there.port}").replace("pki/", "") + MORE
        self.profile = self.folder / "terminal.toml"
        self.profile.write_text(text)
        self.identity = Folder(self.folder / "state" / "identity", TERMINAL)
        self.terminal = Enrolment(self.identity, TERMINAL, self._file("ca.pem"), now_ms, os.urandom)

    def _file(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    async def enrol(self) -> None:
        """All the way to an active terminal."""
        database = await SqliteDatabase.open(self.folder / "fleet.db")
        try:
            authority = Authority(self._file("ca.pem"), self._file("ca.key"))
            desk = EnrolmentDesk(database, authority, TRUST, verify, now_ms, os.urandom)
            digest = (await desk.file(self.terminal.apply(BINDING, "ipp-uic"))).digest
            code = ""
            for number, step in enumerate((Step.ACCEPT, Step.CONTRACT, Step.INSTALL), 1):
                now_s = now_ms() // 1000
                said = LifeStep(step, digest if step is not Step.CONTRACT else "")
                statement = said.statement(TERMINAL, number, now_s - 60, now_s + 600)
                taken = await desk.step(persons.sealed(statement, "ada").encode())
                code = taken.code or code
                if taken.answer:
                    self.terminal.take(taken.answer)
            self.terminal.take(await desk.activate(self.terminal.activate(code)))
        finally:
            await database.close()

    async def told(self, *words: object, code: int = 0) -> list[dict[str, Any]]:
        """What a command of head office answers."""
        return await command(*words, "--settings", self.settings, code=code)

    async def orders(self, name: str, *more: str) -> None:
        """One person gives an order."""
        await self.told("orders", "new", name, "--terminal", TERMINAL, "--key", self.folder / "ada.key", *more)

    async def committed(self, name: str, **fields: object) -> dict[str, Any]:
        """The first event of that name and fields that head office has."""
        found: list[dict[str, Any]] = []

        async def here() -> bool:
            for one in await self.told("events", "--limit", 1000):
                if one["name"] == name and one["fields"].items() >= fields.items():
                    found.append(one)
            return bool(found)

        await until(here, f"{name} {fields}")
        return found[0]

    @contextlib.asynccontextmanager
    async def agent(self) -> AsyncIterator[None]:
        """A whole agent, without reader and pad."""
        process = await asyncio.create_subprocess_exec(
            program("terminal-agent"),
            "run",
            "--profile",
            str(self.profile),
            "--json",
            stdout=asyncio.subprocess.DEVNULL,
        )
        try:
            yield
        finally:
            process.terminate()
            assert await process.wait() == 0


async def test_applied_for_by_order_issued_at_the_desk_and_promoted_by_the_trial(tmp_path: Path) -> None:
    async with estate(tmp_path, TERMINAL) as there:
        ends = Ends(there)
        await ends.enrol()
        before = ends.terminal.standing().in_use
        assert before is not None
        async with ingest(ends.settings), ends.agent():
            await ends.committed("agent.heartbeat")
            await ends.orders("renew-certificate")
            await ends.committed("certificate.requested")
            key = str(tmp_path / "ada.key")
            (renewed,) = await ends.told("enrol", "renew", "--reported", "--key", key)
            assert renewed["order"].startswith("certificate-")
            await ends.committed("order.done", order=renewed["order"])
            await ends.committed("certificate.promoted")
            standing = ends.terminal.standing()
            assert standing.candidate is None
            assert standing.in_use is not None
            assert standing.in_use.serial != before.serial
            assert await ends.told("enrol", "renew", "--reported", "--key", key) == []  # it is answered
            (tmp_path / "noise").write_bytes(b"no answer")
            await ends.orders("certificate", "--set", f"answer=@{tmp_path / 'noise'}")
            refused = await ends.committed("order.refused")
            assert "certificate: answer" in refused["fields"]["reason"]
            assert ends.terminal.standing() == standing
