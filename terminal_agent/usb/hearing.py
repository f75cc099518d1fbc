# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The other end of the warden's socket: its records as they come, each following the one before. Decides nothing.

For the agent. The warden needs none of this: it tells whoever listens, and nobody may.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

from protocols.audit_chain import LONGEST_LINE, ChainError, Damage, Record, genesis, parse
from protocols.errors import DecodeError
from terminal_agent.errors import AgentError

LONGEST_PACKET = LONGEST_LINE + 32


class WardenSilent(AgentError):
    """The warden cannot be heard."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One record, and where the next one begins in the chain's file."""

    record: Record
    next_place: int


async def records(path: str, terminal: str) -> AsyncIterator[Heard]:
    """All records of the warden's chain, from its first, and then each as it is made.

    :class:`WardenSilent` where nobody is there any more; :class:`ChainError` where a record does not follow.
    """
    loop = asyncio.get_running_loop()
    chain = f"warden/{terminal}"
    head = genesis(chain)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as link:
        link.setblocking(False)
        try:
            await loop.sock_connect(link, path)
            await loop.sock_sendall(link, b"0")
            while packet := await loop.sock_recv(link, LONGEST_PACKET):
                place, _, line = packet.partition(b" ")
                if not place.isdigit():
                    raise DecodeError("the warden's packet", "PLACE and a record expected")
                record = parse(line, chain)
                if record.seq != head.seq + 1 or b'"prev":"%s"' % head.hash.hex().encode() not in line:
                    raise ChainError(record.seq, Damage.MISSING, f"it does not follow record {head.seq}")
                head = record.head
                yield Heard(record, int(place))
        except OSError as fault:
            raise WardenSilent(
                f"the warden's socket {path}: {fault.strerror}", "is tillguard-warden running?"
            ) from None
    raise WardenSilent(f"the warden's socket {path}: it hung up", "see the log of tillguard-warden")
