# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A virtual reader of the pcscd twin: the box with its slot and keypad, and what the daemon keeps of it. No wire.

:class:`VirtualReader` is the thing on the desk; it and its card outlive a daemon that dies. :class:`Slot` is what one
life of the daemon knows of it: counters, holds, the transaction, whether the card has power.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from device_profiles.twins.card_t0 import ContactCard
from device_profiles.twins.keypad import Keypad
from protocols.emv import atr
from protocols.errors import DecodeError
from protocols.pcsc.features import ESCAPE, Feature, PinProperties, Property, encode_features, encode_properties
from protocols.pcsc.wire import Code, Protocol, ReaderFlag, ReaderRow, Share

EXCLUSIVE = -1
_BY_NUMBER = {0: Protocol.T0, 1: Protocol.T1}
FEATURE_CODES: Mapping[int, int] = {
    Feature.VERIFY_PIN_DIRECT: 0x42330006,
    Feature.MODIFY_PIN_DIRECT: 0x42330007,
    Feature.IFD_PIN_PROPERTIES: 0x4233000A,
    Feature.TLV_PROPERTIES: 0x42330012,
    Feature.CCID_ESC_COMMAND: ESCAPE,
}
_NEEDS_KEYPAD = (Feature.VERIFY_PIN_DIRECT, Feature.MODIFY_PIN_DIRECT, Feature.IFD_PIN_PROPERTIES)
SHORT_APDU, EXTENDED_APDU = 261, 65_544


@dataclass(slots=True)
class VirtualReader:
    """A reader on the desk."""

    name: str
    serial: str = ""
    keypad: Keypad | None = None
    card: ContactCard | None = None
    mute: bool = False
    """The card is in the wrong way round."""
    card_delay_s: float = 0.0
    """How long every answer of a card takes here."""
    largest_apdu: int = EXTENDED_APDU
    escapes: list[bytes] = field(default_factory=list)
    """What was sent to the reader itself, such as to its lights."""

    def features(self) -> dict[int, int]:
        """Control codes by feature."""
        return {tag: code for tag, code in FEATURE_CODES.items() if self.keypad is not None or tag not in _NEEDS_KEYPAD}

    def answer_control(self, code: int, data: bytes) -> bytes | None:
        """What the reader says at once to a control code that needs neither card nor person; None if it has none."""
        if code == ESCAPE:
            self.escapes.append(data)
            return b"\x90\x00"
        features = self.features()
        if code == features.get(Feature.IFD_PIN_PROPERTIES):
            return PinProperties(0x0210, 0x07).encode()
        if code == features.get(Feature.TLV_PROPERTIES):
            return encode_properties(
                {
                    Property.LCD_LAYOUT: (0x0210 if self.keypad else 0).to_bytes(2, "little"),
                    Property.ENTRY_VALIDATION: b"\x07" if self.keypad else b"\0",
                    Property.TIMEOUT_2: b"\0",
                    Property.MIN_PIN_SIZE: b"\x04",
                    Property.MAX_PIN_SIZE: b"\x0c",
                    Property.PPDU_SUPPORT: b"\0",
                    Property.MAX_APDU_SIZE: self.largest_apdu.to_bytes(4, "little"),
                }
            )
        return None

    def feature_list(self) -> bytes:
        """The answer to the question for its features."""
        return encode_features(self.features())


@dataclass(slots=True)
class Hold:
    """One client's hold on a card."""

    handle: int
    client: int
    context: int
    share: int
    protocol: Protocol
    lost: int = 0
    """:data:`Code.REMOVED_CARD` or :data:`Code.RESET_CARD` once that has happened behind the client's back."""


class Slot:
    """What the daemon knows of a reader."""

    def __init__(self, reader: VirtualReader, name: str) -> None:
        self.reader = reader
        self.name = name
        self.events = 0
        self.holds: dict[int, Hold] = {}
        self.owner: int | None = None
        """The handle whose transaction runs."""
        self.depth = 0
        self._powered = False
        self._protocol = Protocol.NONE
        self._atr = b""
        self._mute = False
        if reader.card is not None or reader.mute:
            self.came()

    @property
    def sharing(self) -> int:
        """As in the table: 0, the number of holds, or -1."""
        if any(hold.share == Share.EXCLUSIVE for hold in self.holds.values()):
            return EXCLUSIVE
        return len(self.holds)

    @property
    def present(self) -> bool:
        """Whether something is in the slot."""
        return self.reader.card is not None or self.reader.mute

    def came(self) -> None:
        """A card went in: it is reset to see whether it answers."""
        self.events += 1
        self._power_on()

    def went(self) -> None:
        """The card is out: every hold on it is void."""
        self.events += 1
        self._powered, self._protocol, self._atr, self._mute = False, Protocol.NONE, b"", False
        self.owner, self.depth = None, 0
        for hold in self.holds.values():
            hold.lost = Code.REMOVED_CARD

    def row(self) -> ReaderRow:
        """Its row of the table."""
        state = ReaderFlag.ABSENT
        if self.present:
            state = ReaderFlag.PRESENT
            if self._mute:
                state |= ReaderFlag.SWALLOWED
            elif self._powered:
                state |= ReaderFlag.POWERED | (ReaderFlag.SPECIFIC if self._protocol else ReaderFlag.NEGOTIABLE)
        return ReaderRow(self.name, self.events, state, self.sharing, self._atr, self._protocol)

    def _power_on(self) -> bool:
        """Whether the card answers the reset."""
        card = self.reader.card
        answer = b"" if card is None or self.reader.mute else card.power_on()
        self._protocol = Protocol.NONE
        try:
            atr.decode(answer)
        except DecodeError:
            self._mute, self._powered, self._atr = True, False, b""
            return False
        self._mute, self._powered, self._atr = False, True, answer
        return True

    def agree(self, wanted: int) -> int:
        """Choose a protocol among ``wanted``, or a code that says why there is none."""
        if self._mute:
            return Code.UNRESPONSIVE_CARD
        if not self._powered and not self._power_on():
            return Code.UNRESPONSIVE_CARD
        if self._protocol:
            return Code.SUCCESS if wanted & self._protocol else Code.PROTO_MISMATCH
        if wanted == Protocol.RAW:
            self._protocol = Protocol.RAW
            return Code.SUCCESS
        for number in atr.decode(self._atr).protocols:
            offered = _BY_NUMBER.get(number, Protocol.NONE)
            if offered & wanted:
                self._protocol = offered
                return Code.SUCCESS
        return Code.PROTO_MISMATCH

    @property
    def protocol(self) -> Protocol:
        """The protocol agreed on."""
        return self._protocol

    @property
    def atr(self) -> bytes:
        """The card's answer to reset."""
        return self._atr

    def reset(self, by: int) -> None:
        """A warm reset; other holds learn of it at their next command."""
        card = self.reader.card
        if card is not None:
            card.power_off()
        self._power_on()
        self._others_lose(by)

    def unpower(self, by: int) -> None:
        """No power; the next hold gives it again."""
        if self.reader.card is not None:
            self.reader.card.power_off()
        self._powered, self._protocol = False, Protocol.NONE
        self._others_lose(by)

    def _others_lose(self, by: int) -> None:
        for hold in self.holds.values():
            if hold.handle != by and not hold.lost:
                hold.lost = Code.RESET_CARD

    def send(self, command: bytes) -> bytes:
        """The card's answer; empty where it has none. Raises what the card raises when it is torn out."""
        card = self.reader.card
        if card is None or not self._powered:
            return b""
        return card.apdu(command)
