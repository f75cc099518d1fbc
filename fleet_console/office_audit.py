# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Head office's own audit chain, in its store: what it did and who asked. Appends; countersigns and verifies elsewhere.

Several processes append to one chain. Each links to the head that it has read, and the database takes a record number
once: who comes second reads the head anew.
"""

from collections.abc import Mapping, Sequence

from fleet_console.store.port import Database, Step, Taken
from protocols.audit_chain import Head, Value, genesis, link, parse

CHAIN = "head-office"
MOST_TRIES = 100  # writers that come first, one after the other; a chain has a few records a minute


async def append(
    database: Database, at_ms: int, name: str, fields: Mapping[str, Value], steps: Sequence[Step] = ()
) -> Head:
    """A record, and with it, all or nothing, the steps that it tells of."""
    for _ in range(MOST_TRIES):
        record = link(await head(database), at_ms, name, fields)
        try:
            await database.write([("INSERT INTO audit VALUES ($1, $2)", [(record.seq, record.line)]), *steps])
        except Taken:
            if (await head(database)).seq < record.seq:
                raise  # nobody came first: it was one of the steps
            continue
        return record.head
    raise Taken


async def head(database: Database) -> Head:
    """The end of the chain."""
    found = await database.read("SELECT line FROM audit ORDER BY seq DESC LIMIT 1")
    return parse(bytes(found[0][0]), CHAIN).head if found else genesis(CHAIN)
