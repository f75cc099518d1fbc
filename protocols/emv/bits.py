# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The bit fields of EMV with their words: TVR, TSI, AIP, AUC, TTQ, CTQ, CID, CVM rules. Sets no bit by itself.

Each field is a whole-number flag whose most significant octet is the standard's byte 1, so ``0x80_00_00_00_00`` in the
TVR is byte 1, bit 8. Bits that no table names are kept and reported as such.
"""

from collections.abc import Mapping
from enum import IntEnum, IntFlag
from types import MappingProxyType
from typing import Self

from protocols.errors import DecodeError


class Field(IntFlag):
    """A flag field of a fixed number of octets; subclasses give the bits, :data:`WORDS` their words."""

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """Read the field; :class:`DecodeError` for another length than the standard's."""
        if len(octets) != OCTETS[cls]:
            raise DecodeError(cls.__name__.upper(), f"{len(octets)} octets, {OCTETS[cls]} expected")
        return cls(int.from_bytes(octets, "big"))

    def encode(self) -> bytes:
        """The field's octets."""
        return int(self).to_bytes(OCTETS[type(self)], "big")

    @property
    def hex(self) -> str:
        """The octets in hexadecimal."""
        return self.encode().hex().upper()

    def words(self) -> tuple[str, ...]:
        """What the set bits mean, in the order of the bits; a bit without a name says where it stands."""
        size = OCTETS[type(self)] * 8
        names = WORDS[type(self)]
        said = []
        for place in range(size - 1, -1, -1):
            bit = 1 << place
            if not self & bit:
                continue
            unknown = f"byte {(size - 1 - place) // 8 + 1}, bit {place % 8 + 1} (no meaning known)"
            said.append(names.get(bit, unknown))
        return tuple(said)


class Aip(Field):
    """Application Interchange Profile, 82 (EMV 4.4 Book 3, Annex C1; byte 2: Books C-2 and C-3)."""

    XDA = 0x80_00
    SDA = 0x40_00
    DDA = 0x20_00
    CARDHOLDER_VERIFICATION = 0x10_00
    TERMINAL_RISK_MANAGEMENT = 0x08_00
    ISSUER_AUTHENTICATION = 0x04_00
    ON_DEVICE_VERIFICATION = 0x02_00
    CDA = 0x01_00
    EMV_MODE_OR_MSD = 0x00_80
    RELAY_RESISTANCE = 0x00_01


class Tvr(Field):
    """Terminal Verification Results, 95 (EMV 4.4 Book 3, Annex C5; byte 5, bits 4 to 1: Book C-2)."""

    ODA_NOT_PERFORMED = 0x80_00_00_00_00
    SDA_FAILED = 0x40_00_00_00_00
    ICC_DATA_MISSING = 0x20_00_00_00_00
    ON_EXCEPTION_FILE = 0x10_00_00_00_00
    DDA_FAILED = 0x08_00_00_00_00
    CDA_FAILED = 0x04_00_00_00_00
    SDA_SELECTED = 0x02_00_00_00_00
    XDA_SELECTED = 0x01_00_00_00_00
    VERSIONS_DIFFER = 0x80_00_00_00
    EXPIRED = 0x40_00_00_00
    NOT_YET_EFFECTIVE = 0x20_00_00_00
    SERVICE_NOT_ALLOWED = 0x10_00_00_00
    NEW_CARD = 0x08_00_00_00
    BIOMETRIC_SUCCESSFUL = 0x02_00_00_00
    BIOMETRIC_FORMAT = 0x01_00_00_00
    CVM_NOT_SUCCESSFUL = 0x80_00_00
    UNRECOGNISED_CVM = 0x40_00_00
    PIN_TRIES_EXCEEDED = 0x20_00_00
    PIN_PAD_MISSING = 0x10_00_00
    PIN_NOT_ENTERED = 0x08_00_00
    ONLINE_CVM_CAPTURED = 0x04_00_00
    OVER_FLOOR_LIMIT = 0x80_00
    OVER_LOWER_CONSECUTIVE = 0x40_00
    OVER_UPPER_CONSECUTIVE = 0x20_00
    RANDOMLY_SELECTED = 0x10_00
    MERCHANT_FORCED_ONLINE = 0x08_00
    DEFAULT_TDOL = 0x80
    ISSUER_AUTHENTICATION_FAILED = 0x40
    SCRIPT_FAILED_BEFORE = 0x20
    SCRIPT_FAILED_AFTER = 0x10
    RELAY_THRESHOLD_EXCEEDED = 0x08
    RELAY_TIME_EXCEEDED = 0x04
    RELAY_PERFORMED = 0x02
    RELAY_NOT_PERFORMED = 0x01


