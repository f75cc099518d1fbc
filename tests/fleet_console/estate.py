# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""An estate for tests: two authorities, mosquitto as head office ships it, settings, and terminals at the wire.

A terminal here is a certificate, a report key and a line; what it does not do, a test does: keep a spool, send again.
"""

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from device_profiles.serve.mosquitto import Mosquitto, free_port, must_find
from device_profiles.twins.pki import Authority, Credential
from fleet_console.authority import Authority as Issuing
from fleet_console.broker_access import Plan, configuration, dynamic_security
from fleet_console.line import Line, line
from fleet_console.settings import BrokerAccess
from protocols.mqtt.session import Will
from protocols.telemetry.keys import PublicKey, from_public_pem
from protocols.telemetry.receipt import CONTEXT, Receipt, read_receipt, receipt
from protocols.telemetry.topics import receipt_topic
from tests.protocols.telemetry.report_keys import private_pem, public_pem

PLUGIN = Path("/usr/lib/x86_64-linux-gnu/mosquitto_dynamic_security.so")
COMMAND = [sys.executable, "-m", "fleet_console.cli"]
ANSWER_S = 60.0
CRL = "revoked.pem"


@dataclass
class Estate:
    """Folder, ports and what runs."""

    folder: Path
    port: int
    office_port: int
    terminals: tuple[str, ...]
    broker: Mosquitto | None = None
    log: list[str] = field(default_factory=list)

    async def start_broker(self) -> None:
        """mosquitto, with what it has been told kept from its life before."""
        self.broker = await Mosquitto.start(must_find(), self.folder / "mosquitto.conf", self.log.append)
        (self.folder / "mosquitto.pid").write_text(str(self.broker.pid))
        await self.broker.ready(self.office_port)

    def access(self, name: str, *, office: bool = False, certificate: str | None = None) -> BrokerAccess:
        """How somebody reaches the broker: a terminal at its port, head office at its own."""
        file = certificate or name
        return BrokerAccess(
            "127.0.0.1",
            self.office_port if office else self.port,
            self.folder / "ca.pem",
            self.folder / f"{file}.pem",
            self.folder / f"{file}.key",
        )

    def settings(self, store: str, name: str = "office.toml", **ingest: Any) -> Path:
        """Head office's settings in a file."""
        listed = "\n".join(f"{key.replace('_', '-')} = {json.dumps(value)}" for key, value in ingest.items())
        path = self.folder / name
        path.write_text(
            f'store = "{store}"\ntrust = "trust.json"\n[broker]\naddress = "127.0.0.1:{self.office_port}"\n'
            'ca = "ca.pem"\ncertificate = "head-office.pem"\nkey = "head-office.key"\n'
            f'crl = "{CRL}"\nreload = ["sh", "-c", "kill -HUP $(cat {self.folder}/mosquitto.pid)"]\n'
            '[enrolment]\ncertificate = "ca.pem"\nkey = "ca.key"\n'
            f'[ingest]\nreceipt-key = "receipt.key"\n{listed}\n[audit]\nkey = "audit.key"\n'
        )
        return path

    @asynccontextmanager
    async def terminal(self, name: str, will: Will | None = None) -> AsyncIterator[Line]:
        """A terminal's line, listening for receipts."""
        async with line(self.access(name), name, will) as talk:
            assert await talk.open(), talk.ended
            assert await talk.subscribe([receipt_topic(name)]) == (None,)
            yield talk


