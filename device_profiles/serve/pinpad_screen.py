# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A virtual PIN pad's display and keypad in a terminal, for a person (Textual). Decides nothing: the twin does.

Digits, Enter, Escape (the cancel key) and Backspace (clear) of the keyboard are the pad's; ``s`` is the officers' key
below the battery cover, ``t`` opens the case. What is typed shows as the pad shows it: a PIN as stars.
"""

from collections.abc import Callable, Mapping
from typing import ClassVar

from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Grid
from textual.widgets import Button, Footer, RichLog, Static

from device_profiles.twins.pinpad_cardholder import Key

KEYS: Mapping[str, int] = {
    **{str(digit): digit for digit in range(10)},
    "enter": Key.ENTER,
    "escape": Key.CANCEL,
    "backspace": Key.CLEAR,
    "s": Key.SERVICE,
}
_PAD = ("1", "2", "3", "4", "5", "6", "7", "8", "9", "escape", "0", "enter")
_LABELS: Mapping[str, str] = {"escape": "CANCEL", "enter": "OK"}
REFRESH_S = 0.05


class PinpadScreen(App[None]):
    """One pad on a screen, until its person leaves."""

    CSS = """
    Screen { align: center top; }
    #display { width: 40; height: 5; border: heavy green; content-align: center middle; text-style: bold; }
    Grid { grid-size: 3 4; width: 40; height: 16; }
    Button { width: 100%; height: 100%; }
    #notes { width: 100%; height: 1fr; border-top: solid grey; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "press_key('enter')", "OK"),
        Binding("escape", "press_key('escape')", "cancel"),
        Binding("backspace", "press_key('backspace')", "clear"),
        Binding("s", "press_key('s')", "officers' key"),
        Binding("t", "open_case", "open the case"),
        Binding("ctrl+q", "quit", "leave"),
    ]
    ENABLE_COMMAND_PALETTE = False

    def __init__(
        self,
        title: str,
        press: Callable[[int], None],
        open_case: Callable[[], None],
        news: Callable[[], tuple[list[str], list[str]]],
    ) -> None:
        """``press`` and ``open_case`` act on the twin; ``news`` gives what it displayed and noted since last asked."""
        super().__init__()
        self.title = title
        self._press = press
        self._open_case = open_case
        self._news = news

    def compose(self) -> ComposeResult:
        """Display, keys, notes."""
        display = Static("", id="display", markup=False)
        display.border_title = self.title
        yield display
        with Grid():
            for key in _PAD:
                button = Button(_LABELS.get(key, key), id=f"key-{key}")
                button.can_focus = False
                yield button
        yield RichLog(id="notes", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        """Begin to look at the twin."""
        self.set_interval(REFRESH_S, self.look)
        self.look()

    def on_key(self, event: events.Key) -> None:
        """A digit of the keyboard; its other keys are in :data:`BINDINGS`, which are told at the foot."""
        if event.key.isdigit() and event.key in KEYS:
            event.stop()
            self.action_press_key(event.key)

    def action_press_key(self, name: str) -> None:
        """A key that the pad has, too."""
        self._press(KEYS[name])
        self.look()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """A key of the screen."""
        self.action_press_key((event.button.id or "").removeprefix("key-"))

    def action_open_case(self) -> None:
        """The tamper switch."""
        self._open_case()
        self.look()

    def look(self) -> None:
        """Show what the pad shows."""
        shown, noted = self._news()
        if shown:
            self.query_one("#display", Static).update(shown[-1])
        for text in noted:
            self.query_one("#notes", RichLog).write(text)