class Tsi(Field):
    """Transaction Status Information, 9B (EMV 4.4 Book 3, Annex C6)."""

    ODA_PERFORMED = 0x80_00
    CARDHOLDER_VERIFICATION = 0x40_00
    CARD_RISK_MANAGEMENT = 0x20_00
    ISSUER_AUTHENTICATION = 0x10_00
    TERMINAL_RISK_MANAGEMENT = 0x08_00
    SCRIPT_PROCESSING = 0x04_00


class Ttq(Field):
    """Terminal Transaction Qualifiers, 9F66 (Contactless Book C-3 2.10, Annex A; byte 2, bits 8 and 7 per payment)."""

    MSD = 0x80_00_00_00
    EMV_MODE = 0x20_00_00_00
    CONTACT_CHIP = 0x10_00_00_00
    OFFLINE_ONLY = 0x08_00_00_00
    ONLINE_PIN = 0x04_00_00_00
    SIGNATURE = 0x02_00_00_00
    ODA_FOR_ONLINE = 0x01_00_00_00
    ONLINE_CRYPTOGRAM_REQUIRED = 0x80_00_00
    CVM_REQUIRED = 0x40_00_00
    CONTACT_OFFLINE_PIN = 0x20_00_00
    ISSUER_UPDATE = 0x80_00
    CONSUMER_DEVICE_CVM = 0x40_00


class Ctq(Field):
    """Card Transaction Qualifiers, 9F6C (Contactless Book C-3 2.10, Annex A)."""

    ONLINE_PIN_REQUIRED = 0x80_00
    SIGNATURE_REQUIRED = 0x40_00
    ONLINE_IF_ODA_FAILS = 0x20_00
    SWITCH_IF_ODA_FAILS = 0x10_00
    ONLINE_IF_EXPIRED = 0x08_00
    SWITCH_FOR_CASH = 0x04_00
    SWITCH_FOR_CASHBACK = 0x02_00
    NOT_VALID_AT_CONTACTLESS_ATM = 0x01_00
    CONSUMER_DEVICE_CVM_PERFORMED = 0x00_80
    ISSUER_UPDATE_AT_POS = 0x00_40


class Auc(Field):
    """Application Usage Control, 9F07 (EMV 4.4 Book 3, Annex C2)."""

    DOMESTIC_CASH = 0x80_00
    INTERNATIONAL_CASH = 0x40_00
    DOMESTIC_GOODS = 0x20_00
    INTERNATIONAL_GOODS = 0x10_00
    DOMESTIC_SERVICES = 0x08_00
    INTERNATIONAL_SERVICES = 0x04_00
    CASH_MACHINES = 0x02_00
    OTHER_TERMINALS = 0x01_00
    DOMESTIC_CASHBACK = 0x00_80
    INTERNATIONAL_CASHBACK = 0x00_40


OCTETS: Mapping[type[Field], int] = MappingProxyType({Aip: 2, Tvr: 5, Tsi: 2, Ttq: 4, Ctq: 2, Auc: 2})
"""How many octets each field has."""

