# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""One payment application of a virtual contact card: from its options to its last cryptogram. It selects nothing.

It makes both cryptograms with its own key, signs where it is personalised to, verifies PINs, checks the issuer's answer
and declines at the second cryptogram where that answer is wrong, or missing although required.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping

from device_profiles.card_profile import Application, CardProfile, ContactChip
from device_profiles.twins import card_rsa
from device_profiles.twins.application_answers import locator, options_data, record
from device_profiles.twins.card_answer import LAST_ATC, Refused
from device_profiles.twins.card_cryptogram import CardCryptography, IssuerSays
from device_profiles.twins.contact_personalisation import personalise
from device_profiles.twins.contact_results import (
    AUTHENTICATION_MISSING,
    LAST_AUTHENTICATION_FAILED,
    LAST_NOT_COMPLETED,
    NEW_CARD,
    Moment,
    issuer_data,
)
from device_profiles.twins.contact_scripts import CardScripts
from device_profiles.twins.contact_state import SCRIPTS, Memory, Session, State
from protocols.emv import apdu, dol, tlv
from protocols.emv.apdu import Command, Ins
from protocols.emv.bits import Aip, CryptogramType, CvmCode
from protocols.emv.status import Status
from protocols.emv.tags import Tag

UNABLE = (b"Y3", b"Z3")  # EMV 4.4 Book 4, Annex A6: the terminal could not go online
OFFLINE = b"Z1"  # ibid.: the terminal declines by itself
DYNAMIC_NUMBER, CHALLENGE = 8, 8  # octets
PIN_HEADER = 0x7F  # Book 2, 7.2, table 25
_OFFLINE_PINS = (
    CvmCode.PLAINTEXT_PIN,
    CvmCode.PLAINTEXT_PIN_AND_SIGNATURE,
    CvmCode.ENCIPHERED_PIN,
    CvmCode.ENCIPHERED_PIN_AND_SIGNATURE,
)
_AAC, _TC, _ARQC = CryptogramType.AAC, CryptogramType.TC, CryptogramType.ARQC


