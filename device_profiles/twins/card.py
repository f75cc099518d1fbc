# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A virtual contactless payment card, qVSDC-like: command octets in, answer octets out. No reader, no field, no fault.

Its cryptograms are real, see :mod:`device_profiles.twins.card_cryptogram`. Its counter survives a power cycle;
everything else does not. Randomness (the identifier of each tap) is an argument. Faults live outside, in
:mod:`device_profiles.twins.card_faults`.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from device_profiles.card_profile import CardProfile
from device_profiles.twins.application_answers import locator, options_data
from device_profiles.twins.card_answer import LAST_ATC, CardTorn, Refused
from device_profiles.twins.card_rsa import CardRsa, dynamic_signature
from device_profiles.twins.contactless_chip import Allowed, ContactlessChipTwin, State
from protocols.emv import dol, tlv
from protocols.emv.apdu import Command, Ins
from protocols.emv.bits import CryptogramType, Ctq, Ttq
from protocols.emv.status import Status
from protocols.emv.tags import Tag

__all__ = ["ALLOWED", "CardTorn", "CardTwin", "State"]

CVR_LENGTH = 0x03
DYNAMIC_NUMBER = 8  # octets
CVR_FIRST: Mapping[CryptogramType, int] = MappingProxyType(
    {CryptogramType.ARQC: 0xA0, CryptogramType.TC: 0x90, CryptogramType.AAC: 0x80}
)
"""Octet 5 of 9F10: no second cryptogram asked for, and which the first one is."""


ALLOWED: Allowed = MappingProxyType(
    {
        Ins.SELECT: (0x00, frozenset({State.IDLE, State.DIRECTORY, State.APPLICATION, State.PROCESSED})),
        Ins.GET_PROCESSING_OPTIONS: (0x80, frozenset({State.APPLICATION})),
        Ins.READ_RECORD: (0x00, frozenset({State.APPLICATION, State.PROCESSED})),
    }
)


class CardTwin(ContactlessChipTwin):
    """One card. ``random`` gives octets for the tap's identifier; ``atc`` is the counter of the last payment."""

    def __init__(self, profile: CardProfile, random: Callable[[int], bytes], atc: int = 0) -> None:
        super().__init__(profile, random, atc, ALLOWED, {Ins.GET_PROCESSING_OPTIONS: self._get_processing_options})
        self._offline = 0

    def _get_processing_options(self, command: Command) -> bytes:
        """One payment: its decision, its cryptogram, and where the records are (EMV 4.4 Book 3, 6.5.8)."""
        given = dol.split(self._pdol, options_data(self._pdol, command))
        qualifiers = Ttq.decode(given[Tag.TTQ])
        if Ttq.EMV_MODE not in qualifiers or self.atc >= LAST_ATC:
            raise Refused(Status.CONDITIONS_NOT_SATISFIED)
        kind = self._decision(qualifiers)
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
        made[Tag.AFL] = locator(self._application)
        if self._key is not None and (kind is CryptogramType.TC or Ttq.ODA_FOR_ONLINE in qualifiers):
            made |= self._signed(self._key, given, ctq)
        answer = tuple((int(tag, 16), made[int(tag, 16)]) for tag in self._application.answer if made.get(int(tag, 16)))
        return tlv.encode([(Tag.RESPONSE_FORMAT_2, tlv.Objects(answer))])

    def _decision(self, qualifiers: Ttq) -> CryptogramType:
        """No more offline payments in a row than its issuer allows, and none that nobody can check."""
        able = self._key is not None and Ttq.ONLINE_CRYPTOGRAM_REQUIRED not in qualifiers
        if able and self._offline < self._chip.offline_limit:
            self._offline += 1
            return CryptogramType.TC
        return CryptogramType.AAC if Ttq.OFFLINE_ONLY in qualifiers else CryptogramType.ARQC

    def _signed(self, key: CardRsa, given: dict[int, bytes], ctq: Ctq) -> dict[int, bytes]:
        """Fast DDA: the card signs number, amount, currency and its own qualifiers (Book C-3, version 01)."""
        related = b"\x01" + self._random(4) + ctq.encode()
        covered = (Tag.UNPREDICTABLE_NUMBER, Tag.AMOUNT_AUTHORISED_NUMERIC, Tag.TRANSACTION_CURRENCY)
        behind = b"".join((*(given[tag] for tag in covered), related))
        number = self._random(DYNAMIC_NUMBER)
        signature = dynamic_signature(key, bytes((len(number),)) + number, behind)
        return {Tag.SIGNED_DYNAMIC_DATA: signature, Tag.CARD_AUTHENTICATION_DATA: related}

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
