# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The terminals that head office knows: their report keys and whether they are heard. Read from the store; judges none.

Every change makes the register's version grow, and a commit of reports names the version that it was judged by. So no
report is taken from a terminal behind the moment in which it was isolated, however many workers there are.
"""

from base64 import encodebytes
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from fleet_console.store.port import Database, Step, StoreError
from protocols.telemetry.keys import PublicKey, from_public_pem
from protocols.telemetry.topics import shard

_SHOWN = "INSERT INTO shown_certificates VALUES ($1, $2) ON CONFLICT (terminal, serial) DO NOTHING"
_CHANGED: Step = ("UPDATE register SET version = version + 1", [()])


class State(StrEnum):
    """What a terminal is to head office."""

    ACTIVE = "active"
    ISOLATED = "isolated"
    RETIRED = "retired"


@dataclass(slots=True)
class Known:
    """One terminal: its state, why, and its keys in PEM by their id; a key is loaded when it is first asked for."""

    state: State
    reason: str
    pems: dict[str, bytes]
    _loaded: dict[str, PublicKey]

    def key(self, key_id: str) -> PublicKey | None:
        """The report key of that id."""
        found = self._loaded.get(key_id)
        if found is None and (pem := self.pems.get(key_id)) is not None:
            found = self._loaded[key_id] = from_public_pem(pem, "report key")
        return found


@dataclass(frozen=True, slots=True)
class Register:
    """All terminals at one version."""

    version: int
    terminals: Mapping[str, Known]

    @classmethod
    async def load(cls, database: Database) -> "Register":
        """As the store has it now."""
        # The version first: what changes in between makes the commit stale, not wrong.
        versions = await database.read("SELECT version FROM register")
        if not versions:
            raise StoreError("the store: its register is gone", "restore it from its copy")
        version = versions[0][0]
        found = {
            name: Known(State(state), reason, {}, {})
            for name, state, reason in await database.read("SELECT terminal, state, reason FROM terminals")
        }
        for name, key_id, public in await database.read("SELECT terminal, key_id, public FROM report_keys"):
            if name in found:
                found[name].pems[key_id] = bytes(public)
        return cls(version, found)


def addition(terminal: str, keys: tuple[PublicKey, ...], at_ms: int, serials: tuple[str, ...] = ()) -> list[Step]:
    """What adds an active terminal, or further keys to one; a state that it has stays.

    ``serials``: of certificates that it showed, in hexadecimal, which are to be withdrawn when it is isolated.
    """
    return [
        (
            "INSERT INTO terminals VALUES ($1, $2, $3, '', $4) ON CONFLICT (terminal) DO NOTHING",
            [(terminal, shard(terminal), State.ACTIVE, at_ms)],
        ),
        (
            "INSERT INTO report_keys VALUES ($1, $2, $3, $4) ON CONFLICT (terminal, key_id) DO NOTHING",
            [(terminal, key.key_id, _pem(key.der), at_ms) for key in keys],
        ),
        *([(_SHOWN, [(terminal, serial) for serial in serials])] if serials else []),
        _CHANGED,
    ]


def change(terminal: str, state: State, reason: str, at_ms: int) -> list[Step]:
    """What puts a terminal into a state."""
    return [
        (
            "UPDATE terminals SET state = $2, reason = $3, changed_ms = $4 WHERE terminal = $1",
            [(terminal, state, reason, at_ms)],
        ),
        _CHANGED,
    ]


def _pem(der: bytes) -> bytes:
    """SubjectPublicKeyInfo in PEM (RFC 7468, 13)."""
    return b"-----BEGIN PUBLIC KEY-----\n" + encodebytes(der) + b"-----END PUBLIC KEY-----\n"
