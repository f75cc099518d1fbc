# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the twins of both families of contactless cards are: a chip in a field, and which command it takes when.

Selection and records are here, for they are alike; options and cryptograms are the families' own.
"""

from collections.abc import Callable, Mapping
from enum import Enum, auto

from device_profiles.card_profile import CardProfile
from device_profiles.twins.activation import Activated
from device_profiles.twins.application_answers import record
from device_profiles.twins.card_answer import CardTorn, Refused, answered
from device_profiles.twins.card_cryptogram import CardCryptography
from device_profiles.twins.contact_personalisation import personalise
from device_profiles.twins.contactless_answers import activation, asks_for_directory, chip_of, directory, selected
from protocols.emv import dol
from protocols.emv.apdu import Command, Ins
from protocols.emv.status import Status


class State(Enum):
    """How far a tap has come."""

    OFF = auto()
    IDLE = auto()
    DIRECTORY = auto()
    APPLICATION = auto()
    PROCESSED = auto()


Allowed = Mapping[int, tuple[int, frozenset[State]]]
"""The commands of a card: their class octet, and in which states they are taken (EMV 4.4 Book 3, 6.3.5)."""
Handlers = Mapping[int, Callable[[Command], bytes]]


class ContactlessChipTwin:
    """A card of either family. Its counter survives a power cycle; ``random`` gives octets."""

    def __init__(
        self, profile: CardProfile, random: Callable[[int], bytes], atc: int, allowed: Allowed, handlers: Handlers
    ) -> None:
        """``atc`` is the counter of the last payment; ``handlers`` answer what is not answered here."""
        self._chip = chip_of(profile)
        self.profile = profile
        self.atc = atc
        self.state = State.OFF
        self._random = random
        self._application = profile.application
        personalised = personalise(self._application, profile.authorities)
        self._objects, self._key = dict(personalised.objects), personalised.key
        self._pdol = dol.decode(self._application.pdol_octets)
        self._cryptography = CardCryptography(profile)
        self._allowed = allowed
        alike: Handlers = {Ins.SELECT: self._select, Ins.READ_RECORD: self._read_record}
        self._handlers: Handlers = {**alike, **handlers}

    def power_on(self) -> Activated:
        """The card comes into the field."""
        self.state = State.IDLE
        return activation(self._chip, self._random)

    def power_off(self) -> None:
        """The card leaves the field."""
        self.state = State.OFF

    def apdu(self, command: bytes) -> bytes:
        """Answer one command. Raises :class:`CardTorn` when the card is not in the field, and nothing else."""
        if self.state is State.OFF:
            raise CardTorn
        return answered(self._answer, command)

    def _answer(self, octets: bytes) -> bytes:
        command = Command.decode(octets)
        if command.ins not in self._allowed:
            raise Refused(Status.INS_NOT_SUPPORTED)
        cla, states = self._allowed[command.ins]
        if command.cla != cla:
            raise Refused(Status.CLA_NOT_SUPPORTED)
        if self.state not in states:
            raise Refused(Status.CONDITIONS_NOT_SATISFIED)
        return self._handlers[command.ins](command)

    def _select(self, command: Command) -> bytes:
        """SELECT by name (EMV 4.4 Book 1, 11.3; Contactless Book B 2.10, 3.3.2.2)."""
        if asks_for_directory(command):
            self.state = State.DIRECTORY
            return directory(self._application)
        answer = selected(self._application, self._pdol, command)
        self.state = State.APPLICATION
        return answer

    def _read_record(self, command: Command) -> bytes:
        return record(self._application, self._objects, command)
