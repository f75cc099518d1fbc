# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A virtual contact payment card, VSDC-like: command octets in, answer octets out. No reader, no protocol, no fault.

It makes both cryptograms of a payment with its own key, checks the issuer's answer with it, and declines at the second
where that answer is wrong, or missing although required. What it remembers from payment to payment is its
:class:`Memory`; everything else ends with the power. It verifies no PIN and takes no issuer script: those commands it
does not know.

Answers are whole, as under T=1; :mod:`device_profiles.twins.card_t0` shows the same card under T=0.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType

from device_profiles.card_profile import CardProfile
from device_profiles.twins.card import LAST_ATC, CardTorn
from device_profiles.twins.card_cryptogram import CardCryptography, IssuerSays
from protocols.emv import apdu, dol, tlv
from protocols.emv.apdu import Command, Ins, Response
from protocols.emv.bits import CryptogramType
from protocols.emv.status import Status
from protocols.emv.tags import Tag
from protocols.errors import DecodeError
from tillguard.exits import Exit
from tillguard.voice import Fault

DIRECTORY_FILE = 1  # EMV 4.4 Book 1, 12.2.3: the directory's short file identifier is 1 to 10

CVR_LENGTH = 0x03
NO_SECOND_YET = 0b10  # octet 2 of the verification results, bits 8 and 7
AUTHENTICATION_FAILED = 0x08  # octet 2 bit 4
UNABLE_TO_GO_ONLINE = 0x01  # octet 2 bit 1
LAST_NOT_COMPLETED = 0x80  # octet 3 bit 8
NEW_CARD = 0x10  # octet 3 bit 5
LAST_AUTHENTICATION_FAILED = 0x08  # octet 3 bit 4
AUTHENTICATION_MISSING = 0x04  # octet 3 bit 3

UNABLE = (b"Y3", b"Z3")  # EMV 4.4 Book 4, Annex A6: the terminal could not go online


class State(Enum):
    """How far a payment has come since power-on."""

    OFF = auto()
    IDLE = auto()
    DIRECTORY = auto()
    APPLICATION = auto()
    PROCESSED = auto()
    ASKED = auto()
    """The first cryptogram asks for the issuer."""
    ANSWERED = auto()
    """The issuer's answer was presented, right or wrong."""
    ENDED = auto()


_POWERED = frozenset(State) - {State.OFF}
_SELECTED = _POWERED - {State.IDLE, State.DIRECTORY}

ALLOWED: Mapping[int, tuple[int, frozenset[State]]] = MappingProxyType(
    {
        Ins.SELECT: (0x00, _POWERED),
        Ins.READ_RECORD: (0x00, _POWERED - {State.IDLE}),
        Ins.GET_DATA: (0x80, _SELECTED),
        Ins.GET_PROCESSING_OPTIONS: (0x80, frozenset({State.APPLICATION})),
        Ins.GENERATE_AC: (0x80, frozenset({State.PROCESSED, State.ASKED, State.ANSWERED})),
        Ins.EXTERNAL_AUTHENTICATE: (0x00, frozenset({State.ASKED})),
    }
)
"""The commands of this card: their class octet, and in which states they are taken (EMV 4.4 Book 3, 6.3.5)."""


@dataclass(slots=True)
class Memory:
    """What the chip keeps without power."""

    atc: int = 0
    last_online_atc: int = 0
    online_pending: bool = False
    """The last payment that asked for the issuer did not come to its end."""
    authentication_failed: bool = False
    authentication_missing: bool = False


class _Refused(Exception):
    """A command that ends in a status word and changes nothing."""

    def __init__(self, status: Status) -> None:
        super().__init__(status)
        self.status = status


