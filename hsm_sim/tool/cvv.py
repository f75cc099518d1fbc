# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``hsm-sim tool cvv``: codes that prove a card's data, under TEST keys. Reads no stripe and no chip."""

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from hsm_sim.tool.secret_input import SecretInput, Secrets
from hsm_sim.tool.sheet import Sheet
from hsm_sim.tool.verb import Verb
from protocols import card_code
from protocols.card_code import CardVerificationKey
from protocols.emv.cryptogram import account_block, icc_master_key_a
from protocols.octets import unhex, xor
from protocols.pan import Pan
from protocols.primitives import TdesKey
from protocols.secret import ClearKey
from tillguard.exits import Exit
from tillguard.voice import Fault

EXAMPLES: Final = """examples:
  hsm-sim tool cvv make --kind cvv --pan 4000009999990016 --expiry 2812 --service-code 201 --key-file test.key --explain
  hsm-sim tool cvv make --kind cvv2 --pan 4000009999990016 --expiry 2812 --key-file - --json < test.key
  hsm-sim tool cvv verify --kind icvv --pan 4000009999990016 --expiry 2812 --code 591 --key-file test.key
  hsm-sim tool cvv make --kind csc --pan 371234567890123 --expiry 2812 --key-file test.key
  hsm-sim tool cvv make --kind cvc3 --iv 1E2F --atc 005E --un 00000899 --key-file card.key
"""

KEY: Final = SecretInput("key", "the card verification key pair or the card's own key, 16 octets in hexadecimal")
CARD, ISSUER = "card", "issuer"


@dataclass(frozen=True, slots=True)
class Kind:
    """One code: the options that it takes, those it may take, and how it is made."""

    words: str
    needs: tuple[str, ...]
    make: Callable[[argparse.Namespace, ClearKey, Sheet], dict[str, str]]
    may_take: tuple[str, ...] = ()


def _with_service_code(given: argparse.Namespace, key: ClearKey, sheet: Sheet, service_code: str) -> dict[str, str]:
    pan = Pan(given.pan)
    pair = CardVerificationKey(key)
    made = card_code.cvv(pair, pan, given.expiry, service_code)
    sheet.step("account number, expiry, service code", f"{pan.masked} {given.expiry} {service_code}")
    _code_steps(sheet, key, pan.digits + given.expiry + service_code, made)
    return {"code": made}


def _code_steps(sheet: Sheet, pair: ClearKey, digits: str, made: str) -> None:
    if not sheet.explain:
        return
    data = bytes.fromhex(digits.ljust(32, "0"))
    with ClearKey(pair.reveal()[:8]) as left, TdesKey(left) as first, TdesKey(pair) as second:
        sheet.key_step("key A", left, "tdes")
        enciphered = first.encipher(data[:8])
        sheet.step("as 16 octets with zeros behind; first 8 enciphered under A", enciphered)
        whole = second.encipher(xor(enciphered, data[8:]))
        sheet.step("last 8 added; enciphered A, deciphered B, enciphered A", whole)
    sheet.step("its decimal digits from the left, then its letters less ten", made)


def _cvv(given: argparse.Namespace, key: ClearKey, sheet: Sheet) -> dict[str, str]:
    return _with_service_code(given, key, sheet, given.service_code)


def _cvv2(given: argparse.Namespace, key: ClearKey, sheet: Sheet) -> dict[str, str]:
    return _with_service_code(given, key, sheet, card_code.CVV2_SERVICE_CODE)


def _icvv(given: argparse.Namespace, key: ClearKey, sheet: Sheet) -> dict[str, str]:
    return _with_service_code(given, key, sheet, card_code.ICVV_SERVICE_CODE)


