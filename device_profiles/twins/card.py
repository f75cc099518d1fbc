# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A virtual contactless payment card, qVSDC-like: command octets in, answer octets out. No reader, no field, no fault.

Its cryptograms are real, see :mod:`device_profiles.twins.card_cryptogram`. Its counter survives a power cycle;
everything else does not. Randomness (the identifier of each tap) is an argument. Faults live outside, in
:mod:`device_profiles.twins.card_faults`.
"""

from collections.abc import Callable, Mapping
from enum import Enum, auto
from types import MappingProxyType

from device_profiles.card_profile import CardProfile
from device_profiles.twins.activation import Activated, Activation, ActivationB
from device_profiles.twins.card_answer import LAST_ATC, CardTorn, Refused, answered
from device_profiles.twins.card_cryptogram import CardCryptography
from protocols.emv import apdu, dol, tlv
from protocols.emv.apdu import Command, Ins
from protocols.emv.bits import CryptogramType, Ctq, Ttq
from protocols.emv.status import Status
from protocols.emv.tags import Tag
from tillguard.exits import Exit
from tillguard.voice import Fault

__all__ = ["ALLOWED", "Activation", "CardTorn", "CardTwin", "State"]

CVR_LENGTH = 0x03
CVR_FIRST: Mapping[CryptogramType, int] = MappingProxyType({CryptogramType.ARQC: 0xA0, CryptogramType.AAC: 0x80})
"""Octet 5 of 9F10: no second cryptogram asked for, and which the first one is."""


class State(Enum):
    """How far a tap has come."""

    OFF = auto()
    IDLE = auto()
    DIRECTORY = auto()
    APPLICATION = auto()
    PROCESSED = auto()


ALLOWED: Mapping[int, tuple[int, frozenset[State]]] = MappingProxyType(
    {
        Ins.SELECT: (0x00, frozenset({State.IDLE, State.DIRECTORY, State.APPLICATION, State.PROCESSED})),
        Ins.GET_PROCESSING_OPTIONS: (0x80, frozenset({State.APPLICATION})),
        Ins.READ_RECORD: (0x00, frozenset({State.APPLICATION, State.PROCESSED})),
    }
)
"""The commands of this card: their class octet, and in which states they are taken (EMV 4.4 Book 3, 6.3.5)."""


class CardTwin:
    """One card. ``random`` gives octets for the tap's identifier; ``atc`` is the counter of the last payment."""

    def __init__(self, profile: CardProfile, random: Callable[[int], bytes], atc: int = 0) -> None:
        if profile.contactless is None:
            hint = "choose a card whose file has [contactless]"
            raise Fault(f"the card '{profile.name}' has contacts only", hint, Exit.USAGE)
        self.profile = profile
        self.atc = atc
        self.state = State.OFF
        self._chip = profile.contactless
        self._random = random
        self._application = profile.application
        self._objects = self._application.static_objects()
        self._pdol = dol.decode(self._application.pdol_octets)
        self._cryptography = CardCryptography(profile)
        self._handlers: Mapping[int, Callable[[Command], bytes]] = {
            Ins.SELECT: self._select,
            Ins.GET_PROCESSING_OPTIONS: self._get_processing_options,
            Ins.READ_RECORD: self._read_record,
        }

    def power_on(self) -> Activated:
        """The card comes into the field."""
        self.state = State.IDLE
        chip = self._chip
        if chip.protocol_info:
            application_data = bytes.fromhex(chip.application_data)
            return ActivationB(self._random(4), application_data, bytes.fromhex(chip.protocol_info))
        uid = b"\x08" + self._random(3)  # ISO/IEC 14443-3, 6.5.4: 08 announces a random identifier
        return Activation(bytes.fromhex(chip.atqa), chip.sak, uid, bytes.fromhex(chip.ats))

    def power_off(self) -> None:
        """The card leaves the field; only its counter remains."""
        self.state = State.OFF

    def apdu(self, command: bytes) -> bytes:
        """Answer one command. Raises :class:`CardTorn` when the card is not in the field, and nothing else."""
        if self.state is State.OFF:
            raise CardTorn
        return answered(self._answer, command)

    def _answer(self, octets: bytes) -> bytes:
        command = Command.decode(octets)
        if command.ins not in ALLOWED:
            raise Refused(Status.INS_NOT_SUPPORTED)
        cla, states = ALLOWED[command.ins]
        if command.cla != cla:
            raise Refused(Status.CLA_NOT_SUPPORTED)
        if self.state not in states:
            raise Refused(Status.CONDITIONS_NOT_SATISFIED)
        return self._handlers[command.ins](command)

    def _select(self, command: Command) -> bytes:
        """SELECT by name (EMV 4.4 Book 1, 11.3; Contactless Book B 2.10, 3.3.2.2)."""
        if command.p1 != 0x04 or command.p2 not in (0x00, 0x02):
            raise Refused(Status.INCORRECT_P1_P2)
        if command.data == apdu.PPSE and command.p2 == 0x00:
            self.state = State.DIRECTORY
            return self._directory()
        aid = bytes.fromhex(self._application.aid)
        # one application: there is no next one
        if len(command.data) < 5 or not aid.startswith(command.data) or command.p2:
            raise Refused(Status.FILE_NOT_FOUND)
        if self._application.blocked:
            raise Refused(Status.SELECTED_FILE_INVALIDATED)
        self.state = State.APPLICATION
        proprietary = tlv.template(
            Tag.FCI_PROPRIETARY,
            (Tag.APPLICATION_LABEL, self._application.label.encode("ascii")),
            (Tag.PDOL, dol.encode(self._pdol)),
        )
        return tlv.encode([tlv.template(Tag.FCI_TEMPLATE, (Tag.DF_NAME, aid), proprietary)])

    def _directory(self) -> bytes:
        entry = tlv.template(
            Tag.DIRECTORY_ENTRY,
            (Tag.AID_CARD, bytes.fromhex(self._application.aid)),
            (Tag.APPLICATION_LABEL, self._application.label.encode("ascii")),
            (Tag.APPLICATION_PRIORITY, bytes((self._application.priority,))),
        )
        listed = tlv.template(Tag.FCI_PROPRIETARY, tlv.template(Tag.FCI_ISSUER_DISCRETIONARY, entry))
        return tlv.encode([tlv.template(Tag.FCI_TEMPLATE, (Tag.DF_NAME, apdu.PPSE), listed)])

    def _get_processing_options(self, command: Command) -> bytes:
        """One payment: its decision, its cryptogram, and where the records are (EMV 4.4 Book 3, 6.5.8)."""
        if command.p1 or command.p2:
            raise Refused(Status.INCORRECT_P1_P2)
        given = self._terminal_data(command.data)
        qualifiers = Ttq.decode(given[Tag.TTQ])
        if Ttq.EMV_MODE not in qualifiers or self.atc >= LAST_ATC:
            raise Refused(Status.CONDITIONS_NOT_SATISFIED)
        kind = CryptogramType.AAC if Ttq.OFFLINE_ONLY in qualifiers else CryptogramType.ARQC
        ctq = self._qualifiers(qualifiers)
        self.atc += 1
        self.state = State.PROCESSED
        made = dict(self._objects)
        made[Tag.ATC] = self.atc.to_bytes(2, "big")
        made[Tag.CID] = bytes((kind << 6,))
        made[Tag.CTQ] = ctq.encode()
        version = self._cryptography.version.number
        made[Tag.ISSUER_APPLICATION_DATA] = bytes(
            (0x06, self._application.key_index, version, CVR_LENGTH, CVR_FIRST[kind], 0x00, 0x00)
        )
        made[Tag.APPLICATION_CRYPTOGRAM] = self._cryptography.cryptogram(given, made)
        made[Tag.AFL] = self._locator()
        answer = tuple((int(tag, 16), made[int(tag, 16)]) for tag in self._application.answer if made.get(int(tag, 16)))
        return tlv.encode([(Tag.RESPONSE_FORMAT_2, tlv.Objects(answer))])

    def _terminal_data(self, data: bytes) -> dict[int, bytes]:
        """What the PDOL asked for, out of template 83."""
        outer = tlv.decode(data) if data[:1] == b"\x83" else tlv.Objects()
        values = outer.first(Tag.COMMAND_TEMPLATE)
        if values is None or len(outer) != 1 or len(values) != sum(entry.length for entry in self._pdol):
            raise Refused(Status.WRONG_DATA)
        return dol.split(self._pdol, values)

    def _qualifiers(self, terminal: Ttq) -> Ctq:
        """How the holder is to be verified; 6984 sends the terminal to another interface where nothing fits."""
        if Ttq.CVM_REQUIRED not in terminal:
            return Ctq(0)
        choices = (
            (self._application.device_verification, Ttq.CONSUMER_DEVICE_CVM, Ctq.CONSUMER_DEVICE_CVM_PERFORMED),
            (self._application.online_pin, Ttq.ONLINE_PIN, Ctq.ONLINE_PIN_REQUIRED),
            (self._application.signature, Ttq.SIGNATURE, Ctq.SIGNATURE_REQUIRED),
        )
        for able, offered, wanted in choices:
            if able and offered in terminal:
                return wanted
        raise Refused(Status.REFERENCED_DATA_INVALIDATED)

    def _locator(self) -> bytes:
        """AFL: one entry for each record; none is signed."""
        return b"".join(
            bytes((record.sfi << 3, record.number, record.number, 0)) for record in self._application.records
        )

    def _read_record(self, command: Command) -> bytes:
        """READ RECORD by number (EMV 4.4 Book 3, 6.5.11)."""
        if command.p2 & 0x07 != 0x04:
            raise Refused(Status.INCORRECT_P1_P2)
        sfi = command.p2 >> 3
        files = [record for record in self._application.records if record.sfi == sfi]
        if not files:
            raise Refused(Status.FILE_NOT_FOUND)
        for record in files:
            if record.number == command.p1:
                held = tuple((int(tag, 16), self._objects[int(tag, 16)]) for tag in record.tags)
                return tlv.encode([(Tag.RECORD_TEMPLATE, tlv.Objects(held))])
        raise Refused(Status.RECORD_NOT_FOUND)