WORDS: Mapping[type[Field], Mapping[int, str]] = MappingProxyType(
    {
        Aip: {
            Aip.XDA: "extended data authentication supported",
            Aip.SDA: "static data authentication supported",
            Aip.DDA: "dynamic data authentication supported",
            Aip.CARDHOLDER_VERIFICATION: "cardholder verification supported",
            Aip.TERMINAL_RISK_MANAGEMENT: "terminal risk management to be performed",
            Aip.ISSUER_AUTHENTICATION: "issuer authentication by EXTERNAL AUTHENTICATE",
            Aip.ON_DEVICE_VERIFICATION: "on-device cardholder verification supported",
            Aip.CDA: "combined data authentication supported",
            Aip.EMV_MODE_OR_MSD: "EMV mode (kernel 2) or mag-stripe data (kernel 3) supported",
            Aip.RELAY_RESISTANCE: "relay resistance protocol supported",
        },
        Tvr: {
            Tvr.ODA_NOT_PERFORMED: "offline data authentication was not performed",
            Tvr.SDA_FAILED: "static data authentication failed",
            Tvr.ICC_DATA_MISSING: "card data missing",
            Tvr.ON_EXCEPTION_FILE: "card is on the terminal's exception file",
            Tvr.DDA_FAILED: "dynamic data authentication failed",
            Tvr.CDA_FAILED: "combined data authentication failed",
            Tvr.SDA_SELECTED: "static data authentication selected",
            Tvr.XDA_SELECTED: "extended data authentication selected",
            Tvr.VERSIONS_DIFFER: "card and terminal have different application versions",
            Tvr.EXPIRED: "application expired",
            Tvr.NOT_YET_EFFECTIVE: "application not yet effective",
            Tvr.SERVICE_NOT_ALLOWED: "requested service not allowed for this card",
            Tvr.NEW_CARD: "new card",
            Tvr.BIOMETRIC_SUCCESSFUL: "biometric performed and successful",
            Tvr.BIOMETRIC_FORMAT: "biometric template format not supported",
            Tvr.CVM_NOT_SUCCESSFUL: "cardholder verification was not successful",
            Tvr.UNRECOGNISED_CVM: "unrecognised cardholder verification method",
            Tvr.PIN_TRIES_EXCEEDED: "PIN try limit exceeded",
            Tvr.PIN_PAD_MISSING: "PIN required, PIN pad not present or not working",
            Tvr.PIN_NOT_ENTERED: "PIN required, PIN pad present, PIN not entered",
            Tvr.ONLINE_CVM_CAPTURED: "online PIN entered",
            Tvr.OVER_FLOOR_LIMIT: "amount exceeds the floor limit",
            Tvr.OVER_LOWER_CONSECUTIVE: "lower consecutive offline limit exceeded",
            Tvr.OVER_UPPER_CONSECUTIVE: "upper consecutive offline limit exceeded",
            Tvr.RANDOMLY_SELECTED: "selected at random for online processing",
            Tvr.MERCHANT_FORCED_ONLINE: "merchant forced the payment online",
            Tvr.DEFAULT_TDOL: "default TDOL used",
            Tvr.ISSUER_AUTHENTICATION_FAILED: "issuer authentication failed",
            Tvr.SCRIPT_FAILED_BEFORE: "script failed before the final GENERATE AC",
            Tvr.SCRIPT_FAILED_AFTER: "script failed after the final GENERATE AC",
            Tvr.RELAY_THRESHOLD_EXCEEDED: "relay resistance threshold exceeded",
            Tvr.RELAY_TIME_EXCEEDED: "relay resistance time limits exceeded",
            Tvr.RELAY_PERFORMED: "relay resistance protocol performed",
            Tvr.RELAY_NOT_PERFORMED: "relay resistance protocol supported and not performed",
        },
        Tsi: {
            Tsi.ODA_PERFORMED: "offline data authentication performed",
            Tsi.CARDHOLDER_VERIFICATION: "cardholder verification performed",
            Tsi.CARD_RISK_MANAGEMENT: "card risk management performed",
            Tsi.ISSUER_AUTHENTICATION: "issuer authentication performed",
            Tsi.TERMINAL_RISK_MANAGEMENT: "terminal risk management performed",
            Tsi.SCRIPT_PROCESSING: "script processing performed",
        },
        Ttq: {
            Ttq.MSD: "mag-stripe mode supported",
            Ttq.EMV_MODE: "EMV mode supported",
            Ttq.CONTACT_CHIP: "contact chip supported",
            Ttq.OFFLINE_ONLY: "offline-only reader",
            Ttq.ONLINE_PIN: "online PIN supported",
            Ttq.SIGNATURE: "signature supported",
            Ttq.ODA_FOR_ONLINE: "offline data authentication for online payments supported",
            Ttq.ONLINE_CRYPTOGRAM_REQUIRED: "online cryptogram required",
            Ttq.CVM_REQUIRED: "CVM required",
            Ttq.CONTACT_OFFLINE_PIN: "offline PIN at the contact chip supported",
            Ttq.ISSUER_UPDATE: "issuer update processing supported",
            Ttq.CONSUMER_DEVICE_CVM: "consumer device CVM supported",
        },
        Ctq: {
            Ctq.ONLINE_PIN_REQUIRED: "online PIN required",
            Ctq.SIGNATURE_REQUIRED: "signature required",
            Ctq.ONLINE_IF_ODA_FAILS: "go online if offline data authentication fails",
            Ctq.SWITCH_IF_ODA_FAILS: "switch interface if offline data authentication fails",
            Ctq.ONLINE_IF_EXPIRED: "go online if the application is expired",
            Ctq.SWITCH_FOR_CASH: "switch interface for cash",
            Ctq.SWITCH_FOR_CASHBACK: "switch interface for cashback",
            Ctq.NOT_VALID_AT_CONTACTLESS_ATM: "not valid at contactless cash machines",
            Ctq.CONSUMER_DEVICE_CVM_PERFORMED: "consumer device CVM performed",
            Ctq.ISSUER_UPDATE_AT_POS: "issuer update processing supported at the point of sale",
        },
        Auc: {
            Auc.DOMESTIC_CASH: "domestic cash",
            Auc.INTERNATIONAL_CASH: "international cash",
            Auc.DOMESTIC_GOODS: "domestic goods",
            Auc.INTERNATIONAL_GOODS: "international goods",
            Auc.DOMESTIC_SERVICES: "domestic services",
            Auc.INTERNATIONAL_SERVICES: "international services",
            Auc.CASH_MACHINES: "at cash machines",
            Auc.OTHER_TERMINALS: "at terminals other than cash machines",
            Auc.DOMESTIC_CASHBACK: "domestic cashback",
            Auc.INTERNATIONAL_CASHBACK: "international cashback",
        },
    }
)
"""What each bit means."""


