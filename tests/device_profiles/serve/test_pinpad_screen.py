# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A person at the screen of a virtual pad: keys and buttons are the pad's, a PIN is stars, the case can be opened."""

from textual.widgets import RichLog, Static

from device_profiles.serve.pinpad_screen import PinpadScreen
from device_profiles.twins.pinpad import TAMPERED_WORDS
from protocols.serial.abecs_messages import OPEN, PinMethod, PinRequest
from protocols.serial.framer import Control
from protocols.serial.ipp import RequestPin, ShowText
from tests.device_profiles.twins.master_pads import Bench
from tests.device_profiles.twins.pads import TEST_PAN, abecs_pad


async def test_a_person_at_the_screen() -> None:
    bench = Bench(None)
    said: list[bytes] = []

    def news() -> tuple[list[str], list[str]]:
        return [one.text for one in bench.twin.drain_shown()], [one.text for one in bench.twin.drain_noted()]

    screen = PinpadScreen(
        "a pad",
        lambda key: said.append(bench.twin.press(key, bench.now)),
        lambda: said.append(bench.twin.tamper(bench.now)),
        news,
    )
    async with screen.run_test(size=(80, 40)) as pilot:
        display = screen.query_one("#display", Static)
        assert str(display.content) == "WELCOME"
        bench.say(ShowText("EUR 42.00"))
        bench.say(RequestPin(TEST_PAN))
        await pilot.press("7", "3", "1", "backspace", "7", "3")
        await pilot.click("#key-9")
        await pilot.click("#key-1")
        assert str(display.content) == "EUR 42.00 ENTER PIN ****"
        assert display.border_title == "a pad"
        await pilot.press("enter")
        assert said[-1].startswith(b"\x02710FFFF9876543250E00001")
        assert str(display.content) == "WELCOME"
        bench.say(RequestPin(TEST_PAN))
        await pilot.press("7", "escape")
        assert said[-1] == bytes((Control.EOT,))
        assert str(display.content) == "WELCOME"
        await pilot.press("t")
        assert str(display.content) == TAMPERED_WORDS
        assert len(screen.query_one("#notes", RichLog).lines) == 1


async def test_an_abecs_pad_at_the_screen() -> None:
    twin, _ = abecs_pad(None)
    twin.feed(OPEN.packet().encode(), 0.0)

    def news() -> tuple[list[str], list[str]]:
        return [one.text for one in twin.drain_shown()], [one.text for one in twin.drain_noted()]

    screen = PinpadScreen("a pad", lambda key: twin.press(key, 0.0), lambda: twin.tamper(0.0), news)
    async with screen.run_test(size=(80, 40)) as pilot:
        display = screen.query_one("#display", Static)
        request = PinRequest(PinMethod.DUKPT_TDES, 1, TEST_PAN, "EUR 42.00       ENTER PIN")
        twin.feed(request.command().packet().encode(), 0.0)
        await pilot.press("7", "3")
        assert str(display.content) == "EUR 42.00       ENTER PIN **"
        await pilot.press("t")
        assert str(display.content) == TAMPERED_WORDS
        assert len(screen.query_one("#notes", RichLog).lines) == 1
