# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A PIN pad, a customer who types a PIN wherever the display asks for one, a host in wrong hands. Attacks nothing.

The pad is the shipped twin; the host speaks packets to it, as any program on the terminal could.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from device_profiles.twins.pinpad_cardholder import Key
from device_profiles.twins.pinpad_prompts import PromptGuard
from device_profiles.twins.pinpad_sessions import SessionKeys
from protocols.serial.framer import Packet, PacketFramer
from protocols.serial.ipp import Message, SelectKey
from protocols.serial.ipp_codec import AnyReply, decode_reply
from protocols.serial.ipp_entry import RequestSessionPin, SessionPinBlock
from tests.device_profiles.twins.master_pads import ACK, Bench, key_of, session
from tests.device_profiles.twins.pads import PROFILE, TEST_PAN, TEST_PIN

YESTERDAY, TODAY = key_of("session of yesterday"), key_of("session of today")


class HostsDesk:
    """A :class:`tests.attacks.harness.Target`."""

    def __init__(self, prompts: PromptGuard | None, sessions: Callable[[], SessionKeys]) -> None:
        self.bench = Bench(None, prompts=prompts, sessions=sessions())
        self._told: list[str] = []

    async def honest(self) -> bool:
        """PINs under yesterday's session key and, after the acquirer has sent another, under today's."""
        self.ask(SelectKey("0"))
        return all(
            isinstance(self.pin_under(session(value)), SessionPinBlock) for value in (YESTERDAY, YESTERDAY, TODAY)
        )

    def alerts(self) -> list[str]:
        """What the pad notes for whoever looks after it."""
        self._told += [one.text for one in self.bench.twin.drain_noted()]
        return self._told

    def pin_under(self, cryptogram: bytes) -> AnyReply | None:
        """Ask for a PIN under a session key."""
        return self.ask(RequestSessionPin("Z60", TEST_PAN, cryptogram))

    def ask(self, message: Message) -> AnyReply | None:
        """The pad's reply, if it says one; the customer does what the display asks."""
        self.bench.now += 1.0
        said = self.bench.say(message) + self._customer()
        packets = [event for event in PacketFramer().feed(said) if isinstance(event, Packet)]
        if not packets:
            return None
        self.bench.twin.feed(ACK, self.bench.now)
        return decode_reply(packets[0], PROFILE.dialect)

    def _customer(self) -> bytes:
        shown = [one.text for one in self.bench.twin.drain_shown()]
        if not any("PIN" in text for text in shown[-1:]):
            return b""
        press = self.bench.twin.press
        return b"".join(press(key, self.bench.now) for key in (*map(int, TEST_PIN), Key.ENTER))


@asynccontextmanager
async def hosts_desk(
    folder: Path, prompts: PromptGuard | None = None, sessions: Callable[[], SessionKeys] = SessionKeys
) -> AsyncIterator[HostsDesk]:
    """A desk with the shipped pad, but for the parts that are given."""
    yield HostsDesk(prompts, sessions)
