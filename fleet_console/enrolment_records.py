# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the store knows of enrolments, as values. Reads only; judges nothing."""

import json
from dataclasses import dataclass

from fleet_console.authority import Requested, read_request
from fleet_console.store.port import Database, Row
from protocols.errors import DecodeError
from protocols.identity import documents
from protocols.identity.binding import Binding
from protocols.identity.documents import Application
from protocols.identity.life import Life
from protocols.telemetry.keys import PublicKey, from_certificate
from tillguard.exits import Exit
from tillguard.voice import Fault


@dataclass(frozen=True, slots=True)
class Standing:
    """A terminal's place in its life: ``version`` of its binding, ``steps`` taken so far."""

    life: Life
    version: int
    steps: int


@dataclass(frozen=True, slots=True)
class Kept:
    """An application that is kept. ``endorsed``: the id of the key that stands for it, or empty."""

    application: Application
    requested: Requested
    endorsed: str


class Records:
    """The store's rows on enrolments."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def standing(self, terminal: str) -> Standing:
        """Where a terminal stands; a stranger has applied, at the most."""
        rows = await self._database.read("SELECT life, version FROM enrolments WHERE terminal = $1", terminal)
        if not rows:
            return Standing(Life.APPLIED, 0, 0)
        steps = await self._database.read("SELECT count(*) FROM life_steps WHERE terminal = $1", terminal)
        return Standing(Life(rows[0][0]), int(rows[0][1]), int(steps[0][0]))

    async def must_know(self, terminal: str) -> None:
        """Raise :class:`Fault` for a name that nobody has applied under: a mistyped one must not seem a newcomer."""
        known = "SELECT 1 FROM enrolments WHERE terminal = $1 UNION SELECT 1 FROM applications WHERE terminal = $1"
        if await self._database.read(known, terminal):
            return
        raise Fault(f"no terminal {terminal} has applied here", "fleet-console enrol list", Exit.ABSENT)

    async def application(self, digest: str) -> Kept | None:
        """An application by its digest. Its seal was verified when it was filed."""
        rows = await self._database.read("SELECT octets, endorsed FROM applications WHERE digest = $1", digest)
        if not rows:
            return None
        application = documents.read_application(documents.open_document(bytes(rows[0][0]), "application"))
        return Kept(application, read_request(application.request), rows[0][1])

    async def accepted(self, digest: str) -> bool:
        """Whether a person found nothing wrong with an application."""
        return bool(await self._database.read("SELECT 1 FROM reviews WHERE application = $1 AND faults = '{}'", digest))

    async def review(self, digest: str) -> tuple[int, dict[str, str]] | None:
        """When an application was reviewed (Unix time in milliseconds), and the faults that were found."""
        rows = await self._database.read("SELECT at_ms, faults FROM reviews WHERE application = $1", digest)
        return (int(rows[0][0]), json.loads(rows[0][1])) if rows else None

    async def binding(self, terminal: str) -> Binding | None:
        """The binding in force."""
        rows = await self._database.read(
            "SELECT acquirer, merchant, licence, serial, location FROM bindings WHERE terminal = $1"
            " ORDER BY version DESC LIMIT 1",
            terminal,
        )
        return Binding(*rows[0]) if rows else None

    async def holder(self, serial: str) -> str:
        """The terminal that a machine is bound to, or empty."""
        rows = await self._database.read(
            "SELECT terminal FROM enrolments WHERE serial = $1 AND life <> 'retired'", serial
        )
        return str(rows[0][0]) if rows else ""

    async def certificate(self, digest: str) -> bytes | None:
        """The certificate that an application led to."""
        rows = await self._database.read("SELECT pem FROM certificates WHERE application = $1", digest)
        return bytes(rows[0][0]) if rows else None

    async def serials(self, terminal: str, now_ms: int) -> list[str]:
        """Serial numbers of the terminal's certificates that live and are not withdrawn."""
        rows = await self._database.read(
            "SELECT serial FROM certificates WHERE terminal = $1 AND ends_ms > $2"
            " AND serial NOT IN (SELECT serial FROM revocations)",
            terminal,
            now_ms,
        )
        return [serial for (serial,) in rows]

    async def keys(self, terminal: str, now_ms: int) -> list[PublicKey]:
        """The keys of those certificates."""
        rows = await self._database.read(
            "SELECT pem FROM certificates WHERE terminal = $1 AND ends_ms > $2"
            " AND serial NOT IN (SELECT serial FROM revocations)",
            terminal,
            now_ms,
        )
        return [from_certificate(bytes(pem), "certificate") for (pem,) in rows]

    async def code(self, digest: str) -> tuple[str, int] | None:
        """What an application's code proves, and until when (Unix time in milliseconds)."""
        rows = await self._database.read("SELECT proof, until_ms FROM activations WHERE application = $1", digest)
        return (rows[0][0], int(rows[0][1])) if rows else None

    async def tries(self, digest: str) -> int:
        """How often a code was tried for an application."""
        rows = await self._database.read("SELECT count(*) FROM activation_tries WHERE application = $1", digest)
        return int(rows[0][0])

    async def everybody(self) -> list[Row]:
        """Terminal, life, version of the binding, serial number; of every terminal that has applied, by name."""
        return await self._database.read(
            "SELECT terminal, life, version, serial FROM enrolments UNION "
            "SELECT terminal, 'applied', 0, '' FROM applications "
            "WHERE terminal NOT IN (SELECT terminal FROM enrolments) ORDER BY 1"
        )

    async def named(self, terminal: str, beginning: str) -> str:
        """The digest of a terminal's application that begins so; :class:`Fault` where none or several do."""
        rows = await self._database.read("SELECT digest FROM applications WHERE terminal = $1", terminal)
        found = [digest for (digest,) in rows if digest.startswith(beginning)]
        if len(found) != 1:
            what = f"{len(found)} applications of {terminal} begin with {beginning[:64]}"
            raise Fault(what, "give the digest as `fleet-console enrol file` said it", Exit.USAGE)
        return str(found[0])

    async def history(self, terminal: str) -> tuple[list[Row], list[Row], list[Row]]:
        """Steps (step, life, persons, when), bindings (version, five elements, from), certificates (serial, end, why
        withdrawn or empty), each in their order; times in Unix milliseconds."""
        read = self._database.read
        return (
            await read(
                "SELECT step, life, persons, at_ms FROM life_steps WHERE terminal = $1 ORDER BY number", terminal
            ),
            await read(
                "SELECT version, acquirer, merchant, licence, serial, location, from_ms FROM bindings"
                " WHERE terminal = $1 ORDER BY version",
                terminal,
            ),
            await read(
                "SELECT c.serial, c.ends_ms, COALESCE(r.reason, '') FROM certificates c"
                " LEFT JOIN revocations r ON r.serial = c.serial WHERE c.terminal = $1 ORDER BY c.ends_ms",
                terminal,
            ),
        )


def read_applied(octets: bytes) -> tuple[Application, Requested, str]:
    """An application off the wire, sealed by the very key that it asks a certificate for; and its digest."""
    sealed = documents.open_document(octets, "application")
    application = documents.read_application(sealed)
    requested = read_request(application.request)
    if not requested.key.signed(sealed, documents.APPLICATION):
        raise DecodeError("application", "not sealed by the key that it asks a certificate for")
    return application, requested, documents.digest(sealed.body)