class ContactCardTwin:
    """One card. ``memory`` is what it remembers of earlier payments; a new card's is empty."""

    def __init__(self, profile: CardProfile, memory: Memory | None = None) -> None:
        if profile.contact is None:
            hint = "choose a card whose file has [contact]"
            raise Fault(f"the card '{profile.name}' has no contacts", hint, Exit.USAGE)
        self.profile = profile
        self.memory = memory if memory is not None else Memory()
        self.state = State.OFF
        self._chip = profile.contact
        self._application = profile.application
        self._objects = self._application.static_objects()
        self._pdol = dol.decode(self._application.pdol_octets)
        self._lists = {
            State.PROCESSED: dol.decode(self._objects[Tag.CDOL_1]),
            State.ASKED: dol.decode(self._objects[Tag.CDOL_2]),
        }
        self._cryptography = CardCryptography(profile)
        self._arqc = b""
        self._issuer: IssuerSays | None = None
        self._handlers: Mapping[int, Callable[[Command], bytes]] = {
            Ins.SELECT: self._select,
            Ins.READ_RECORD: self._read_record,
            Ins.GET_DATA: self._get_data,
            Ins.GET_PROCESSING_OPTIONS: self._get_processing_options,
            Ins.GENERATE_AC: self._generate_ac,
            Ins.EXTERNAL_AUTHENTICATE: self._external_authenticate,
        }

    @property
    def atr(self) -> bytes:
        """The answer to reset, T=1."""
        return bytes.fromhex(self._chip.atr)

    def power_on(self) -> bytes:
        """Power, or a reset: the answer to reset. A payment under way is over."""
        self.state = State.IDLE
        self._arqc, self._issuer = b"", None
        return self.atr

    def power_off(self) -> None:
        """No power: only the memory remains."""
        self.state = State.OFF

    def apdu(self, command: bytes) -> bytes:
        """Answer one command. Raises :class:`CardTorn` when the card has no power, and nothing else."""
        if self.state is State.OFF:
            raise CardTorn
        try:
            data = self._answer(command)
        except _Refused as refused:
            return Response(b"", refused.status).encode()
        except DecodeError:
            return Response(b"", Status.WRONG_LENGTH).encode()
        return Response(data, Status.OK).encode()

    def _answer(self, octets: bytes) -> bytes:
        command = Command.decode(octets)
        if command.ins not in ALLOWED:
            raise _Refused(Status.INS_NOT_SUPPORTED)
        cla, states = ALLOWED[command.ins]
        if command.cla != cla:
            raise _Refused(Status.CLA_NOT_SUPPORTED)
        if self.state not in states:
            raise _Refused(Status.CONDITIONS_NOT_SATISFIED)
        return self._handlers[command.ins](command)

    # Selection and data

    def _select(self, command: Command) -> bytes:
        """SELECT by name, the directory or the application (EMV 4.4 Book 1, 11.3 and 12.2.2)."""
        if command.p1 != 0x04 or command.p2 not in (0x00, 0x02):
            raise _Refused(Status.INCORRECT_P1_P2)
        language = (Tag.LANGUAGE_PREFERENCE, self._chip.language.encode("ascii"))
        if command.data == apdu.PSE and command.p2 == 0x00:
            self._enter(State.DIRECTORY)
            proprietary = tlv.template(Tag.FCI_PROPRIETARY, (Tag.DIRECTORY_SFI, bytes((DIRECTORY_FILE,))), language)
            return tlv.encode([tlv.template(Tag.FCI_TEMPLATE, (Tag.DF_NAME, apdu.PSE), proprietary)])
        aid = bytes.fromhex(self._application.aid)
        if len(command.data) < 5 or not aid.startswith(command.data) or command.p2:  # one application: no next one
            raise _Refused(Status.FILE_NOT_FOUND)
        if self._application.blocked:
            raise _Refused(Status.SELECTED_FILE_INVALIDATED)
        self._enter(State.APPLICATION)
        said: list[tlv.Item] = [
            (Tag.APPLICATION_LABEL, self._application.label.encode("ascii")),
            (Tag.APPLICATION_PRIORITY, bytes((self._application.priority,))),
        ]
        if self._pdol:
            said.append((Tag.PDOL, dol.encode(self._pdol)))
        proprietary = tlv.template(Tag.FCI_PROPRIETARY, *said, language)
        return tlv.encode([tlv.template(Tag.FCI_TEMPLATE, (Tag.DF_NAME, aid), proprietary)])

    def _enter(self, state: State) -> None:
        self.state = state
        self._arqc, self._issuer = b"", None

    def _read_record(self, command: Command) -> bytes:
        """READ RECORD by number: of the directory, else of the application (EMV 4.4 Book 3, 6.5.11)."""
        if command.p2 & 0x07 != 0x04:
            raise _Refused(Status.INCORRECT_P1_P2)
        sfi = command.p2 >> 3
        if self.state is State.DIRECTORY:
            if sfi != DIRECTORY_FILE:
                raise _Refused(Status.FILE_NOT_FOUND)
            if command.p1 != 1:
                raise _Refused(Status.RECORD_NOT_FOUND)
            return tlv.encode([tlv.template(Tag.RECORD_TEMPLATE, self._entry())])
        files = [record for record in self._application.records if record.sfi == sfi]
        if not files:
            raise _Refused(Status.FILE_NOT_FOUND)
        for record in files:
            if record.number == command.p1:
                held = tuple((int(tag, 16), self._objects[int(tag, 16)]) for tag in record.tags)
                return tlv.encode([(Tag.RECORD_TEMPLATE, tlv.Objects(held))])
        raise _Refused(Status.RECORD_NOT_FOUND)

    def _entry(self) -> tlv.Item:
        return tlv.template(
            Tag.DIRECTORY_ENTRY,
            (Tag.AID_CARD, bytes.fromhex(self._application.aid)),
            (Tag.APPLICATION_LABEL, self._application.label.encode("ascii")),
            (Tag.APPLICATION_PRIORITY, bytes((self._application.priority,))),
        )

    def _get_data(self, command: Command) -> bytes:
        """GET DATA: the counters (EMV 4.4 Book 3, 6.5.7)."""
        held = {Tag.ATC: self.memory.atc, Tag.LAST_ONLINE_ATC: self.memory.last_online_atc}
        for tag, value in held.items():
            if tag == command.p1 << 8 | command.p2:
                return tlv.encode([(int(tag), value.to_bytes(2, "big"))])
        raise _Refused(Status.REFERENCED_DATA_NOT_FOUND)

    # The payment

    def _get_processing_options(self, command: Command) -> bytes:
        """A payment begins: profile and file locator (EMV 4.4 Book 3, 6.5.8)."""
        if command.p1 or command.p2:
            raise _Refused(Status.INCORRECT_P1_P2)
        outer = tlv.decode(command.data) if command.data[:1] == b"\x83" else tlv.Objects()
        values = outer.first(Tag.COMMAND_TEMPLATE)
        if values is None or len(outer) != 1 or len(values) != sum(entry.length for entry in self._pdol):
            raise _Refused(Status.WRONG_DATA)
        if self.memory.atc >= LAST_ATC:
            raise _Refused(Status.CONDITIONS_NOT_SATISFIED)
        self.memory.atc += 1
        self.state = State.PROCESSED
        locator = b"".join(
            bytes((record.sfi << 3, record.number, record.number, 0)) for record in self._application.records
        )
        return self._formatted((Tag.AIP, self._objects[Tag.AIP]), (Tag.AFL, locator))

    def _generate_ac(self, command: Command) -> bytes:
        """GENERATE AC, first or second (EMV 4.4 Book 3, 6.5.5 and 9.3)."""
        if command.p1 & 0x3F or command.p2:
            raise _Refused(Status.INCORRECT_P1_P2)
        wanted = CryptogramType(command.p1 >> 6)
        first = self.state is State.PROCESSED
        entries = self._lists[State.PROCESSED if first else State.ASKED]
        if len(command.data) != sum(entry.length for entry in entries):
            raise _Refused(Status.WRONG_LENGTH)
        given = dol.split(entries, command.data)
        if wanted is CryptogramType.RFU or (wanted is CryptogramType.ARQC and not first):
            raise _Refused(Status.INCORRECT_P1_P2)
        return self._first(wanted, given) if first else self._second(wanted, given)

    def _first(self, wanted: CryptogramType, given: Mapping[int, bytes]) -> bytes:
        """No more than the terminal asks for, and the issuer's word where the card's own risk management wants it."""
        memory = self.memory
        in_a_row = memory.atc - memory.last_online_atc
        if wanted is CryptogramType.TC and (memory.online_pending or in_a_row > self._chip.offline_limit):
            wanted = CryptogramType.ARQC
        results = bytes((NO_SECOND_YET << 6 | wanted << 4, self._history(), 0x00))
        if wanted is CryptogramType.ARQC:
            memory.online_pending = True
        self.state = State.ASKED if wanted is CryptogramType.ARQC else State.ENDED
        answer, self._arqc = self._made(wanted, results, given)
        return answer

    def _second(self, wanted: CryptogramType, given: Mapping[int, bytes]) -> bytes:
        """The end, after the issuer's answer or without one."""
        said = given.get(Tag.ISSUER_AUTHENTICATION_DATA)
        if said is not None and any(said) and self._issuer is None:
            self._take(self._cryptography.judge(said, self._arqc, self._counter()))
        issuer, unable = self._issuer, given.get(Tag.AUTHORISATION_RESPONSE) in UNABLE
        memory = self.memory
        memory.authentication_missing = issuer is None and not unable
        if issuer is not None:
            approved = issuer.approves
        else:
            approved = not unable and not self._chip.issuer_authentication_required
        kind = CryptogramType.TC if approved and wanted is CryptogramType.TC else CryptogramType.AAC
        failed = issuer is not None and not issuer.genuine
        first_octet = kind << 6 | CryptogramType.ARQC << 4
        first_octet |= AUTHENTICATION_FAILED if failed else 0
        first_octet |= UNABLE_TO_GO_ONLINE if unable else 0
        history = self._history()
        if not unable and not failed and (issuer is not None or not self._chip.issuer_authentication_required):
            memory.online_pending, memory.last_online_atc = False, memory.atc
        self.state = State.ENDED
        answer, _ = self._made(kind, bytes((first_octet, history, 0x00)), given)
        return answer

    def _external_authenticate(self, command: Command) -> bytes:
        """EXTERNAL AUTHENTICATE: the issuer's proof, once in a payment (EMV 4.4 Book 3, 6.5.4 and 10.9)."""
        if command.p1 or command.p2:
            raise _Refused(Status.INCORRECT_P1_P2)
        self.state = State.ANSWERED
        self._take(self._cryptography.judge(command.data, self._arqc, self._counter()))
        if self._issuer is None or not self._issuer.genuine:
            raise _Refused(Status.AUTHENTICATION_FAILED)
        return b""

    def _take(self, issuer: IssuerSays) -> None:
        self._issuer = issuer
        self.memory.authentication_failed = not issuer.genuine

    def _history(self) -> int:
        """Octet 3 of the verification results: what earlier payments left behind."""
        memory = self.memory
        parts = (
            (memory.online_pending and self.state is State.PROCESSED, LAST_NOT_COMPLETED),
            (memory.last_online_atc == 0, NEW_CARD),
            (memory.authentication_failed, LAST_AUTHENTICATION_FAILED),
            (memory.authentication_missing, AUTHENTICATION_MISSING),
        )
        return sum(bit for there, bit in parts if there)

    def _made(self, kind: CryptogramType, results: bytes, given: Mapping[int, bytes]) -> tuple[bytes, bytes]:
        """The answer to GENERATE AC, and the cryptogram in it. ``results``: octets 2 to 4 of the card's own."""
        application = self._application
        issuer_data = bytes((0x06, application.key_index, self._cryptography.version.number, CVR_LENGTH)) + results
        made = {
            Tag.AIP: self._objects[Tag.AIP],
            Tag.ATC: self._counter(),
            Tag.CID: bytes((kind << 6,)),
            Tag.ISSUER_APPLICATION_DATA: issuer_data,
        }
        cryptogram = self._cryptography.cryptogram(given, {int(tag): value for tag, value in made.items()})
        answer = self._formatted(
            (Tag.CID, made[Tag.CID]),
            (Tag.ATC, made[Tag.ATC]),
            (Tag.APPLICATION_CRYPTOGRAM, cryptogram),
            (Tag.ISSUER_APPLICATION_DATA, issuer_data),
        )
        return answer, cryptogram

    def _counter(self) -> bytes:
        return self.memory.atc.to_bytes(2, "big")

    def _formatted(self, *objects: tuple[Tag, bytes]) -> bytes:
        """Values run together behind tag 80, or objects in template 77."""
        if self._chip.response_format == 1:
            return tlv.encode([(int(Tag.RESPONSE_FORMAT_1), b"".join(value for _, value in objects))])
        return tlv.encode([tlv.template(Tag.RESPONSE_FORMAT_2, *((int(tag), value) for tag, value in objects))])
