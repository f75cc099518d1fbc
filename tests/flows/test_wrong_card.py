# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A tag from a poster instead of a card: the terminal says in words what it is not, tells nobody, and takes a card."""

from pathlib import Path

from device_profiles.card_profile import load_card
from device_profiles.twins.card import CardTwin
from device_profiles.twins.ndef_tag import NdefTag, uri_message
from device_profiles.twins.reader import Hand, ReaderTwin
from tests.flows.shop import Shop
from tests.flows.terminal import Terminal
from tests.secrets.planted import PAN
from tests.secrets.twins import planted_profiles
from tests.virtual_time import run


def test_a_tag_and_then_a_card_of_type_b(tmp_path: Path) -> None:
    planted = planted_profiles()
    shop = Shop(tmp_path, planted)
    tag = NdefTag(uri_message("https://example.com/menu"), bytes)
    text = planted.card.read_text()
    chip = text[text.index("[contactless]") : text.index("[application]")]
    of_type_b = planted.card.with_name("b.toml")
    of_type_b.write_text(
        text.replace(chip, '[contactless]\napplication-data = "00000000"\nprotocol-info = "008171"\n\n')
    )

    async def pay() -> None:
        terminal = Terminal(shop, shop.state)
        async with terminal.running():
            shop.devices["reader"] = ReaderTwin(Hand(tag, 0.0))
            terminal.sockets["reader"].pull()
            terminal.sockets["reader"].plug()
            await terminal.usable_after_s("reader")
            wrong = await terminal.pay()
            assert wrong["outcome"] == "failed", wrong
            assert wrong["reason"] == "this card is not for payment"
            assert shop.bank.heard == []
            shop.devices["reader"] = ReaderTwin(Hand(CardTwin(load_card(str(of_type_b)), bytes), 0.0))
            terminal.sockets["reader"].pull()
            terminal.sockets["reader"].plug()
            await terminal.usable_after_s("reader")
            right = await terminal.pay()
            assert right["outcome"] == "approved", right
            assert right["masked_pan"] == f"{PAN[:6]}******{PAN[-4:]}"

    run(pay())
