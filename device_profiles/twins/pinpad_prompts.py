# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What a PIN pad's twin shows for a host, and what may be typed behind it. The pad's own words; shows nothing itself.

Whoever can word a prompt can have a PIN typed in clear ("please enter PIN again"). So a host's free text is an amount
or one of the pad's own sentences, digits come back in clear only behind an *authenticated* prompt (one that the host
names by its number and the pad words), and the prompt of a PIN is always the pad's. Sources: UIC PP791 user's manual,
packets Z2, Z42, Z50; PCI PTS POI v6, B (prompts under control of the cryptographic unit).
"""

import re
from collections.abc import Mapping
from typing import Protocol

from protocols.currency import currency
from protocols.errors import DecodeError

IDLE_WORDS = "WELCOME"
PIN_WORDS = "ENTER PIN"
PIN_PROMPTS = ("", PIN_WORDS, "PIN AGAIN", "WRONG PIN")
"""What stands above a PIN entry."""
INPUT_PROMPTS: Mapping[str, str] = {"01": "ENTER TIP", "02": "LOYALTY NUMBER", "03": "ODOMETER", "04": "AMOUNT OK?"}
"""What stands above input in clear, by number. None of them asks for a secret."""
SENTENCES = ("", "PLEASE WAIT", "REMOVE CARD", "THANK YOU", "APPROVED", "DECLINED", "PROCESSING")
"""What a host may have shown besides amounts, word by word."""
_AMOUNT = re.compile(r"(?:([A-Z]{3}) )?[0-9][0-9.,]{0,12}")


class PromptGuard(Protocol):
    """What the firmware asks before it shows or takes anything."""

    def shows(self, words: str) -> bool:
        """Whether a host's free text is shown."""
        ...

    def input_prompt(self, number: str) -> str | None:
        """The words of an authenticated prompt; None for a number that is none."""
        ...

    def takes_input(self, authenticated: bool) -> bool:
        """Whether keys come back in clear now; ``authenticated``: an authenticated prompt is on the display."""
        ...

    def asks_pin(self, prompts: tuple[str, ...]) -> bool:
        """Whether a PIN is asked for under these prompts."""
        ...


class OwnPrompts:
    """The pad's rules."""

    def shows(self, words: str) -> bool:
        """See :class:`PromptGuard`."""
        found = _AMOUNT.fullmatch(words)
        return words in SENTENCES[1:] or (found is not None and (found[1] is None or _is_currency(found[1])))

    def input_prompt(self, number: str) -> str | None:
        """See :class:`PromptGuard`."""
        return INPUT_PROMPTS.get(number)

    def takes_input(self, authenticated: bool) -> bool:
        """See :class:`PromptGuard`."""
        return authenticated

    def asks_pin(self, prompts: tuple[str, ...]) -> bool:
        """See :class:`PromptGuard`."""
        return prompts[0] in PIN_PROMPTS and all(words in PIN_PROMPTS + SENTENCES for words in prompts)


def _is_currency(code: str) -> bool:
    try:
        currency(code)
    except DecodeError:
        return False
    return True
