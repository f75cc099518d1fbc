# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Judges messages on several cores: a signature is verified outside the interpreter's lock. Judges nothing itself."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

from fleet_console.judge import Accepted, Claim, Dead, believe, claim, judge
from fleet_console.register import Register
from protocols.mqtt.session import Message

FEW = 8  # messages that are judged on the spot: handing them to a thread takes longer


class Jury:
    """Threads that judge. What they found comes back in the order of the messages."""

    def __init__(self, threads: int) -> None:
        """``threads``: as many as there are cores to use; with one, the caller's thread is still free to go on."""
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, "judge")

    async def judge(self, messages: Sequence[Message], register: Register) -> list[Accepted | Dead]:
        """What each message is."""
        if len(messages) < FEW:
            return [judge(message, register) for message in messages]
        found = [claim(message, register) for message in messages]
        claims = [one for one in found if isinstance(one, Claim)]
        loop, share = asyncio.get_running_loop(), max(1, -(-len(claims) // self._threads))
        parts = [claims[start : start + share] for start in range(0, len(claims), share)]
        signed = chain.from_iterable(
            await asyncio.gather(*(loop.run_in_executor(self._pool, _signed, part) for part in parts))
        )
        return [one if isinstance(one, Dead) else believe(one, signed=next(signed)) for one in found]

    def close(self) -> None:
        """End the threads; none of them must be judging."""
        self._pool.shutdown()


def _signed(claims: Sequence[Claim]) -> list[bool]:
    return [one.is_signed() for one in claims]
