# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A virtual contact payment card: command octets in, answer octets out. No reader, no protocol, no fault.

The chip: power, the directory, which of its applications is selected, and which commands are taken when. What an
application does is :mod:`device_profiles.twins.contact_application`'s. What it remembers from payment to payment is its
:class:`Memory`; everything else ends with the power.

Answers are whole, as under T=1; :mod:`device_profiles.twins.card_t0` shows the same card under T=0.
"""

from device_profiles.card_profile import CardProfile
from device_profiles.twins.card_answer import CardTorn, Refused, answered
from device_profiles.twins.contact_application import PaymentApplication
from device_profiles.twins.contact_state import ALLOWED, SCRIPTS, Memory, Session, State
from protocols.emv import apdu, dol, tlv
from protocols.emv.apdu import Command, Ins
from protocols.emv.status import Status
from protocols.emv.tags import Tag
from tillguard.exits import Exit
from tillguard.voice import Fault

__all__ = ["ALLOWED", "ContactCardTwin", "Memory", "State"]

DIRECTORY_FILE = 1  # EMV 4.4 Book 1, 12.2.3: the directory's short file identifier is 1 to 10
CONFIRMATION = 0x80  # ibid., table 48: bit 8 of the priority indicator


class ContactCardTwin:
    """One card. ``memory`` is what it remembers of earlier payments; a new card's is empty."""

    def __init__(self, profile: CardProfile, memory: Memory | None = None) -> None:
        if profile.contact is None:
            hint = "choose a card whose file has [contact]"
            raise Fault(f"the card '{profile.name}' has no contacts", hint, Exit.USAGE)
        self.profile = profile
        self._chip = profile.contact
        first, *further = profile.applications
        memory = memory if memory is not None else Memory()
        self._applications = [PaymentApplication(profile, first, self._chip, memory)]
        for application in further:
            own = memory.others.setdefault(application.aid, Memory())
            self._applications.append(PaymentApplication(profile, application, self._chip, own))
        self._selected = self._applications[0]
        self._matching: list[PaymentApplication] = []
        self._power = State.OFF

    @property
    def memory(self) -> Memory:
        """What the chip keeps; of its first application, with the others' inside."""
        return self._applications[0].memory

    @memory.setter
    def memory(self, memory: Memory) -> None:
        self._applications[0].memory = memory

    @property
    def state(self) -> State:
        """How far a payment has come."""
        return self._power

    @state.setter
    def state(self, state: State) -> None:
        self._power = self._selected.session.state = state

    @property
    def atr(self) -> bytes:
        """The answer to reset, T=1."""
        return bytes.fromhex(self._chip.atr)

    def power_on(self) -> bytes:
        """Power, or a reset: the answer to reset. A payment under way is over."""
        for application in self._applications:
            application.power_on()
        self._enter(State.IDLE, self._applications[0])
        return self.atr

    def power_off(self) -> None:
        """No power: only the memory remains."""
        self.state = State.OFF

    def apdu(self, command: bytes) -> bytes:
        """Answer one command. Raises :class:`CardTorn` when the card has no power, and nothing else."""
        if self.state is State.OFF:
            raise CardTorn
        try:
            return answered(self._answer, command)
        finally:
            self._power = self._selected.session.state

    def _answer(self, octets: bytes) -> bytes:
        command = Command.decode(octets)
        script = command.ins in SCRIPTS
        if (command.ins not in ALLOWED and not script) or not self._selected.knows(command.ins):
            raise Refused(Status.INS_NOT_SUPPORTED)
        if script:
            classes, states = SCRIPTS[command.ins]
        else:
            cla, states = ALLOWED[command.ins]
            classes = frozenset({cla})
        if command.cla not in classes:
            raise Refused(Status.CLA_NOT_SUPPORTED)
        if self.state not in states:
            raise Refused(Status.CONDITIONS_NOT_SATISFIED)
        if command.ins == Ins.SELECT:
            return self._select(command)
        if self.state is State.DIRECTORY:
            return self._directory_record(command)
        return self._selected.answer(command)

    def _select(self, command: Command) -> bytes:
        """SELECT by name: the directory, an application, or the next one that matches (Book 1, 11.3 and 12.2.2)."""
        if command.p1 != 0x04 or command.p2 not in (0x00, 0x02):
            raise Refused(Status.INCORRECT_P1_P2)
        if self._chip.blocked or self.memory.card_blocked:
            raise Refused(Status.FUNCTION_NOT_SUPPORTED)
        if command.data == apdu.PSE and command.p2 == 0x00 and self._chip.directory:
            self._enter(State.DIRECTORY, self._selected)
            proprietary = tlv.template(
                Tag.FCI_PROPRIETARY, (Tag.DIRECTORY_SFI, bytes((DIRECTORY_FILE,))), self._language()
            )
            return tlv.encode([tlv.template(Tag.FCI_TEMPLATE, (Tag.DF_NAME, apdu.PSE), proprietary)])
        if command.p2 == 0x00:
            self._matching = [one for one in self._applications if _matches(one, command.data)]
        if not self._matching:
            raise Refused(Status.FILE_NOT_FOUND)
        found = self._matching.pop(0)
        if found.blocked:
            raise Refused(Status.SELECTED_FILE_INVALIDATED)
        self._enter(State.APPLICATION, found)
        said = list(_named(found))
        if found.pdol:
            said.append((Tag.PDOL, dol.encode(found.pdol)))
        proprietary = tlv.template(Tag.FCI_PROPRIETARY, *said, self._language())
        name = (Tag.DF_NAME, bytes.fromhex(found.profile.aid))
        return tlv.encode([tlv.template(Tag.FCI_TEMPLATE, name, proprietary)])

    def _enter(self, state: State, application: PaymentApplication) -> None:
        self._selected = application
        application.session = Session()
        self.state = state

    def _directory_record(self, command: Command) -> bytes:
        """READ RECORD of the directory: an entry for each application (Book 1, 12.2.3)."""
        if command.p2 & 0x07 != 0x04:
            raise Refused(Status.INCORRECT_P1_P2)
        if command.p2 >> 3 != DIRECTORY_FILE:
            raise Refused(Status.FILE_NOT_FOUND)
        if command.p1 != 1:
            raise Refused(Status.RECORD_NOT_FOUND)
        entries = [
            tlv.template(Tag.DIRECTORY_ENTRY, (Tag.AID_CARD, bytes.fromhex(one.profile.aid)), *_named(one))
            for one in self._applications
        ]
        return tlv.encode([tlv.template(Tag.RECORD_TEMPLATE, *entries)])

    def _language(self) -> tuple[Tag, bytes]:
        return Tag.LANGUAGE_PREFERENCE, self._chip.language.encode("ascii")


def _matches(application: PaymentApplication, name: bytes) -> bool:
    return len(name) >= 5 and bytes.fromhex(application.profile.aid).startswith(name)


def _named(application: PaymentApplication) -> tuple[tlv.Item, ...]:
    """Label and priority."""
    profile = application.profile
    indicator = profile.priority | (CONFIRMATION if profile.confirmation else 0)
    return (
        (Tag.APPLICATION_LABEL, profile.label.encode("ascii")),
        (Tag.APPLICATION_PRIORITY, bytes((indicator,))),
    )
