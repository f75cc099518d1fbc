# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: an APDU reaches the card at most once, and its answer arrives unchanged or the card is reported lost.

The scenes that all serial readers have to stand, on each of them; what only one of them can do is in its own module.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from device_profiles import catalog
from device_profiles.twins.reader import Hand, ReaderTwin
from device_profiles.twins.vivotech2_reader import Vivotech2ReaderTwin
from terminal_agent.card.port import CardError, CardLost, CardReader, ReaderAbsent
from terminal_agent.card.serial import open_reader
from tests.device_profiles.twins.hands import EchoCard, hand
from tests.terminal_agent.line.twin_line import DELAYED, OCTET_BY_OCTET, WHOLE, Carriage, Spoil, TwinLine, flip, lose
from tests.virtual_time import run

SELECT = bytes.fromhex("00A404000E325041592E5359532E444446303100")
MOST_SENT = (
    1500  # octets within a second in which a card of another sort lies there: asked again, but not without pause
)
CARRIAGES = pytest.mark.parametrize("carriage", [WHOLE, OCTET_BY_OCTET, DELAYED], ids=["whole", "octets", "delayed"])


@dataclass(frozen=True, slots=True)
class Kind:
    """One model of reader, and how it differs from the others."""

    model: str
    twin: Callable[[Hand | None], Any]
    torn: str
    """Its words for a card that left."""
    lost: type[CardError]
    """What a damaged line may end in: the card is lost; or, where the driver cannot tell, the reader."""
    once: int
    """Octets of the session that are not repeated: the frame that holds the APDU, and for some its answer."""

    async def opened(self, line: TwinLine) -> CardReader:
        """Its driver."""
        return await open_reader(catalog.reader(self.model), line)


KINDS = (
    Kind("pn532", ReaderTwin, "did not answer in time", CardLost, 30),
    Kind("vivotech2", Vivotech2ReaderTwin, "the time was up", CardError, len(SELECT) + 16 + 2),
)


@pytest.fixture(params=KINDS, ids=[kind.model for kind in KINDS])
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


@CARRIAGES
def test_two_payments(kind: Kind, carriage: Carriage) -> None:
    async def main() -> None:
        person, card = hand()
        reader = await kind.opened(TwinLine(kind.twin(person), carriage))
        for _ in range(2):
            presence = await reader.wait_for_card(5.0)
            assert presence is not None
            assert presence.interface == "contactless"
            assert "08112233" not in presence.identity
            assert await reader.transmit(SELECT) == SELECT + b"\x90\x00"
            await reader.release()
            assert card.powered == 0
        assert card.commands == [SELECT, SELECT]
        await reader.close()

    run(main())


@pytest.mark.parametrize("somebody", [True, False])
def test_nobody_came(kind: Kind, somebody: bool) -> None:
    async def main() -> None:
        person, _ = hand(after_s=60.0)
        reader = await kind.opened(TwinLine(kind.twin(person if somebody else None)))
        loop = asyncio.get_running_loop()
        started = loop.time()
        assert await reader.wait_for_card(3.0) is None
        assert loop.time() - started == pytest.approx(3.0, abs=0.05)
        with pytest.raises(CardLost):
            await reader.transmit(SELECT)
        await reader.release()

    run(main())


def test_a_late_card_is_found(kind: Kind) -> None:
    async def main() -> None:
        person, _ = hand(after_s=9.0)
        reader = await kind.opened(TwinLine(kind.twin(person)))
        assert await reader.wait_for_card(10.0) is not None

    run(main())


def test_a_card_without_iso_dep_is_not_a_payment_card(kind: Kind) -> None:
    async def main() -> None:
        person, card = hand(sak=0x08)
        line = TwinLine(kind.twin(person))
        reader = await kind.opened(line)
        assert await reader.wait_for_card(1.0) is None
        assert card.commands == []
        assert len(line.sent) < MOST_SENT, "the reader was asked without pause"

    run(main())


def test_a_torn_card_is_lost_and_the_next_tap_works(kind: Kind) -> None:
    async def main() -> None:
        person, _ = hand(torn_at=1)
        reader = await kind.opened(TwinLine(kind.twin(person)))
        await reader.wait_for_card(5.0)
        await reader.transmit(SELECT)
        with pytest.raises(CardLost, match=kind.torn) as caught:
            await reader.transmit(SELECT)
        assert caught.value.hint
        with pytest.raises(CardLost):
            await reader.transmit(SELECT)
        await reader.release()
        assert await reader.wait_for_card(5.0) is not None
        assert await reader.transmit(SELECT)

    run(main())


@pytest.mark.parametrize("after_s", [0.0, 0.01, 0.5, 2.0])
def test_a_task_that_is_cancelled_leaves_a_reader_that_works(kind: Kind, after_s: float) -> None:
    async def main() -> None:
        person, _ = hand(after_s=4.0)
        reader = await kind.opened(TwinLine(kind.twin(person), DELAYED))
        waiting = asyncio.create_task(reader.wait_for_card(60.0))
        await asyncio.sleep(after_s)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await reader.wait_for_card(60.0) is not None
        assert await reader.transmit(SELECT) == SELECT + b"\x90\x00"

    run(main())


@pytest.mark.parametrize("at", range(0, 150, 7))
def test_a_cable_pulled_at_any_moment(kind: Kind, at: int) -> None:
    async def main() -> None:
        person, _ = hand()
        line = TwinLine(kind.twin(person))

        def spoil(direction: str, place: int, octet: int) -> int:
            if place == at and direction == "<":
                asyncio.get_running_loop().call_soon(line.unplug)
            return octet

        line.carriage = Carriage(cut=1, delay_s=0.001, spoil=spoil)
        with contextlib.suppress(ReaderAbsent):
            reader = await kind.opened(line)
            await reader.wait_for_card(5.0)
            assert await reader.transmit(SELECT) == SELECT + b"\x90\x00"
            await reader.release()
            await reader.close()
        assert not line.plugged

    run(main())


def session(kind: Kind, spoil: Spoil | None = None) -> tuple[bytes | CardError, EchoCard, TwinLine]:
    """One tap and one APDU over a line that is spoiled only after the reader was opened."""

    async def main() -> tuple[bytes | CardError, EchoCard, TwinLine]:
        person, card = hand()
        line = TwinLine(kind.twin(person))
        reader = await kind.opened(line)
        line.carriage = Carriage(spoil=spoil)
        line._counts = {">": 0, "<": 0}
        line.sent.clear()
        line.said.clear()
        try:
            assert await reader.wait_for_card(20.0) is not None
            return await reader.transmit(SELECT), card, line
        except CardError as fault:
            return fault, card, line

    return run(main())


@pytest.mark.parametrize("direction", [">", "<"])
@pytest.mark.parametrize("damage", [flip, lose], ids=["flipped", "lost"])
def test_a_lossy_line(kind: Kind, direction: str, damage: Any) -> None:
    """Each octet of a session in turn is spoiled: the right response comes, or the card or the reader is lost."""
    _, _, line = session(kind)
    total = len(line.sent if direction == ">" else line.said)
    good = 0
    for place in range(total):
        result, card, _ = session(kind, damage(direction, place))
        assert len(card.commands) <= 1, "an APDU was sent twice"
        if isinstance(result, bytes):
            assert result == SELECT + b"\x90\x00", place
            good += 1
        else:
            assert isinstance(result, kind.lost), place
    assert good >= total - kind.once, f"{good} of {total}"