class CryptogramType(IntEnum):
    """Which cryptogram a card returned: CID bits 8 and 7 (EMV 4.4 Book 3, 6.5.5.4)."""

    AAC = 0b00
    TC = 0b01
    ARQC = 0b10
    RFU = 0b11

    @property
    def words(self) -> str:
        """The cryptogram's meaning."""
        return _CRYPTOGRAMS[self]


_CRYPTOGRAMS = MappingProxyType(
    {
        CryptogramType.AAC: "AAC: the card declines",
        CryptogramType.TC: "TC: the card approves offline",
        CryptogramType.ARQC: "ARQC: the card asks for online authorisation",
        CryptogramType.RFU: "a cryptogram type that is reserved",
    }
)
_CID_REASONS = ("", "service not allowed", "PIN try limit exceeded", "issuer authentication failed")


def cid_words(cid: int) -> tuple[str, ...]:
    """Cryptogram Information Data, 9F27, in words (EMV 4.4 Book 3, 6.5.5.4, table 15)."""
    said = [CryptogramType(cid >> 6 & 0b11).words]
    if cid & 0x08:
        said.append("advice required")
    reason = cid & 0x07
    if reason:
        said.append(_CID_REASONS[reason] if reason < len(_CID_REASONS) else "a reason that is reserved")
    return tuple(said)