class PaymentApplication:
    """One application. ``memory`` is what it remembers of earlier payments."""

    def __init__(self, profile: CardProfile, application: Application, chip: ContactChip, memory: Memory) -> None:
        self.profile = application
        self.memory = memory
        self.session = Session()
        self._chip = chip
        self._test_pin = profile.cardholder.test_pin
        self._personalised = personalise(application, profile.authorities)
        self._objects = self._personalised.objects
        self._aip = Aip.decode(self._objects[Tag.AIP])
        self.pdol = dol.decode(application.pdol_octets)
        self._lists = (dol.decode(self._objects[Tag.CDOL_1]), dol.decode(self._objects[Tag.CDOL_2]))
        self._cryptography = CardCryptography(profile, application)
        self._scripts = CardScripts(profile, application) if profile.keys.test_mk_smi else None
        self._handlers: Mapping[int, Callable[[Command], bytes]] = {
            Ins.READ_RECORD: self._read_record,
            Ins.GET_DATA: self._get_data,
            Ins.GET_PROCESSING_OPTIONS: self._get_processing_options,
            Ins.GENERATE_AC: self._generate_ac,
            Ins.EXTERNAL_AUTHENTICATE: self._external_authenticate,
            Ins.INTERNAL_AUTHENTICATE: self._internal_authenticate,
            Ins.GET_CHALLENGE: self._get_challenge,
            Ins.VERIFY: self._verify,
        }

    def power_on(self) -> None:
        """Ready for a payment; at the first power of all, as it was personalised."""
        self.session = Session()
        if self.memory.pin_tries_left is None and self.profile.pin_tries:
            left = self.profile.pin_tries_left
            self.memory.pin_tries_left = self.profile.pin_tries if left is None else left

    @property
    def current_test_pin(self) -> str:
        """The PIN that is right today."""
        return self.memory.test_pin or self._test_pin

    @property
    def blocked(self) -> bool:
        """Whether the issuer blocked it."""
        return self.profile.blocked if self.memory.blocked is None else self.memory.blocked

    def knows(self, ins: int) -> bool:
        """Whether this card has the command at all."""
        if ins in SCRIPTS:
            return self._scripts is not None
        lacking = {
            Ins.INTERNAL_AUTHENTICATE: Aip.DDA not in self._aip,
            Ins.VERIFY: not self.profile.pin_tries,
            Ins.GET_CHALLENGE: self._personalised.pin_key is None,
        }
        return not lacking.get(Ins(ins), False)

    def answer(self, command: Command) -> bytes:
        """The data of the answer; :class:`Refused` for a status word."""
        if command.ins in SCRIPTS and self._scripts is not None:
            return self._scripts.obey(command, self)
        return self._handlers[command.ins](command)

    # What is only read

    def _read_record(self, command: Command) -> bytes:
        return record(self.profile, {**self._objects, **self.memory.objects}, command)

    def _get_data(self, command: Command) -> bytes:
        """GET DATA: counters (EMV 4.4 Book 3, 6.5.7)."""
        memory = self.memory
        held = {
            Tag.ATC: memory.atc.to_bytes(2, "big"),
            Tag.LAST_ONLINE_ATC: memory.last_online_atc.to_bytes(2, "big"),
        }
        if memory.pin_tries_left is not None:
            held[Tag.PIN_TRY_COUNTER] = bytes((memory.pin_tries_left,))
        for tag, value in held.items():
            if tag == command.p1 << 8 | command.p2:
                return tlv.encode([(int(tag), value)])
        raise Refused(Status.REFERENCED_DATA_NOT_FOUND)

    # The payment

    def _get_processing_options(self, command: Command) -> bytes:
        """A payment begins: profile and file locator (EMV 4.4 Book 3, 6.5.8)."""
        values = options_data(self.pdol, command)
        if self.blocked or self.memory.atc >= LAST_ATC:
            raise Refused(Status.CONDITIONS_NOT_SATISFIED)
        self.memory.atc += 1
        session = self.session
        session.state, session.pdol_data = State.PROCESSED, values
        session.dynamic_number = self._drawn(b"number", DYNAMIC_NUMBER)
        return self._formatted((Tag.AIP, self._objects[Tag.AIP]), (Tag.AFL, locator(self.profile)))

    def _internal_authenticate(self, command: Command) -> bytes:
        """INTERNAL AUTHENTICATE: the card signs the terminal's data (EMV 4.4 Book 2, 6.5.1)."""
        if command.p1 or command.p2:
            raise Refused(Status.INCORRECT_P1_P2)
        key, session = self._personalised.key, self.session
        if key is None or not command.data:
            raise Refused(Status.WRONG_LENGTH)
        session.signed_dynamic = True
        number = session.dynamic_number
        signature = card_rsa.dynamic_signature(key, bytes((len(number),)) + number, command.data)
        if self._chip.response_format == 1:
            return tlv.encode([(int(Tag.RESPONSE_FORMAT_1), signature)])
        return tlv.encode([tlv.template(Tag.RESPONSE_FORMAT_2, (int(Tag.SIGNED_DYNAMIC_DATA), signature))])

    def _get_challenge(self, command: Command) -> bytes:
        """GET CHALLENGE: a number for one enciphered PIN (EMV 4.4 Book 3, 6.5.6)."""
        if command.p1 or command.p2:
            raise Refused(Status.INCORRECT_P1_P2)
        self.session.challenges += 1
        self.session.challenge = self._drawn(b"challenge%d" % self.session.challenges, CHALLENGE)
        return self.session.challenge

    def _verify(self, command: Command) -> bytes:
        """VERIFY: an offline PIN, plain or enciphered (EMV 4.4 Book 3, 6.5.12)."""
        memory, session = self.memory, self.session
        if command.p1 or command.p2 not in (apdu.PLAIN_PIN, apdu.ENCIPHERED_PIN):
            raise Refused(Status.INCORRECT_P1_P2)
        if not memory.pin_tries_left:
            raise Refused(Status.AUTHENTICATION_METHOD_BLOCKED)
        block = command.data if command.p2 == apdu.PLAIN_PIN else self._deciphered(command.data)
        pin = self.current_test_pin
        right = bytes.fromhex(f"2{len(pin):X}{pin}".ljust(16, "F"))
        memory.pin_tries_left -= 1  # before the comparison: power that fails in between counts as a wrong PIN
        session.pin_presented, session.pin_right = True, hmac.compare_digest(block, right)
        if not session.pin_right:
            raise Refused(0x63C0 | memory.pin_tries_left)
        memory.pin_tries_left = self.profile.pin_tries
        return b""

    def _deciphered(self, data: bytes) -> bytes:
        """The PIN block of an enciphered PIN, whose number must be the last one drawn (EMV 4.4 Book 2, 7.2)."""
        key, challenge = self._personalised.pin_key, self.session.challenge
        self.session.challenge = b""
        if key is None or not challenge or len(data) != key.octets or int.from_bytes(data, "big") >= key.modulus:
            raise Refused(Status.REFERENCED_DATA_INVALIDATED)
        text = key.raised(data)
        if text[0] != PIN_HEADER or text[9:17] != challenge:
            raise Refused(Status.REFERENCED_DATA_INVALIDATED)
        return text[1:9]

    def _generate_ac(self, command: Command) -> bytes:
        """GENERATE AC, first or second (EMV 4.4 Book 3, 6.5.5 and 9.3)."""
        signing = bool(command.p1 & apdu.CDA_REQUESTED) and Aip.CDA in self._aip
        if command.p1 & (0x3F ^ (apdu.CDA_REQUESTED if signing else 0)) or command.p2:
            raise Refused(Status.INCORRECT_P1_P2)
        wanted = CryptogramType(command.p1 >> 6)
        first = self.session.state is State.PROCESSED
        entries = self._lists[0 if first else 1]
        if len(command.data) != sum(entry.length for entry in entries):
            raise Refused(Status.WRONG_LENGTH)
        if wanted is CryptogramType.RFU or (wanted is _ARQC and not first):
            raise Refused(Status.INCORRECT_P1_P2)
        session = self.session
        session.cdol_data += (command.data,)
        session.given |= dol.split(entries, command.data)
        return self._first(wanted, signing) if first else self._second(wanted, signing)

    def _first(self, wanted: CryptogramType, signing: bool) -> bytes:
        """No more than the terminal asks for, and the issuer's word where the card's own risk management wants it."""
        memory, session = self.memory, self.session
        in_a_row = memory.atc - memory.last_online_atc
        if wanted is _TC and (memory.online_pending or in_a_row > self._chip.offline_limit):
            wanted = _ARQC
        moment = Moment(wanted, None, self._history(), False, signing and wanted is not _AAC, self._erroneous())
        if wanted is _ARQC:
            memory.online_pending = True
        session.state = State.ASKED if wanted is _ARQC else State.ENDED
        answer, session.arqc = self._made(wanted, moment)
        return answer

    def _second(self, wanted: CryptogramType, signing: bool) -> bytes:
        """The end, after the issuer's answer or without one."""
        session, memory, given = self.session, self.memory, self.session.given
        said = given.get(Tag.ISSUER_AUTHENTICATION_DATA)
        if said is not None and any(said) and session.issuer is None:
            self._take(self._cryptography.judge(said, session.arqc, self._counter(), self._number()))
        issuer, code = session.issuer, given.get(Tag.AUTHORISATION_RESPONSE)
        unable = code in UNABLE
        memory.authentication_missing = issuer is None and not unable and code != OFFLINE
        alone = not unable and not self._chip.issuer_authentication_required
        approved = alone if issuer is None else issuer[1]
        kind = _TC if approved and wanted is _TC else _AAC
        failed = issuer is not None and not issuer[0]
        moment = Moment(_ARQC, kind, self._history(), unable, signing and kind is _TC, self._erroneous())
        if not unable and not failed and (issuer is not None or not self._chip.issuer_authentication_required):
            memory.online_pending, memory.last_online_atc = False, memory.atc
        session.state = State.ENDED
        memory.scripts_taken, memory.script_failed = session.script_commands, session.script_failed
        answer, _ = self._made(kind, moment)
        return answer

    def _external_authenticate(self, command: Command) -> bytes:
        """EXTERNAL AUTHENTICATE: the issuer's proof, once in a payment (EMV 4.4 Book 3, 6.5.4 and 10.9)."""
        if command.p1 or command.p2:
            raise Refused(Status.INCORRECT_P1_P2)
        session = self.session
        session.state = State.ANSWERED
        self._take(self._cryptography.judge(command.data, session.arqc, self._counter(), self._number()))
        if session.issuer is None or not session.issuer[0]:
            raise Refused(Status.AUTHENTICATION_FAILED)
        return b""

    def _take(self, issuer: IssuerSays) -> None:
        self.session.issuer = issuer.genuine, issuer.approves
        self.memory.authentication_failed = not issuer.genuine

    def _erroneous(self) -> bool:
        """Whether the terminal believes in an offline PIN that the card never saw."""
        results = self.session.given.get(Tag.CVM_RESULTS, bytes(3))
        return results[0] & 0x3F in _OFFLINE_PINS and results[2] == 0x02 and not self.session.pin_right

    def _history(self) -> int:
        """What earlier payments left behind, as the Visa-like results have it in their second octet."""
        memory = self.memory
        parts = (
            (memory.online_pending and self.session.state is State.PROCESSED, LAST_NOT_COMPLETED),
            (memory.last_online_atc == 0, NEW_CARD),
            (memory.authentication_failed, LAST_AUTHENTICATION_FAILED),
            (memory.authentication_missing, AUTHENTICATION_MISSING),
        )
        return sum(bit for there, bit in parts if there)

    def _made(self, kind: CryptogramType, moment: Moment) -> tuple[bytes, bytes]:
        """The answer to GENERATE AC, and the cryptogram in it."""
        session = self.session
        made = {
            Tag.AIP: self._objects[Tag.AIP],
            Tag.ATC: self._counter(),
            Tag.CID: bytes((kind << 6,)),
            Tag.ISSUER_APPLICATION_DATA: issuer_data(self.profile, session, self.memory, moment),
        }
        cryptogram = self._cryptography.cryptogram(session.given, {int(tag): value for tag, value in made.items()})
        ends = (
            ((Tag.CID, made[Tag.CID]), (Tag.ATC, made[Tag.ATC])),
            ((Tag.ISSUER_APPLICATION_DATA, made[Tag.ISSUER_APPLICATION_DATA]),),
        )
        key = self._personalised.key
        if not moment.combined or key is None:
            return self._formatted(*ends[0], (Tag.APPLICATION_CRYPTOGRAM, cryptogram), *ends[1]), cryptogram
        shown = tlv.encode([(int(tag), value) for tag, value in (*ends[0], *ends[1])])
        transaction = b"".join((session.pdol_data, *session.cdol_data, shown))
        data = card_rsa.combined_data(session.dynamic_number, kind << 6, cryptogram, transaction)
        signature = card_rsa.dynamic_signature(key, data, self._number())
        objects = [(int(tag), value) for tag, value in (*ends[0], (Tag.SIGNED_DYNAMIC_DATA, signature), *ends[1])]
        return tlv.encode([tlv.template(Tag.RESPONSE_FORMAT_2, *objects)]), cryptogram

    def _counter(self) -> bytes:
        return self.memory.atc.to_bytes(2, "big")

    def _number(self) -> bytes:
        return self.session.given.get(Tag.UNPREDICTABLE_NUMBER, bytes(4))

    def _drawn(self, purpose: bytes, octets: int) -> bytes:
        """A number that differs from payment to payment. A real card draws it; a virtual one must be repeatable."""
        return hashlib.sha256(purpose + self._counter() + bytes.fromhex(self.profile.aid)).digest()[:octets]

    def _formatted(self, *objects: tuple[Tag, bytes]) -> bytes:
        """Values run together behind tag 80, or objects in template 77."""
        if self._chip.response_format == 1:
            return tlv.encode([(int(Tag.RESPONSE_FORMAT_1), b"".join(value for _, value in objects))])
        return tlv.encode([tlv.template(Tag.RESPONSE_FORMAT_2, *((int(tag), value) for tag, value in objects))])