def _cavv(given: argparse.Namespace, key: ClearKey, sheet: Sheet) -> dict[str, str]:
    pan = Pan(given.pan)
    made = card_code.cavv(CardVerificationKey(key), pan, given.upn, given.auth_result, given.second_factor)
    slots = f"{given.upn} {given.auth_result}{given.second_factor}"
    sheet.step("account number; unpredictable number; result and second factor", f"{pan.masked} {slots}")
    _code_steps(sheet, key, pan.digits + given.upn + given.auth_result + given.second_factor, made)
    return {"code": made}


def _dcvv(given: argparse.Namespace, key: ClearKey, sheet: Sheet) -> dict[str, str]:
    pan = Pan(given.pan)
    with _card_key(given, key, pan, sheet) as own:
        made = card_code.dcvv(CardVerificationKey(own), pan, given.expiry, given.service_code, given.atc)
        sheet.step("counter in place of the first 4 digits", f"{given.atc}{pan.masked[4:]}")
        sheet.step("expiry, service code", f"{given.expiry} {given.service_code}")
        _code_steps(sheet, own, given.atc + pan.digits[4:] + given.expiry + given.service_code, made)
    return {"code": made}


def _cvc3(given: argparse.Namespace, key: ClearKey, sheet: Sheet) -> dict[str, str]:
    atc, unpredictable = unhex(given.atc, "--atc"), unhex(given.un, "--un")
    if (given.iv is None) == (given.track is None):
        raise Fault("cvc3: the IVCVC3, or the track that it is made from, expected", "--iv or --track", Exit.USAGE)
    if given.key_is == ISSUER and given.pan is None:
        raise Fault("--pan: needed to derive the card's key", "give --pan, or --key-is card", Exit.USAGE)
    pan = None if given.pan is None else Pan(given.pan)
    with _card_key(given, key, pan, sheet) as own:
        if given.iv is None:
            iv = card_code.cvc3_iv(own, unhex(given.track, "--track"))
            sheet.step("IVCVC3: right 2 octets of the MAC over the track", iv)
        else:
            iv = unhex(given.iv, "--iv")
        made = card_code.cvc3(own, iv, atc, unpredictable)
        sheet.step("IVCVC3, unpredictable number, counter", iv + unpredictable + atc)
        with TdesKey(own) as cipher:
            sheet.step("enciphered as one block", cipher.encipher(iv + unpredictable + atc))
        sheet.step("its right 2 octets as a number", made)
    return {"code": made}


def _csc(given: argparse.Namespace, key: ClearKey, sheet: Sheet) -> dict[str, str]:
    pan = Pan(given.pan)
    with TdesKey(key) as cipher:
        codes = card_code.amex_csc(cipher, pan, given.expiry)
    sheet.step("account number, expiry", f"{pan.masked} {given.expiry}")
    sheet.step("enciphered; decimal digits, then letters as digits: 5, 4, 3", f"{codes.five}{codes.four}{codes.three}")
    return {"csc5": codes.five, "csc4": codes.four, "csc3": codes.three}


@contextmanager
def _card_key(given: argparse.Namespace, key: ClearKey, pan: Pan | None, sheet: Sheet) -> Iterator[ClearKey]:
    if given.key_is != ISSUER or pan is None:
        yield key
        return
    with TdesKey(key) as issuer, icc_master_key_a(issuer, account_block(pan, given.psn or 0)) as own:
        sheet.key_step("card key (EMV option A of the issuer's)", own, "tdes", derived=True)
        yield own


