# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Account data that are enciphered as they are read: request, advice and reversal carry none of them, and still count.

The real flow, books, journal, host client and bank; the key's arithmetic is another library's (acquirer_bench.py).
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from protocols.acquirer.account import AccountData, EncipheredAccount
from protocols.acquirer.dialects import ASCII_1987
from protocols.acquirer.message import decode
from terminal_agent.flows import payment
from terminal_agent.host.port import HostSilent
from terminal_agent.pad.port import PadRefused
from tests.terminal_agent.flows.contact_bench import Shop
from tests.terminal_agent.flows.test_offline_advice import Approving, ApprovingLate, settle

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")  # the oracles'


class Enciphering:
    """Stands in for the vault: notes what it was given."""

    def __init__(self, shop: Shop) -> None:
        self._pad = shop.bank.pad
        self.asked: list[AccountData] = []
        self.fault: PadRefused | None = None

    async def __call__(self, account: AccountData) -> EncipheredAccount:
        self.asked.append(account)
        if self.fault is not None:
            raise self.fault
        return self._pad.encipher(account)


class Tapped:
    """Everything that went to the bank."""

    def __init__(self, shop: Shop) -> None:
        self.octets: list[bytes] = []
        self._pan = shop.twin.profile.application.pan
        self._send = shop.bank.send
        shop.bank.send = self._sent  # type: ignore[method-assign]  # a tap on the bank's line

    def _sent(self, octets: bytes) -> list[bytes]:
        self.octets.append(octets)
        return self._send(octets)

    def of(self, kind: str) -> list[Any]:
        """The messages of a type."""
        return [decode(one, ASCII_1987).message for one in self.octets if one[:4] == kind.encode()]

    def names_the_card(self) -> bool:
        """Whether any octet sent says more of the account number than its masked form."""
        middle = self._pan[6:-4]
        return any(middle in one.decode("latin-1") or middle in one.hex() for one in self.octets)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path)
    made.acquiring._offline_limit = 5_000
    made.till.encipher = Enciphering(made)
    yield made
    made.close()


async def test_the_tap_finds_the_number_where_it_is_sent_in_clear(shop: Shop) -> None:
    shop.till.encipher, tapped = None, Tapped(shop)
    assert (await shop.pay())["outcome"] == "approved"
    assert tapped.names_the_card()


async def test_an_approved_payment_sends_none_of_the_account(shop: Shop) -> None:
    tapped = Tapped(shop)
    fields = await shop.pay()
    assert (fields["outcome"], fields["masked_pan"][:6]) == ("approved", shop.twin.profile.application.pan[:6])
    (request,) = tapped.of("0100")
    assert (request.pan, request.track2, request.expiry) == (None, None, None)
    assert request.account.masked == fields["masked_pan"]
    assert not tapped.names_the_card()
    assert shop.bank.event["checks"] | {"account": "opened", "arqc": "good"} == shop.bank.event["checks"]
    (row,) = shop.journal._run("SELECT masked_pan FROM exchange").fetchall()
    assert row == (fields["masked_pan"],)


async def test_an_advice_has_a_cryptogram_of_its_own_without_the_track(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(payment, "InsertedCard", Approving)
    tapped = Tapped(shop)
    assert (await shop.pay())["response_code"] == "Y1"
    await settle(shop)
    (advice,) = tapped.of("0220")
    assert advice.account.masked == "400000******0057"
    assert shop.held == 4_200
    assert not tapped.names_the_card()
    assert [one.track2 for one in shop.till.encipher.asked] == [None]  # type: ignore[union-attr]  # the stand-in's


async def test_request_reversal_and_advice_of_one_payment(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payment, "InsertedCard", ApprovingLate)
    shop.line.fault = HostSilent("no answer in 1 s", sent=True)
    tapped = Tapped(shop)
    assert (await shop.pay())["response_code"] == "Y3"
    shop.line.fault = None
    await settle(shop)
    assert [kind for kind in shop.line.sent if kind != "0800"] == ["0100", "0400", "0220"]
    assert shop.held == 4_200
    assert tapped.of("0100")[0].account.ksn != tapped.of("0220")[0].account.ksn, "a key serves one message"
    assert not tapped.names_the_card()


async def test_what_cannot_be_enciphered_is_not_sent(shop: Shop) -> None:
    assert isinstance(shop.till.encipher, Enciphering)
    shop.till.encipher.fault = PadRefused("no key in slot data")
    fields = await shop.pay()
    assert (fields["outcome"], fields["reason"]) == ("failed", "no key in slot data")
    assert "0100" not in shop.line.sent
    await asyncio.sleep(0)
    assert not shop.journal.owes()
