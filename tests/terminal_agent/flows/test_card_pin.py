# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A PIN enciphered for the card: what the pad says, what the card says, and which method comes next."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from terminal_agent.errors import AgentError
from terminal_agent.pad.port import PadAbsent, PadRefused, PinCancelled, PinOutcome, PinTimedOut
from tests.terminal_agent.flows.contact_bench import BenchPad, CardPinPad, Shop

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")

Open = Callable[..., Shop]
RIGHT, WRONG = "7391", "1111"
BOTH_PINS = {"capabilities": "E058C8", "enciphered_pin": True}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Open]:
    with contextlib.ExitStack() as stack:

        def opened(pad: BenchPad, card: str = "test-visa-dda", **changes: Any) -> Shop:
            made = Shop(tmp_path / "shop", card=card, pad=pad, terminal=BOTH_PINS, **changes)
            stack.callback(made.close)
            return made

        yield opened


@pytest.mark.parametrize("card", ["test-visa-dda", "test-visa-cda"])
@pytest.mark.parametrize("t0", [False, True], ids=["T=1", "T=0"])
async def test_the_card_checks_the_pin(shop: Open, card: str, t0: bool) -> None:
    """The one card has a key of its own for PINs, the other has one key for all."""
    pad = CardPinPad(WRONG, WRONG, RIGHT)
    till = shop(pad, card, t0=t0)
    fields = await till.pay()
    assert fields["outcome"] == "approved"
    assert pad.shown == ["EUR 42.00", "EUR 42.00", "LAST TRY"]
    assert pad.asked == []
    assert "ksn" not in fields
    assert till.words("CVM")[-1].startswith("enciphered PIN, checked by the card")
    assert [command[3] for command in till.reader.commands if command[1] == 0x20] == [0x88] * 3


@pytest.mark.parametrize("pad", [BenchPad(), CardPinPad(PadRefused("no PIN for a card: not allowed"))])
async def test_a_pad_that_cannot_or_may_not_leads_to_the_pin_for_the_issuer(shop: Open, pad: BenchPad) -> None:
    till = shop(pad)
    fields = await till.pay()
    assert fields["outcome"] == "approved"
    assert len(pad.asked) == 1
    assert till.words("CVM")[-1].startswith("enciphered PIN, checked online")
    assert "PIN pad not present or not working" in till.words("TVR")[0]


@pytest.mark.parametrize(
    ("outcome", "ending", "reason"),
    [
        (PinCancelled(), "cancelled", "the cardholder cancelled PIN entry"),
        (PinTimedOut(), "cancelled", "no PIN within 60 s"),
        (PadAbsent("the vault has ended"), "failed", "the vault has ended"),
    ],
)
async def test_no_pin_no_payment(shop: Open, outcome: PinOutcome | AgentError, ending: str, reason: str) -> None:
    till = shop(CardPinPad(outcome))
    fields = await till.pay()
    assert (fields["outcome"], fields["reason"]) == (ending, reason)
    assert "0100" not in till.line.sent
    assert any(event.name == "device.lost" for event in till.events) == (ending == "failed")
