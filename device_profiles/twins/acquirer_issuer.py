# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The issuer inside the acquirer twin: may this card pay this amount? Speaks no ISO 8583 frame and holds no clear key.

Every check is made where it can be, each may object, and the gravest objection is the answer; all of them are told.
A PIN is counted as wrong only when the chip's cryptogram proves that the card was there, so a stranger cannot lock it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from device_profiles.acquirer_profile import Account, AcquirerProfile
from device_profiles.card_profile import Scheme
from device_profiles.twins import acquirer_hsm as hsm
from device_profiles.twins.acquirer_hsm import ChipEvidence, Dialogue
from device_profiles.twins.acquirer_ledger import Ledger
from protocols.acquirer.message import Message
from protocols.acquirer.response_codes import APPROVED
from protocols.acquirer.values import PinAlgorithm, PinFormat, SecurityControl
from protocols.emv import tlv
from protocols.emv.cryptogram import (
    CVN_10,
    CVN_18,
    MASTERCARD_VERSIONS,
    Method,
    Version,
    account_block,
    cryptogram_data,
)
from protocols.errors import DecodeError
from protocols.hsm.fields import KeyField

GRAVEST_FIRST = ("30", "14", "63", "59", "54", "75", "55", "13", "51")
"""Which response code wins where several checks object."""

KNOWN_VERSIONS: Mapping[Scheme, Mapping[int, Version]] = MappingProxyType(
    {Scheme.VISA: {one.number: one for one in (CVN_10, CVN_18)}, Scheme.MASTERCARD: MASTERCARD_VERSIONS}
)
"""By scheme, the cryptogram versions of this issuer's cards; each says what is signed, with which key, how answered."""
IAD_LAYOUT = MappingProxyType({Scheme.VISA: (7, 2), Scheme.MASTERCARD: (18, 1)})
"""By scheme: octets of the issuer application data, and the place of the version in them."""
ANSWERS = MappingProxyType(
    {
        (Scheme.VISA, Method.ARPC_2): (bytes.fromhex("00800000"), bytes(4)),
        (Scheme.MASTERCARD, Method.ARPC_1): (bytes.fromhex("0010"), bytes(2)),
    }
)
"""What tells a card yes and no where it is not the response code: card status update (EMV 4.4 Book 2, 8.2.2: issuer
approves), and M/Chip's ARPC response code (bit 5 of octet 2: approve online transaction)."""
ISSUER_AUTHENTICATION_SUPPORTED = 0x04  # AIP octet 1 bit 3 (EMV 4.3 Book 3, Annex C1)
CONTACT_ENTRY = "05"
CHIP_ENTRIES = ("05", "07")
ISSUER_AUTHENTICATION_DATA = 0x91

_AMOUNT, _CURRENCY, _AIP, _ATC, _UN, _IAD, _ARQC = 0x9F02, 0x5F2A, 0x82, 0x9F36, 0x9F37, 0x9F10, 0x9F26


@dataclass(slots=True)
class Verdict:
    """What the issuer says: objections as pairs of response code and words; none means yes."""

    objections: list[tuple[str, str]] = field(default_factory=list)
    checks: dict[str, str] = field(default_factory=dict)
    account: Account | None = None
    icc: bytes = b""
    """DE55 of the answer: issuer authentication data where the card takes them."""

    @property
    def code(self) -> str:
        """The gravest objection, or the approval."""
        if not self.objections:
            return APPROVED
        return min((code for code, _ in self.objections), key=GRAVEST_FIRST.index)

    def object(self, code: str, words: str) -> None:
        """Add an objection."""
        self.objections.append((code, words))


@dataclass(frozen=True, slots=True)
class _Chip:
    evidence: ChipEvidence
    counter: int
    takes_issuer_data: bool
    """By a command of its own, or, Mastercard-like, with the second cryptogram."""
    scheme: Scheme

    def told(self, code: str) -> bytes:
        """What the answer to its cryptogram says of the response code."""
        both = ANSWERS.get((self.scheme, self.evidence.version.answer))
        return code.encode("ascii") if both is None else both[code != APPROVED]


