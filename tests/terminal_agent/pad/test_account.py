# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Account data at the vault beside a pad: only the answer to this very question counts, and nothing clear stays."""

import asyncio
import socket

import pytest

from protocols.acquirer.account import AccountData, EncipheredAccount
from protocols.pan import Pan
from protocols.vault import (
    LARGEST_PACKET,
    Done,
    Encrypt,
    Refusal,
    Refused,
    Reply,
    Request,
    Result,
    decode_request,
    encode,
)
from terminal_agent.pad.account import VaultBeside
from terminal_agent.pad.port import PadAbsent, PadError, PadRefused

ACCOUNT = AccountData(Pan("4000009999990016"), None, "2812")
KSN = bytes.fromhex("FFFFDA7A000002000001")
GOOD = Result(bytes(24), KSN)
STALE = Result(b"another card's account data ", bytes(10))


class PaperVault:
    """The other end of the pipe: answers each question by its kind."""

    def __init__(self, answer: Reply | None) -> None:
        self.ours, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._theirs.setblocking(False)
        self._answer = answer
        self.asked: list[Request] = []

    def leave(self, number: int, reply: Reply) -> None:
        """An answer to somebody who is not there any more."""
        self._theirs.send(encode(number, reply))

    async def run(self) -> None:
        """Serve until the other side hangs up."""
        loop = asyncio.get_running_loop()
        while packet := await loop.sock_recv(self._theirs, LARGEST_PACKET):
            number, request = decode_request(packet)
            self.asked.append(request)
            answer = self._answer if isinstance(request, Encrypt) else Done("phase ready")
            if answer is None:
                break
            self._theirs.send(encode(number, answer))
        self._theirs.close()

    async def enciphered(self, first_number: int = 1) -> EncipheredAccount:
        """What a worker gets of it."""

        async def connect() -> socket.socket:
            return self.ours

        serving = asyncio.create_task(self.run())
        try:
            return await VaultBeside(connect, lambda: first_number).encipher(ACCOUNT)
        finally:
            self.ours.close()
            await serving


async def test_serial_number_and_cryptogram_come_with_the_masked_number() -> None:
    vault = PaperVault(GOOD)
    assert await vault.enciphered() == EncipheredAccount(KSN, "400000******0016", bytes(24))
    assert [bytes(one.data) for one in vault.asked if isinstance(one, Encrypt)] == [b"4000009999990016=2812?"]


@pytest.mark.parametrize("number", range(1, 4))
async def test_an_answer_to_a_worker_before_is_nobodys(number: int) -> None:
    vault = PaperVault(GOOD)
    vault.leave(number, STALE)
    assert (await vault.enciphered()).ksn == KSN


FAULTS = [(Refused(Refusal.NO_KEY, "no key in slot data"), PadRefused), (Done("x"), PadError), (None, PadAbsent)]


@pytest.mark.parametrize(("answer", "kind"), FAULTS)
async def test_whatever_else_it_says_is_a_fault(answer: Reply | None, kind: type[PadError]) -> None:
    with pytest.raises(kind) as told:
        await PaperVault(answer).enciphered()
    assert ACCOUNT.pan.digits not in str(told.value)