def make_estate(folder: Path, *terminals: str) -> Estate:
    """Certificates, keys and the broker's files; nothing runs yet."""
    now = datetime.now(UTC)
    authority, office = Authority(now), Authority(now)
    _write(folder, "ca", authority.credential)
    _write(folder, "office-ca", office.credential)
    _write(folder, "broker", authority.server("broker"))
    _write(folder, "head-office", office.client("head-office"))
    for name in terminals:
        _write(folder, name, authority.client(name))
    for name in ("receipt", "audit"):
        (folder / f"{name}.key").write_bytes(private_pem(name, ed25519=True))
        (folder / f"{name}.pub").write_bytes(public_pem(name, ed25519=True))
    estate = Estate(folder, free_port(), free_port(), terminals)
    plan = Plan(
        folder, PLUGIN, f"{estate.port} 127.0.0.1", f"{estate.office_port} 127.0.0.1", folder / "ca.pem",
        folder / "office-ca.pem", folder / "broker.pem", folder / "broker.key", folder / CRL,
        user="root" if os.geteuid() == 0 else None,
    )  # fmt: skip
    (folder / "mosquitto.conf").write_text(configuration(plan))
    issuing = Issuing(authority.credential.certificate, authority.credential.key)
    (folder / CRL).write_bytes(issuing.revocation_list((), now))
    (folder / "dynamic-security.json").write_text(dynamic_security(terminals))
    return estate


def _write(folder: Path, name: str, credential: Credential) -> None:
    (folder / f"{name}.pem").write_bytes(credential.certificate)
    key = folder / f"{name}.key"
    key.touch(mode=0o600)
    key.write_bytes(credential.key)


@asynccontextmanager
async def estate(folder: Path, *terminals: str) -> AsyncIterator[Estate]:
    """An estate whose broker runs."""
    made = make_estate(folder, *terminals)
    await made.start_broker()
    try:
        yield made
    finally:
        assert made.broker is not None
        await made.broker.stop()


def receipts(talk: Line, terminal: str) -> list[Receipt]:
    """What a terminal has been told, each verified by head office's key."""
    found = []
    for message in talk.messages:
        if message.topic == receipt_topic(terminal):
            sealed = read_receipt(message.payload)
            assert receipt_key().signed(sealed, CONTEXT)
            found.append(receipt(sealed))
    return found


def receipt_key() -> PublicKey:
    """The key of every estate's receipts."""
    return from_public_pem(public_pem("receipt", ed25519=True), "receipt")


async def command(*words: object, code: int = 0, env: dict[str, str] | None = None) -> list[dict[str, Any]]:
    """`fleet-console … --json` to its end; its answers."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *map(str, words), "--json", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=env
    )
    async with asyncio.timeout(ANSWER_S):
        out, err = await process.communicate()
    assert process.returncode == code, (process.returncode, out.decode(), err.decode())
    return [json.loads(text) for text in out.splitlines()]


class Ingest:
    """A running `fleet-console ingest`, and what it says."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.said: list[dict[str, Any]] = []
        self._came = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, settings: Path) -> "Ingest":
        """Start it, without waiting until it is ready."""
        return cls(
            await asyncio.create_subprocess_exec(
                *COMMAND, "ingest", "--settings", str(settings), "--json", stdout=asyncio.subprocess.PIPE
            )
        )

    async def says(self, event: str, **fields: object) -> dict[str, Any]:
        """Wait until it says that."""

        def found() -> dict[str, Any] | None:
            return next((one for one in self.said if one.get("event") == event and one.items() >= fields.items()), None)

        async with asyncio.timeout(ANSWER_S), self._came:
            await self._came.wait_for(lambda: found() is not None or self._reading.done())
        got = found()
        assert got is not None, self.said
        return got

    def kill(self) -> None:
        """kill -9."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()

    async def stop(self) -> int | None:
        """SIGTERM, and its exit code."""
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        async with asyncio.timeout(ANSWER_S):
            await self.process.wait()
            await self._reading
        return self.process.returncode

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for text in self.process.stdout:
            async with self._came:
                self.said.append(json.loads(text))
                self._came.notify_all()
        async with self._came:
            self._came.notify_all()


@asynccontextmanager
async def ingest(settings: Path) -> AsyncIterator[Ingest]:
    """An ingest that is ready."""
    running = await Ingest.start(settings)
    try:
        await running.says("ready")
        yield running
    finally:
        await running.stop()


async def until(condition: Any, what: str, timeout: float = ANSWER_S) -> None:
    """Poll until an awaited condition holds."""
    deadline = time.monotonic() + timeout
    while not await condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.02)