class Issuer:
    """The accounts of one profile and what their cards may do."""

    def __init__(self, profile: AcquirerProfile, ledger: Ledger) -> None:
        keys = profile.keys_under_test_lmk
        self._bdk = KeyField.from_text(keys.bdk)
        self._zone = KeyField.from_text(keys.zone_pin)
        self._pvk = KeyField.from_text(keys.pin_verification)
        self._card_master = KeyField.from_text(keys.card_master)
        self._currency = profile.currency
        self._accounts = {account.number: account for account in profile.accounts}
        self._ledger = ledger

    def decide(self, message: Message, now: datetime) -> Dialogue[Verdict]:
        """Judge a request whose MAC has been verified. The KSN is taken before anything is asked of the HSM."""
        verdict = Verdict(checks={"ksn": "absent", "pin": "absent", "arqc": "absent"})
        self._take_ksn(message, verdict)
        account = self._accounts.get(message.pan) if message.pan else None
        if account is None:
            verdict.object("14", "no account of this number")
            return verdict
        verdict.account = account
        self._look(message, account, now, verdict)
        chip = self._chip(message, account, verdict)
        wrong_pin = yield from self._ask_pin(message, account, verdict)
        genuine = yield from self._ask_chip(chip, verdict)
        if genuine and chip is not None:
            self._ledger.atcs[account.name] = max(chip.counter, self._ledger.atcs.get(account.name, 0))
            self._count_pin(account, wrong_pin)
        return verdict

    def may_hold(self, account: Account, amount: int) -> bool:
        """Whether the account covers the amount on top of what is held."""
        return self._ledger.held.get(account.name, 0) + amount <= account.available

    def account_of(self, message: Message) -> Account | None:
        """The account that a message names, if any."""
        return self._accounts.get(message.pan) if message.pan else None

    def _take_ksn(self, message: Message, verdict: Verdict) -> None:
        if message.pin_block is None and message.ksn is None:
            return
        if message.ksn is None or message.pin_block is None:
            verdict.object("30", "PIN block and KSN come together or not at all")
            return
        if message.security_control != SecurityControl(PinFormat.WITH_PAN, PinAlgorithm.TDES_DOUBLE_LENGTH):
            verdict.object("30", "DE53 does not announce a format 0 block under TDES")
        replay = self._ledger.take_ksn(message.ksn)
        verdict.checks["ksn"] = "replayed" if replay else "fresh"
        if replay:
            verdict.object("63", replay)

    def _look(self, message: Message, account: Account, now: datetime, verdict: Verdict) -> None:
        track = message.track2
        if track is not None and (track.pan != message.pan or track.expiry != message.expiry):
            verdict.object("59", "track 2 is of another card than DE2 and DE14")
        if message.expiry is not None and message.expiry != account.expiry:
            verdict.object("54", "the expiry date is not this card's")
        if account.expiry < now.strftime("%y%m"):
            verdict.object("54", "the card has expired")
        if message.currency != self._currency:
            verdict.object("13", "another currency than the account's")
        if not self.may_hold(account, message.amount or 0):
            verdict.object("51", "the account does not cover the amount")

    def _chip(self, message: Message, account: Account, verdict: Verdict) -> _Chip | None:
        entry = (message.entry_mode or "")[:2]
        if message.icc is None:
            if entry in CHIP_ENTRIES:
                verdict.object("30", "a chip was read and DE55 is missing")
            return None
        fault = ""
        try:
            objects = dict(tlv.decode(message.icc, where="DE55").leaves())
        except DecodeError as refused:
            fault = str(refused)
            objects = {}
        version = _version(account.scheme, objects.get(_IAD, b""))
        absent = [f"{tag:X}" for tag in (*CVN_10.covered, _IAD, _ARQC) if tag not in objects]
        if fault or absent:
            verdict.object("30", fault or f"DE55 lacks {', '.join(absent)}")
            verdict.checks["arqc"] = "malformed"
            return None
        if version is None:
            verdict.object("59", "the cryptogram is of a version that this issuer's cards do not have")
            verdict.checks["arqc"] = "malformed"
            return None
        if [len(objects[tag]) for tag in (_ATC, _UN, _ARQC, _AIP)] != [2, 4, 8, 2]:
            verdict.object("30", "objects of a wrong length in DE55")
            verdict.checks["arqc"] = "malformed"
            return None
        self._compare(message, objects, verdict)
        counter = int.from_bytes(objects[_ATC], "big")
        if counter <= self._ledger.atcs.get(account.name, 0):
            verdict.object(
                "59", "the card's transaction counter did not rise: a cryptogram used before, or a copied card"
            )
        sequence = account.sequence_number
        evidence = ChipEvidence(
            version=version,
            pan_sequence=account_block(account.number, sequence),
            atc=objects[_ATC],
            unpredictable_number=objects[_UN],
            signed=cryptogram_data(version, objects),
            arqc=objects[_ARQC],
        )
        by_command = bool(objects[_AIP][0] & ISSUER_AUTHENTICATION_SUPPORTED)
        takes = entry == CONTACT_ENTRY and (by_command or account.scheme is Scheme.MASTERCARD)
        return _Chip(evidence, counter, takes, account.scheme)

    def _compare(self, message: Message, objects: dict[int, bytes], verdict: Verdict) -> None:
        if objects[_AMOUNT].hex() != f"{message.amount:012d}":
            verdict.object("13", "the amount that the card signed is not DE4")
        if objects[_CURRENCY].hex() != f"{int(message.currency or 0):04d}":
            verdict.object("13", "the currency that the card signed is not DE49")

    def _ask_pin(self, message: Message, account: Account, verdict: Verdict) -> Dialogue[bool | None]:
        """None where no PIN was judged, else whether it was wrong."""
        if message.ksn is None or message.pin_block is None:
            return None
        if self._ledger.wrong_pins.get(account.name, 0) >= account.pin_tries:
            verdict.object("75", "too many wrong PINs")
            verdict.checks["pin"] = "locked"
            return None
        if verdict.checks["ksn"] != "fresh":
            verdict.checks["pin"] = "not checked"
            return None
        # Two parties in one twin: the acquirer holds the terminals' key, the issuer the PVVs. A PIN goes from one to
        # the other under their zone's key alone.
        sent = yield from hsm.pin_in_zone(self._bdk, self._zone, message.ksn, message.pin_block, account.number)
        right = sent is not None and (
            yield from hsm.pin_is_right(self._zone, self._pvk, sent, account.number, account.pvki, account.pvv)
        )
        verdict.checks["pin"] = "good" if right else "wrong"
        if not right:
            verdict.object("55", "the PIN is not the card's")
        return not right

    def _ask_chip(self, chip: _Chip | None, verdict: Verdict) -> Dialogue[bool]:
        if chip is None:
            return False
        if chip.takes_issuer_data:
            told = chip.told(verdict.code)
            arpc = yield from hsm.arqc_and_arpc(self._card_master, chip.evidence, told)
            good = arpc is not None
            if arpc is not None:
                verdict.icc = tlv.encode([(ISSUER_AUTHENTICATION_DATA, arpc + told)])
        else:
            good = yield from hsm.arqc_is_good(self._card_master, chip.evidence)
        verdict.checks["arqc"] = "good" if good else "wrong"
        if not good:
            verdict.object("59", "the card's cryptogram does not verify")
        return good

    def _count_pin(self, account: Account, wrong: bool | None) -> None:
        if wrong is True:
            self._ledger.wrong_pins[account.name] = self._ledger.wrong_pins.get(account.name, 0) + 1
        elif wrong is False:
            self._ledger.wrong_pins.pop(account.name, None)


def _version(scheme: Scheme, issuer_data: bytes) -> Version | None:
    """The cryptogram version that issuer application data name, if this issuer's cards have it."""
    octets, place = IAD_LAYOUT[scheme]
    return KNOWN_VERSIONS[scheme].get(issuer_data[place]) if len(issuer_data) == octets else None
