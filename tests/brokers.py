# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Brokers and certificates for tests: the twin in this process, the real mosquitto as a child. Holds no test.

A test that wants mosquitto fails where it is not installed, and says the cure; nothing is skipped.
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from device_profiles.serve import mosquitto
from device_profiles.serve.mqtt import BrokerServer
from device_profiles.serve.mutual_tls import server_context
from device_profiles.twins.pki import Authority, Credential

KINDS = ("twin", "mosquitto")
TERMINALS = ("TG000001", "TG000002")


@dataclass(frozen=True, slots=True)
class Pki:
    """A folder with certificates, as `device-twin pki` lays it out; ``stranger`` and ``expired`` are of no use."""

    folder: Path

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    def certificate(self, name: str) -> Path:
        return self.folder / f"{name}.pem"

    def key(self, name: str) -> Path:
        return self.folder / f"{name}.key"

    def flags(self, name: str) -> list[str]:
        """As mosquitto_pub and mosquitto_sub take them."""
        return ["--cafile", str(self.ca), "--cert", str(self.certificate(name)), "--key", str(self.key(name))]


def make_pki(folder: Path) -> Pki:
    """TEST certificates: broker, head office, two terminals, a stranger of another authority, an expired one."""
    now = datetime.now(UTC)
    authority, elsewhere = Authority(now), Authority(now)
    past = (now - timedelta(days=2), now - timedelta(days=1))
    _write(folder, "ca", authority.credential)
    _write(folder, "other-ca", elsewhere.credential)
    _write(folder, "broker", authority.server("broker"))
    _write(folder, "other-broker", elsewhere.server("broker"))
    for name in ("head-office", *TERMINALS):
        _write(folder, name, authority.client(name))
    _write(folder, "stranger", elsewhere.client("TG000001"))
    _write(folder, "expired", authority.client("TG000001", valid=past))
    return Pki(folder)


def _write(folder: Path, name: str, credential: Credential) -> None:
    (folder / f"{name}.pem").write_bytes(credential.certificate)
    key = folder / f"{name}.key"
    key.touch(mode=0o600)
    key.write_bytes(credential.key)


@dataclass(frozen=True, slots=True)
class Running:
    """A broker that listens. ``pid`` is mosquitto's."""

    port: int
    pid: int | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"


@contextlib.asynccontextmanager
async def broker(kind: str, pki: Pki, folder: Path, port: int = 0) -> AsyncIterator[Running]:
    """A broker of the kind, until the block ends; it may have died by then."""
    if kind == "twin":
        server = BrokerServer(server_context(pki.ca, pki.certificate("broker"), pki.key("broker")))
        number = await server.start(port)
        try:
            yield Running(number)
        finally:
            await server.close()
        return
    program, number = mosquitto.must_find(), port or mosquitto.free_port()
    settings = mosquitto.configuration(folder, number, pki.ca, pki.certificate("broker"), pki.key("broker"))
    child = await mosquitto.Mosquitto.start(program, settings, lambda _: None)
    try:
        await child.ready(number)
        yield Running(number, child.pid)
    finally:
        await child.stop()
