# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""How kernel 2 chooses the cardholder's verification: it selects a method and asks nobody for anything.

EMV Contactless Book C-2, procedure CVM Selection: a device that verifies its holder comes first, then the card's list.
The conditions are those of the contact interface (EMV 4.4 Book 3, 10.5), without offline PINs. House rules: what a card
says of its list or of its device counts from the CVM limit on only where its issuer signed it.
"""

from typing import NamedTuple

from protocols.emv.bits import Aip, CvmCode, Tvr, cvm_rule_words
from protocols.emv.tags import Tag
from terminal_agent.emv import cvm_list
from terminal_agent.emv.contactless_run import TapRun
from terminal_agent.emv.cvm_list import CvmRule, Situation
from terminal_agent.emv.outcome import Alert, Cvm
from terminal_agent.emv.request import CASH, CASHBACK

SOURCE = "Book C-2, CVM Selection"
METHOD, NEXT_IF_FAILED = 0x3F, 0x40  # EMV 4.4 Book 3, Annex C3
UNKNOWN, FAILED, SUCCESSFUL = 0x00, 0x01, 0x02  # EMV 4.4 Book 4, Annex A4

NONE_PERFORMED = bytes((CvmCode.NOT_PERFORMED, 0x00, UNKNOWN))
ON_DEVICE = bytes((CvmCode.PLAINTEXT_PIN, 0x00, SUCCESSFUL))
NONE_NEEDED = bytes((CvmCode.NOT_PERFORMED, 0x00, SUCCESSFUL))


class Chosen(NamedTuple):
    """The method, the CVM results (9F34) and bits of TVR."""

    cvm: Cvm
    results: bytes
    found: Tvr


def choose(tap: TapRun) -> Chosen:
    """The method for this payment; notes say why."""
    if Aip.ON_DEVICE_VERIFICATION in tap.aip and tap.terminal.consumer_device_cvm:
        chosen = _on_device(tap)
        if chosen is not None:
            return chosen
    if Aip.CARDHOLDER_VERIFICATION not in tap.aip:
        tap.trail.note("CVM", "the card supports no cardholder verification", SOURCE)
        return Chosen(Cvm.NONE, NONE_PERFORMED, Tvr(0))
    octets = tap.card.get(Tag.CVM_LIST)
    listed = cvm_list.decode(octets) if octets else None
    if listed is None or not listed.rules:
        tap.trail.note("CVM", "the card lists no method", SOURCE)
        return Chosen(Cvm.NONE, NONE_PERFORMED, Tvr.ICC_DATA_MISSING)
    return _listed(tap, listed)


def _on_device(tap: TapRun) -> Chosen | None:
    """A phone verifies its holder; None where its word is not enough and the list is to be used."""
    if not tap.limits.cvm_required:
        tap.trail.note("CVM", "none: under the CVM limit; the device would verify its holder", SOURCE)
        return Chosen(Cvm.NONE, NONE_NEEDED, Tvr(0))
    if tap.key is not None and tap.aip_signed:
        tap.trail.note("CVM", "verified on the consumer's device: its issuer signed that it does so", SOURCE)
        return Chosen(Cvm.CDCVM, ON_DEVICE, Tvr(0))
    tap.trail.alert(Alert.CDCVM_UNPROVEN)
    if tap.terminal.trust_unproven_cdcvm:
        tap.trail.note("CVM", "verified on the device by its own word, which this profile trusts", SOURCE)
        return Chosen(Cvm.CDCVM, ON_DEVICE, Tvr(0))
    said = "nobody signed that this device verifies its holder: the card's list counts"
    tap.trail.note("CVM", said, "house rule")
    return None


def _listed(tap: TapRun, listed: cvm_list.CvmList) -> Chosen:
    """The first rule of the card's list that applies and that the terminal can carry out."""
    abilities = tap.given[Tag.TERMINAL_CAPABILITIES][1]
    in_currency = tap.card.sized(Tag.APPLICATION_CURRENCY) == tap.given[Tag.TRANSACTION_CURRENCY]
    kind, found = tap.request.transaction_type, Tvr(0)
    for rule in listed.rules:
        method = rule.code & METHOD
        supported = method in _METHODS and abilities & cvm_list.SUPPORT[CvmCode(method)] != 0
        now = Situation(
            kind == CASH,
            kind == CASHBACK,
            tap.terminal.unattended,
            tap.request.amount,
            listed.x,
            listed.y,
            supported,
        )
        words, when, otherwise = cvm_rule_words(rule.code, rule.condition)
        if not _holds(rule, now, in_currency=in_currency):
            tap.trail.note("CVM rule", f"{words}, {when}: does not apply", SOURCE)
            continue
        if supported and method != CvmCode.FAIL:
            tap.trail.note("CVM rule", f"{words}, {when}: taken", SOURCE)
            cvm, result, more = _METHODS[CvmCode(method)]
            return Chosen(cvm, bytes((method, rule.condition, result)), found | more)
        found |= Tvr(0) if method in cvm_list.RECOGNISED else Tvr.UNRECOGNISED_CVM
        found |= Tvr.PIN_PAD_MISSING if method == CvmCode.ONLINE_PIN else Tvr(0)
        tap.trail.note("CVM rule", f"{words}, {when}: not possible here, {otherwise}", SOURCE)
        if method == CvmCode.FAIL or not rule.code & NEXT_IF_FAILED:
            results = bytes((method, rule.condition, FAILED))
            return Chosen(Cvm.NONE, results, found | Tvr.CVM_NOT_SUCCESSFUL)
    tap.trail.note("CVM", "no method of the card's list applies", SOURCE)
    return Chosen(Cvm.NONE, bytes((CvmCode.NOT_PERFORMED, 0x00, FAILED)), found | Tvr.CVM_NOT_SUCCESSFUL)


_METHODS = {
    CvmCode.ONLINE_PIN: (Cvm.ONLINE_PIN, UNKNOWN, Tvr.ONLINE_CVM_CAPTURED),
    CvmCode.SIGNATURE: (Cvm.SIGNATURE, UNKNOWN, Tvr(0)),
    CvmCode.NO_CVM: (Cvm.NONE, SUCCESSFUL, Tvr(0)),
}
"""What can be done without contact: the method, its result as the terminal knows it, bits of TVR."""


def _holds(rule: CvmRule, now: Situation, *, in_currency: bool) -> bool:
    if rule.condition >= len(cvm_list.CONDITIONS) or (rule.condition in cvm_list.NEEDS_CURRENCY and not in_currency):
        return False
    return cvm_list.CONDITIONS[rule.condition](now)
