# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A PC/SC reader of ours opened on the service at a desk. Tests nothing itself."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator

from device_profiles import catalog
from terminal_agent.card.pcsc import PcscReader, open_reader

SELECT_PSE = bytes.fromhex("00A404000E315041592E5359532E444446303100")


@contextlib.asynccontextmanager
async def opened(line: str = "pcsc:Till", **settings: object) -> AsyncIterator[PcscReader]:
    generic = catalog.reader("pcsc")
    profile = dataclasses.replace(generic, pcsc=dataclasses.replace(generic.pcsc, **settings))  # type: ignore[arg-type]
    reader = await open_reader(profile, line)
    assert isinstance(reader, PcscReader)
    try:
        yield reader
    finally:
        await reader.close()


async def done(work: object) -> object:
    return await asyncio.to_thread(work)  # type: ignore[arg-type]
