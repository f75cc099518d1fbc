# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Keys by order, over the vault's own code: loaded, rotated, or refused with the vault's reason; nothing half done."""

from typing import Any, cast

import pytest

from protocols.telemetry.orders import ORDERS, Order
from protocols.vault import Refused, Reply, Request
from terminal_agent.errors import AgentError
from terminal_agent.flows.keys import KeyOffice, KeysRefused
from terminal_agent.flows.order_rooms import VaultRoom
from terminal_agent.flows.reporting import Recorder
from terminal_agent.pad.vault_link import VaultLink
from terminal_agent.sealed.vault import Vault
from tests.protocols import persons
from tests.terminal_agent.flows.paper import PaperChain, PaperOutbox
from tests.terminal_agent.flows.test_ordering import StillClock
from tests.terminal_agent.sealed.inside import Machine
from tests.terminal_agent.sealed.test_services import vault_with_all
from tests.terminal_agent.sealed.vaults import block, made_key

believed: Any = None


class Desk:
    """A vault's orders."""

    def __init__(self, vault: Vault) -> None:
        self.vault = vault
        self.chain = PaperChain()
        self.refused = ""
        recorder = Recorder(self.chain, PaperOutbox(), StillClock(), lambda _: None)
        self._room = VaultRoom(KeyOffice(lambda: cast(VaultLink, self), recorder))

    async def ask(self, request: Request, timeout_s: float) -> Reply:
        """See :class:`VaultLink`."""
        if type(request).__name__ == self.refused:
            return Refused(9, "the disk is full")
        return self.vault.ask(request)

    async def orders(self, slot: str, text: str) -> str:
        return await self._room(Order("o-1", ORDERS["rotate-keys"], {"slot": slot, "block": text}, believed))

    def serving(self, slot: str) -> bytes:
        return bytes(self.vault._ring.serving[slot].octets)


def a_key(name: str) -> str:
    return block("M6", "T", "C", made_key(name))


async def test_a_key_waits_serves_and_the_one_before_is_destroyed() -> None:
    desk = Desk(vault_with_all(Machine()))
    assert desk.serving("binding") == made_key("binding")
    words = await desk.orders("binding", a_key("another"))
    assert "serves in slot binding" in words
    assert desk.serving("binding") == made_key("another")
    assert [event.name for event in (*desk.chain.named("key.loaded"), *desk.chain.named("key.destroyed"))] == [
        "key.loaded",
        "key.destroyed",
    ]


async def test_an_empty_slot_takes_it() -> None:
    desk = Desk(Machine(needed=()).start())
    assert "serves in slot binding" in await desk.orders("binding", a_key("binding"))
    assert desk.chain.named("key.destroyed") == []


@pytest.mark.parametrize(
    ("slot", "text"),
    [
        ("binding", block("M6", "T", "C", made_key("another"), under=made_key("elsewhere", 32))),
        ("binding", block("K0", "T", "B", made_key("another"))),
        ("nothing", block("M6", "T", "C", made_key("another"))),
    ],
)
async def test_what_the_vault_refuses_changes_nothing(slot: str, text: str) -> None:
    desk = Desk(vault_with_all(Machine()))
    with pytest.raises(KeysRefused):
        await desk.orders(slot, text)
    assert desk.serving("binding") == made_key("binding")
    assert desk.chain.named("key.loaded") == []


async def test_no_order_stands_for_custodians() -> None:
    people = tuple(persons.key(name).public for name in ("carla", "chris"))
    desk = Desk(Machine(custodians=people, needed=()).start())
    with pytest.raises(KeysRefused, match="custodian"):
        await desk.orders("binding", a_key("another"))


async def test_a_key_that_waits_is_told_so_where_it_cannot_serve() -> None:
    desk = Desk(vault_with_all(Machine()))
    desk.refused = "Rotate"
    with pytest.raises(AgentError, match="waits in slot binding: the disk is full"):
        await desk.orders("binding", a_key("another"))
    assert desk.serving("binding") == made_key("binding")