class CvmCode(IntEnum):
    """Cardholder verification methods: byte 1, bits 6 to 1 of a CVM rule (EMV 4.4 Book 3, Annex C3, table 43)."""

    FAIL = 0x00
    PLAINTEXT_PIN = 0x01
    ONLINE_PIN = 0x02
    PLAINTEXT_PIN_AND_SIGNATURE = 0x03
    ENCIPHERED_PIN = 0x04
    ENCIPHERED_PIN_AND_SIGNATURE = 0x05
    FACE_OFFLINE = 0x06
    FACE_ONLINE = 0x07
    FINGER_OFFLINE = 0x08
    FINGER_ONLINE = 0x09
    PALM_OFFLINE = 0x0A
    PALM_ONLINE = 0x0B
    IRIS_OFFLINE = 0x0C
    IRIS_ONLINE = 0x0D
    VOICE_OFFLINE = 0x0E
    VOICE_ONLINE = 0x0F
    SIGNATURE = 0x1E
    NO_CVM = 0x1F
    NOT_PERFORMED = 0x3F


_CVM_WORDS: Mapping[int, str] = MappingProxyType(
    {
        CvmCode.FAIL: "fail cardholder verification",
        CvmCode.PLAINTEXT_PIN: "PIN in clear, checked by the card",
        CvmCode.ONLINE_PIN: "enciphered PIN, checked online",
        CvmCode.PLAINTEXT_PIN_AND_SIGNATURE: "PIN in clear, checked by the card, and signature",
        CvmCode.ENCIPHERED_PIN: "enciphered PIN, checked by the card",
        CvmCode.ENCIPHERED_PIN_AND_SIGNATURE: "enciphered PIN, checked by the card, and signature",
        CvmCode.SIGNATURE: "signature",
        CvmCode.NO_CVM: "no cardholder verification",
        CvmCode.NOT_PERFORMED: "no method performed",
    }
)
_CVM_CONDITIONS = (
    "always",
    "if unattended cash",
    "if not unattended cash, manual cash or purchase with cashback",
    "if the terminal supports the method",
    "if manual cash",
    "if purchase with cashback",
    "if in the application's currency and under X",
    "if in the application's currency and over X",
    "if in the application's currency and under Y",
    "if in the application's currency and over Y",
)
_CVM_OUTCOMES = ("unknown", "failed", "successful")


def cvm_rule_words(code: int, condition: int) -> tuple[str, str, str]:
    """A CVM rule's two octets: method, condition, and what follows a failure (Annex C3, tables 43 and 44)."""
    method = code & 0x3F
    known = next((member.name.replace("_", " ").lower() for member in CvmCode if member == method), "")
    said = _CVM_WORDS.get(method, known or "a method that is reserved")
    when = _CVM_CONDITIONS[condition] if condition < len(_CVM_CONDITIONS) else "under a condition that is reserved"
    return said, when, "then the next rule" if code & 0x40 else "then verification fails"


def cvm_results_words(octets: bytes) -> str:
    """CVM Results, 9F34, in words (EMV 4.4 Book 4, Annex A4)."""
    if len(octets) != 3:
        raise DecodeError("CVM Results", f"{len(octets)} octets, 3 expected")
    method, condition, _ = cvm_rule_words(octets[0], octets[1])
    outcome = _CVM_OUTCOMES[octets[2]] if octets[2] < len(_CVM_OUTCOMES) else "reserved"
    return f"{method}, {condition}: {outcome}"
