# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A PIN pad that lacks one defence: it lets a host word prompts, forgets session keys, or enciphers nothing.

Each stands in for a part of the shipped twin, whose code it does not change.
"""

from device_profiles.twins.pinpad_keys import PinpadKeys
from device_profiles.twins.pinpad_sessions import SessionKeys
from protocols.pan import Pan
from protocols.pin.iso9564 import encode_format_0
from protocols.secret import ClearKey, Pin


class AnyPrompt:
    """Shows and takes whatever a host wants."""

    def shows(self, words: str) -> bool:
        """See :class:`device_profiles.twins.pinpad_prompts.PromptGuard`."""
        return True

    def input_prompt(self, number: str) -> str | None:
        """See :class:`device_profiles.twins.pinpad_prompts.PromptGuard`."""
        return number

    def takes_input(self, authenticated: bool) -> bool:
        """See :class:`device_profiles.twins.pinpad_prompts.PromptGuard`."""
        return True

    def asks_pin(self, prompts: tuple[str, ...]) -> bool:
        """See :class:`device_profiles.twins.pinpad_prompts.PromptGuard`."""
        return True


class ForgetfulSessions(SessionKeys):
    """Takes every session key, however old."""

    def admit(self, key: ClearKey) -> bool:
        """See :class:`SessionKeys`."""
        return True


class ClearEngine:
    """Sends the PIN block as it is, as pads did before they had keys."""

    def __init__(self, keys: PinpadKeys) -> None:
        self._keys = keys

    def encipher_pin(self, pin: Pin, pan: Pan) -> tuple[bytes, bytes] | None:
        """See :class:`device_profiles.twins.pinpad_keys.PinEngine`."""
        made = self._keys.encipher_pin(pin, pan)
        with encode_format_0(pin, pan) as clear:
            return None if made is None else (made[0], bytes(clear.reveal()))