KINDS: Final = {
    "cvv": Kind("CVV, CVC: magnetic stripe", ("pan", "expiry", "service_code"), _cvv),
    "cvv2": Kind("CVV2, CVC2: printed; service code 000", ("pan", "expiry"), _cvv2),
    "icvv": Kind("iCVV, Chip CVC: in the chip; service code 999", ("pan", "expiry"), _icvv),
    "dcvv": Kind(
        "Visa dCVV: contactless stripe mode", ("pan", "expiry", "service_code", "atc"), _dcvv, ("key_is", "psn")
    ),
    "cavv": Kind("Visa CAVV: 3-D Secure 1", ("pan", "upn", "auth_result", "second_factor"), _cavv),
    "cvc3": Kind(
        "Mastercard CVC3: contactless stripe mode", ("atc", "un"), _cvc3, ("pan", "iv", "track", "key_is", "psn")
    ),
    "csc": Kind("American Express CSC, version 1: 5, 4 and 3 digits", ("pan", "expiry"), _csc),
}
OPTIONS: Final = {
    "pan": ("DIGITS", "TEST account number; printed masked"),
    "expiry": ("DIGITS", "4 digits, in the issuer's order (csc: YYMM)"),
    "service_code": ("DIGITS", "3 digits"),
    "atc": ("HEX", "transaction counter, 4 digits"),
    "un": ("HEX", "cvc3: unpredictable number, 8 digits"),
    "iv": ("HEX", "cvc3: IVCVC3, 4 digits"),
    "track": ("HEX", "cvc3: static track template, packed track 2 or track 1 as octets"),
    "upn": ("DIGITS", "cavv: unpredictable number, 4 digits"),
    "auth_result": ("DIGIT", "cavv: authentication result"),
    "second_factor": ("DIGITS", "cavv: second factor code, 2 digits"),
}


def _make(given: argparse.Namespace, secrets: Secrets, sheet: Sheet) -> None:
    for name, code in _calculated(given, secrets, sheet).items():
        sheet.answer(name, code)


def _verify(given: argparse.Namespace, secrets: Secrets, sheet: Sheet) -> None:
    received = str(given.code)
    if not 3 <= len(received) <= 5 or not (received.isascii() and received.isdigit()):
        raise Fault("--code: 3 to 5 decimal digits expected", "give the whole code", Exit.USAGE)
    made = _calculated(given, secrets, sheet)
    if given.kind == "cvc3":  # a track carries the rightmost 3 to 5 of its digits
        sheet.verdict(card_code.matches(made["code"][-len(received) :], received))
        return
    expected = next((code for code in made.values() if len(code) == len(received)), None)
    if expected is None:
        raise Fault("--code: 3 decimal digits expected", "give the whole code", Exit.USAGE)
    sheet.verdict(card_code.matches(expected, received))


def _calculated(given: argparse.Namespace, secrets: Secrets, sheet: Sheet) -> dict[str, str]:
    kind = KINDS[given.kind]
    for name in (*OPTIONS, "key_is", "psn"):
        option, is_given = f"--{name.replace('_', '-')}", getattr(given, name) is not None
        if name in kind.needs and not is_given:
            raise Fault(f"{option}: {given.kind} needs it", "run: hsm-sim tool cvv make --help", Exit.USAGE)
        if is_given and name not in (*kind.needs, *kind.may_take):
            raise Fault(f"{option}: {given.kind} takes none", "leave it out", Exit.USAGE)
    with secrets.key("key", (8, 16, 24) if given.kind == "csc" else (16,)) as key:
        sheet.key_step("issuer's master key" if given.key_is == ISSUER else "key", key, "tdes")
        return kind.make(given, key, sheet)


def _options(parser: argparse.ArgumentParser) -> None:
    words = "; ".join(f"{name} {kind.words}" for name, kind in KINDS.items())
    parser.add_argument("--kind", required=True, choices=KINDS, metavar="KIND", help=words)
    for name, (metavar, option_words) in OPTIONS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", metavar=metavar, help=option_words)
    parser.add_argument("--key-is", choices=(CARD, ISSUER), help="dcvv, cvc3: whose the key read is (default: card)")
    parser.add_argument("--psn", type=int, metavar="N", help="with --key-is issuer: sequence number (default: 0)")


def _verify_options(parser: argparse.ArgumentParser) -> None:
    _options(parser)
    parser.add_argument("--code", required=True, metavar="DIGITS", help="the code received")


VERBS: Final = {
    "make": Verb("the code of a card's data", _options, _make, (KEY,)),
    "verify": Verb("whether a code is that of a card's data; exit code 6 if not", _verify_options, _verify, (KEY,)),
}
