# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Account data enciphered by the vault, for whoever read them from a card. Computes nothing and keeps nothing.

Beside a PIN pad that enciphers by itself the vault has no keypad and is no pad: :class:`VaultBeside` asks it then.
"""

import contextlib
import socket
from collections.abc import Awaitable, Callable

from protocols.acquirer.account import AccountData, EncipheredAccount
from protocols.vault import Encrypt, Refused, Result, Status
from terminal_agent.pad.port import PadError, PadRefused
from terminal_agent.pad.vault_link import VaultLink

ANSWER_S = 5.0
"""What no person is asked about is answered within milliseconds; a disk may make it wait."""


async def enciphered(link: VaultLink, account: AccountData) -> EncipheredAccount:
    """Account data under a key that is used for nothing else; :class:`PadError` says why there are none."""
    clear = account.clear_octets()
    try:
        reply = await link.ask(Encrypt(memoryview(clear)), ANSWER_S)
    finally:
        clear[:] = bytes(len(clear))
    if isinstance(reply, Refused):
        raise PadRefused(reply.words, "see: terminal-agent keys list")
    if not isinstance(reply, Result):
        raise PadError("the vault answered something else")
    return EncipheredAccount(bytes(reply.ksn), account.masked, bytes(reply.value))


class VaultBeside:
    """The vault beside a PIN pad."""

    def __init__(self, connect: Callable[[], Awaitable[socket.socket]], first_number: Callable[[], int]) -> None:
        """``connect`` gives a pipe on which others may have asked before; ``first_number`` as in :class:`VaultLink`."""
        self._connect = connect
        self._first_number = first_number

    async def encipher(self, account: AccountData) -> EncipheredAccount:
        """See :func:`enciphered`."""
        link = VaultLink(await self._connect(), first_number=self._first_number())
        with contextlib.closing(link):
            for _ in range(2):  # an answer that was somebody else's is behind us then
                await link.ask(Status(), ANSWER_S)
            return await enciphered(link, account)
