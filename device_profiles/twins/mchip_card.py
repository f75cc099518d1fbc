# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A virtual contactless payment card, M/Chip-like: command octets in, answer octets out. No reader, no field, no fault.

It signs its cryptogram (CDA), proves how near it is (relay resistance), and keeps the answer of a payment that was torn
off, so that RECOVER AC gives it again. What it keeps of that and its counters survive a power cycle; all else does not.
Time is its reader's: it says how long an exchange may take and never waits.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from device_profiles.card_profile import CardProfile
from device_profiles.twins import card_rsa
from device_profiles.twins.application_answers import locator, options_data
from device_profiles.twins.card_answer import LAST_ATC, Refused
from device_profiles.twins.contact_results import M_CDA_FIRST, M_PIN_NOT_PERFORMED, NO_SECOND_YET
from device_profiles.twins.contactless_chip import Allowed, ContactlessChipTwin, Handlers, State
from protocols.emv import apdu, dol, tlv
from protocols.emv.apdu import Command, Ins
from protocols.emv.bits import Aip, CryptogramType, CvmCode
from protocols.emv.status import Status
from protocols.emv.tags import Tag

MOST_EXCHANGES = 3  # of relay resistance data in one payment
DYNAMIC_NUMBER = 8  # octets
WANTS_HOLDER = bytes.fromhex("000001")  # POS Cardholder Interaction Information: a PIN at the device
_AAC, _TC, _ARQC = CryptogramType.AAC, CryptogramType.TC, CryptogramType.ARQC

ALLOWED: Allowed = MappingProxyType(
    {
        Ins.SELECT: (0x00, frozenset({State.IDLE, State.DIRECTORY, State.APPLICATION, State.PROCESSED})),
        Ins.GET_PROCESSING_OPTIONS: (0x80, frozenset({State.APPLICATION})),
        Ins.EXCHANGE_RELAY_RESISTANCE_DATA: (0x80, frozenset({State.PROCESSED})),
        Ins.READ_RECORD: (0x00, frozenset({State.APPLICATION, State.PROCESSED})),
        Ins.RECOVER_AC: (0x80, frozenset({State.PROCESSED})),
        Ins.GENERATE_AC: (0x80, frozenset({State.PROCESSED})),
    }
)


@dataclass(slots=True)
class Kept:
    """What survives a power cycle, besides the counter."""

    offline: int = 0
    """Payments in a row without the issuer."""
    asked: bytes = b""
    """What identified the last payment: the values of the DRDOL."""
    answer: bytes = field(default=b"", repr=False)


