# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A pad twin with TEST master keys and a loading key, spoken to packet by packet; key blocks for it are psec's."""

import dataclasses
import hashlib
import warnings

import psec.des
import psec.tr31

from device_profiles.model import PinpadProfile
from device_profiles.pinpad_load import PinpadLoad, load_pinpad
from device_profiles.twins.pinpad import PinpadTwin
from device_profiles.twins.pinpad_cardholder import Behaviour, Cardholder, Key
from device_profiles.twins.pinpad_keys import PinpadKeys
from device_profiles.twins.pinpad_prompts import PromptGuard
from device_profiles.twins.pinpad_sessions import SessionKeys
from protocols.primitives import with_odd_parity
from protocols.secret import ClearKey, Pin
from protocols.serial.framer import Control, Packet, PacketFramer
from protocols.serial.ipp import Message
from protocols.serial.ipp_codec import AnyReply, decode_reply, encode
from tests.device_profiles.twins.pads import PROFILE, TEST_PIN

ACK, NAK, EOT = (bytes((control,)) for control in (Control.ACK, Control.NAK, Control.EOT))
PASSWORDS = ("1234567", "7654321")


def key_of(name: str, octets: int = 16) -> bytes:
    """The TEST key of that name."""
    return bytes(with_odd_parity(hashlib.sha256(f"tillguard TEST {name}".encode()).digest()[:octets]))


def block(key: bytes, usage: str, mode: str, protection: bytes = b"", version: str = "B", **blocks: str) -> str:
    """A key block by psec, under the pad's loading key unless another is given."""
    header = psec.tr31.Header(version, usage, "T", mode, "00", "N")
    for identifier, data in blocks.items():
        header.blocks[identifier] = data
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # psec's use of cryptography
        return psec.tr31.wrap(protection or key_of("KLK"), header, key)


def session(value: bytes, master: str = "TMK-PIN") -> bytes:
    """The cryptogram of a session key under a master key, by psec."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return psec.des.encrypt_tdes_ecb(key_of(master), value)


class Bench:
    """One pad on a bench: its host is the test."""

    def __init__(
        self,
        behaviour: Behaviour | None = Behaviour.RIGHT_PIN,
        profile: PinpadProfile = PROFILE,
        prompts: PromptGuard | None = None,
        sessions: SessionKeys | None = None,
        load: PinpadLoad | None = None,
    ) -> None:
        self.profile = profile
        self.load = load or load_pinpad("test-bank-masters")
        self.keys = PinpadKeys(self.load, sessions)
        self.person = None if behaviour is None else Cardholder(Pin.from_text(TEST_PIN), behaviour)
        self.prompts = prompts
        self.now = 0.0
        self.switch_on(self.keys)

    def switch_on(self, keys: PinpadKeys) -> None:
        """A pad with these keys takes the place of the one before."""
        self.keys = keys
        self.twin = PinpadTwin(self.profile, self.load, keys, keys, self.person, self.prompts)

    def power_cycle(self) -> None:
        """Everything is forgotten but the memory."""
        again = PinpadKeys(self.load)
        again.remember(self.keys.memory())
        self.switch_on(again)

    def say(self, message: Message) -> bytes:
        """What the pad says at once."""
        return self.twin.feed(encode(message, self.profile.dialect).encode(), self.now)

    def ask(self, message: Message, wait_s: float = 5.0) -> AnyReply | bytes:
        """The pad's reply, acknowledged; its octets where it says none. Waits for the person."""
        said = self.say(message)
        self.now += wait_s
        said += self.twin.tick(self.now)
        packets = [event for event in PacketFramer().feed(said) if isinstance(event, Packet)]
        if not packets:
            return said
        self.twin.feed(ACK, self.now)
        return decode_reply(packets[0], self.profile.dialect)

    def officers(self, *passwords: str) -> None:
        """Two officers at the keypad."""
        self.twin.press(Key.SERVICE, self.now)
        for password in passwords or PASSWORDS:
            for digit in password:
                self.twin.press(int(digit), self.now)
            self.twin.press(Key.ENTER, self.now)


def with_loading_key(key: bytes) -> PinpadLoad:
    """The load with another loading key."""
    load = load_pinpad("test-bank-masters")
    use, _ = load.slots["F"]
    return dataclasses.replace(load, slots={**load.slots, "F": (use, ClearKey(key))})