class MChipTwin(ContactlessChipTwin):
    """One card. ``random`` gives octets; ``atc`` is the counter of the last payment."""

    def __init__(self, profile: CardProfile, random: Callable[[int], bytes], atc: int = 0) -> None:
        own: Handlers = {
            Ins.GET_PROCESSING_OPTIONS: self._get_processing_options,
            Ins.EXCHANGE_RELAY_RESISTANCE_DATA: self._exchange,
            Ins.RECOVER_AC: self._recover_ac,
            Ins.GENERATE_AC: self._generate_ac,
        }
        super().__init__(profile, random, atc, ALLOWED, own)
        self.kept = Kept()
        self.unlocked = True
        """Whether the holder of a device has verified himself to it."""
        self._aip = Aip.decode(self._objects[Tag.AIP])
        self._cdol = dol.decode(self._objects[Tag.CDOL_1])
        self._drdol = dol.decode(self._objects.get(Tag.DRDOL, b""))
        self._pdol_data = b""
        self._exchanges = 0
        self._exchanged = b""

    def _get_processing_options(self, command: Command) -> bytes:
        """A payment begins (EMV 4.4 Book 3, 6.5.8)."""
        self._pdol_data = options_data(self._pdol, command)
        if self.atc >= LAST_ATC:
            raise Refused(Status.CONDITIONS_NOT_SATISFIED)
        self.state, self._exchanges, self._exchanged = State.PROCESSED, 0, b""
        held = ((Tag.AIP, self._objects[Tag.AIP]), (Tag.AFL, locator(self._application)))
        return tlv.encode([tlv.template(Tag.RESPONSE_FORMAT_2, *((int(tag), value) for tag, value in held))])

    def _exchange(self, command: Command) -> bytes:
        """Four random octets for four of the terminal's, and how long that may take."""
        if command.p1 or command.p2:
            raise Refused(Status.INCORRECT_P1_P2)
        if Aip.RELAY_RESISTANCE not in self._aip or self._exchanges >= MOST_EXCHANGES:
            raise Refused(Status.CONDITIONS_NOT_SATISFIED)
        if len(command.data) != 4:
            raise Refused(Status.WRONG_LENGTH)
        self._exchanges += 1
        own = self._random(4) + b"".join(time.to_bytes(2, "big") for time in self._chip.relay_times)
        self._exchanged = command.data + own
        return tlv.encode([(int(Tag.RESPONSE_FORMAT_1), own)])

    def _recover_ac(self, command: Command) -> bytes:
        """The answer of the payment that ``command`` identifies, if it is the last one."""
        kept = self.kept
        if command.p1 or command.p2:
            raise Refused(Status.INCORRECT_P1_P2)
        if not kept.answer or command.data != kept.asked:
            raise Refused(Status.REFERENCED_DATA_NOT_FOUND)
        self.state = State.IDLE
        return kept.answer

    def _generate_ac(self, command: Command) -> bytes:
        """The one cryptogram of a payment without contact, signed where that is wanted (EMV 4.4 Book 3, 6.5.5)."""
        signing = bool(command.p1 & apdu.CDA_REQUESTED) and Aip.CDA in self._aip
        wanted = CryptogramType(command.p1 >> 6)
        if command.p1 & (0x3F ^ (apdu.CDA_REQUESTED if signing else 0)) or command.p2 or wanted is CryptogramType.RFU:
            raise Refused(Status.INCORRECT_P1_P2)
        if len(command.data) != sum(entry.length for entry in self._cdol):
            raise Refused(Status.WRONG_LENGTH)
        given = dol.split(self._cdol, command.data)
        kind = self._decision(wanted, given)
        self.atc += 1
        self.state = State.IDLE
        answer = self._made(kind, given, command.data, signing=signing and kind is not _AAC)
        self.kept.asked = dol.fill(self._drdol, given)
        self.kept.answer = answer if self._drdol else b""
        return answer

    def _decision(self, wanted: CryptogramType, given: Mapping[int, bytes]) -> CryptogramType:
        """No more than the terminal asks for; a device whose holder is needed and not there declines."""
        if self._wants_holder(given):
            return _AAC
        if wanted is _TC and self.kept.offline < self._chip.offline_limit:
            self.kept.offline += 1
            return _TC
        return _ARQC if wanted is _TC else wanted

    def _wants_holder(self, given: Mapping[int, bytes]) -> bool:
        """Whether the terminal relies on this device's verification, which has not taken place."""
        results = given.get(Tag.CVM_RESULTS, bytes(3))
        relied = results[0] & 0x3F == CvmCode.PLAINTEXT_PIN and results[2] == 0x02
        return self._application.device_verification and relied and not self.unlocked

    def _made(self, kind: CryptogramType, given: Mapping[int, bytes], cdol_data: bytes, *, signing: bool) -> bytes:
        results = bytes((NO_SECOND_YET << 6 | kind << 4, M_CDA_FIRST * signing, 0, M_PIN_NOT_PERFORMED, 0, 0))
        head = bytes((self._application.key_index, self._application.cryptogram_version))
        made = {
            int(Tag.AIP): self._objects[Tag.AIP],
            int(Tag.CID): bytes((kind << 6,)),
            int(Tag.ATC): self.atc.to_bytes(2, "big"),
            int(Tag.ISSUER_APPLICATION_DATA): head + results + bytes(2) + bytes(8),
        }
        cryptogram = self._cryptography.cryptogram(given, made)
        shown = [(tag, made[tag]) for tag in (int(Tag.CID), int(Tag.ATC), int(Tag.ISSUER_APPLICATION_DATA))]
        if self._wants_holder(given):
            shown.append((int(Tag.POS_CARDHOLDER_INTERACTION), WANTS_HOLDER))
        if not signing or self._key is None:
            shown.insert(2, (int(Tag.APPLICATION_CRYPTOGRAM), cryptogram))
            return tlv.encode([tlv.template(Tag.RESPONSE_FORMAT_2, *shown)])
        transaction = self._pdol_data + cdol_data + tlv.encode(shown)
        data = card_rsa.combined_data(self._random(DYNAMIC_NUMBER), kind << 6, cryptogram, transaction)
        number = given.get(Tag.UNPREDICTABLE_NUMBER, bytes(4))
        signature = card_rsa.dynamic_signature(self._key, data + self._exchanged, number)
        shown.insert(2, (int(Tag.SIGNED_DYNAMIC_DATA), signature))
        return tlv.encode([tlv.template(Tag.RESPONSE_FORMAT_2, *shown)])
