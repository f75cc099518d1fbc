# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``hsm-sim tool arqc``: application cryptograms of cards and their answers, under TEST keys. Talks to no card.

From the issuer's master key and the account comes the card's key, from that and the counter the session key: each is a
step of the explanation.
"""

import argparse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from hsm_sim.tool.secret_input import SecretInput, Secrets
from hsm_sim.tool.sheet import Sheet
from hsm_sim.tool.verb import Verb
from protocols.emv import cryptogram, tlv
from protocols.emv.card_keys import (
    account_block,
    account_block_b,
    aes_session_key_of_counter,
    icc_master_key_a,
    icc_master_key_c,
)
from protocols.emv.cryptogram import MASTERCARD_VERSIONS, VISA_VERSIONS, Method, Option, Session, Version
from protocols.errors import IntegrityError
from protocols.octets import unhex
from protocols.pan import Pan
from protocols.primitives import AesKey, TdesKey
from protocols.secret import ClearKey
from tillguard.exits import Exit
from tillguard.voice import Fault

EXAMPLES: Final = """examples:
  hsm-sim tool arqc make --cvn visa-10 --pan 4000009999990016 --data 00112233 --key-file test.key --explain
  hsm-sim tool arqc make --cvn visa-18 --pan 4000009999990016 --atc 0001 --data 00112233 --key-file test.key
  hsm-sim tool arqc verify --cvn emv-aes --key-is session --data 00112233 --arqc FFF42D1C87F7ED75 --key-file aes.key
  hsm-sim tool arqc answer --cvn visa-10 --key-is card --arqc 0011223344556677 --arc 3030 --key-file card.key
  hsm-sim tool arqc answer --cvn visa-18 --key-is session --arqc 0011223344556677 --csu 03920000 --key-file card.key

--objects takes the data objects of the transaction, TLV as in DE 55, and covers what the version covers; --data is
covered as it is.
"""

KEY: Final = SecretInput("key", "the issuer's master key (or what --key-is says), hexadecimal")
ISSUER, CARD, SESSION = "issuer", "card", "session"
_NAMES: Final = {ISSUER: "issuer's master key", CARD: "card's key", SESSION: "session key"}
AES: Final = "emv-aes"
VERSIONS: Final[dict[str, Version]] = {
    **{f"visa-{number if number != 0x22 else 22}": version for number, version in VISA_VERSIONS.items()},
    **{f"mastercard-{number}": version for number, version in MASTERCARD_VERSIONS.items()},
}
COUNTER, NUMBER = 0x9F36, 0x9F37


@dataclass(frozen=True, slots=True)
class Transaction:
    """What is covered, and what session keys are made of."""

    data: bytes
    counter: bytes | None
    number: bytes | None


def _make(given: argparse.Namespace, secrets: Secrets, sheet: Sheet) -> None:
    transaction = _transaction(given, needs_data=True)
    with _key(given, secrets, sheet, transaction, for_answer=False) as key:
        sheet.answer("arqc", _cryptogram(given, sheet, key, transaction.data).hex().upper())


def _verify(given: argparse.Namespace, secrets: Secrets, sheet: Sheet) -> None:
    received = _eight(given.arqc)
    transaction = _transaction(given, needs_data=True)
    with _key(given, secrets, sheet, transaction, for_answer=False) as key:
        _cryptogram(given, sheet, key, transaction.data)
        try:
            if given.cvn == AES:
                cryptogram.AesCryptogramKey(key).verify(transaction.data, received)
            else:
                version = VERSIONS[given.cvn]
                cryptogram.CryptogramKey(key).verify(transaction.data, version.padding, received)
        except IntegrityError:
            sheet.verdict(False)
        else:
            sheet.verdict(True)


def _answer(given: argparse.Namespace, secrets: Secrets, sheet: Sheet) -> None:
    received = _eight(given.arqc)
    method = Method.ARPC_2 if given.cvn == AES else VERSIONS[given.cvn].answer
    needed, other = ("arc", "csu") if method is Method.ARPC_1 else ("csu", "arc")
    if getattr(given, needed) is None or getattr(given, other) is not None:
        words = f"--{needed} expected, and no --{other}"
        raise Fault(
            f"{given.cvn} answers by method {method.value}: {words}", "arc: method 1, csu: method 2", Exit.USAGE
        )
    said = unhex(getattr(given, needed), f"--{needed}")
    proprietary = unhex(given.proprietary, "--proprietary")
    transaction = _transaction(given, needs_data=False)
    with _key(given, secrets, sheet, transaction, for_answer=True) as key:
        if method is Method.ARPC_1:
            sheet.step("cryptogram and response code added, then enciphered", said)
            made = cryptogram.arpc_1(key, received, said)
        else:
            sheet.step("MAC over cryptogram, status update, proprietary data", received + said + proprietary)
            if given.cvn == AES:
                made = cryptogram.AesCryptogramKey(key).answer_2(received, said, proprietary)
            else:
                made = cryptogram.arpc_2(key, received, said, proprietary)
    sheet.answer("arpc", made.hex().upper())


def _cryptogram(given: argparse.Namespace, sheet: Sheet, key: ClearKey, data: bytes) -> bytes:
    sheet.step(f"data covered, {len(data)} octets", data)
    if given.cvn == AES:
        sheet.step("MAC", "CMAC, its left 8 octets")
        return cryptogram.AesCryptogramKey(key).cryptogram(data)
    padding = VERSIONS[given.cvn].padding
    sheet.step("MAC", f"ISO/IEC 9797-1 algorithm 3, padding method {padding.value}")
    return cryptogram.application_cryptogram(key, data, padding)


@contextmanager
def _key(
    given: argparse.Namespace, secrets: Secrets, sheet: Sheet, transaction: Transaction, *, for_answer: bool
) -> Iterator[ClearKey]:
    """The key that makes the cryptogram, or answers it, from the one that was read."""
    cipher = "aes" if given.cvn == AES else "tdes"
    with secrets.key("key", (16, 24, 32) if cipher == "aes" else (16,)) as read:
        sheet.key_step(_NAMES[given.key_is], read, cipher)
        if given.key_is == SESSION:
            yield read
            return
        with _card_key(given, sheet, read, cipher) as card:
            session = Session.COMMON if given.cvn == AES else VERSIONS[given.cvn].session
            if for_answer and given.cvn != AES and not VERSIONS[given.cvn].answer_under_session:
                session = Session.NONE
            if session is Session.NONE:
                sheet.step("session key", "none: the card's own key does it")
                yield card
                return
            with _session_key(given, session, card, transaction) as made:
                sheet.key_step(f"session key: {session.value}", made, cipher, derived=True)
                yield made


def _card_key(given: argparse.Namespace, sheet: Sheet, read: ClearKey, cipher: str) -> ClearKey:
    if given.key_is == CARD:
        return ClearKey(read.reveal())
    if given.pan is None:
        raise Fault("--pan: the card's key is made of it", "or give that key with --key-is card", Exit.USAGE)
    pan = Pan(given.pan)
    sheet.step("account number and its sequence number", f"{pan.masked} {given.sequence:02}")
    if cipher == "aes":
        with AesKey(read) as aes:
            card = icc_master_key_c(aes, len(read), pan, given.sequence)
        option = "C"
    else:
        option = VERSIONS[given.cvn].option.value
        block = account_block_b if VERSIONS[given.cvn].option is Option.B else account_block
        with TdesKey(read) as tdes:
            card = icc_master_key_a(tdes, block(pan, given.sequence))
    sheet.key_step(f"card's key by option {option}", card, cipher, derived=True)
    return card


def _session_key(given: argparse.Namespace, session: Session, card: ClearKey, transaction: Transaction) -> ClearKey:
    if transaction.counter is None:
        raise Fault("--atc: the session key is made of it", "or tag 9F36 in --objects", Exit.USAGE)
    if given.cvn == AES:
        return aes_session_key_of_counter(card, transaction.counter)
    if session is Session.MASTERCARD and transaction.number is None:
        raise Fault("--un: the session key is made of it", "or tag 9F37 in --objects", Exit.USAGE)
    return cryptogram.transaction_key(VERSIONS[given.cvn], card, transaction.counter, transaction.number or b"")


def _transaction(given: argparse.Namespace, *, needs_data: bool) -> Transaction:
    counter = None if given.atc is None else unhex(given.atc, "--atc")
    number = None if given.un is None else unhex(given.un, "--un")
    if not needs_data:
        return Transaction(b"", counter, number)
    if given.data is not None:
        return Transaction(unhex(given.data, "--data"), counter, number)
    if given.cvn == AES:
        raise Fault("--objects: no version says what is covered", "give what is covered with --data", Exit.USAGE)
    objects: Mapping[int, bytes] = dict(tlv.decode(unhex(given.objects, "--objects"), where="--objects").leaves())
    data = cryptogram.cryptogram_data(VERSIONS[given.cvn], objects)
    return Transaction(data, objects.get(COUNTER, counter), objects.get(NUMBER, number))


def _eight(text: str) -> bytes:
    octets = unhex(text, "--arqc")
    if len(octets) != cryptogram.CRYPTOGRAM_OCTETS:
        raise Fault(f"--arqc: {len(octets)} octets, 8 expected", "a cryptogram is whole or nothing", Exit.USAGE)
    return octets


def _common(parser: argparse.ArgumentParser) -> None:
    names = [*VERSIONS, AES]
    parser.add_argument("--cvn", required=True, choices=names, metavar="VERSION", help=", ".join(names))
    parser.add_argument("--key-is", choices=(ISSUER, CARD, SESSION), default=ISSUER, help="default: issuer")
    parser.add_argument("--pan", metavar="DIGITS", help="account number of a TEST card, to make its key")
    parser.add_argument("--sequence", type=int, default=0, metavar="N", help="PAN sequence number (default: 0)")
    parser.add_argument("--atc", metavar="HEX", help="transaction counter, 2 octets, for a session key")
    parser.add_argument("--un", metavar="HEX", help="unpredictable number, 4 octets, for Mastercard's session keys")


def _make_options(parser: argparse.ArgumentParser) -> None:
    _common(parser)
    data = parser.add_mutually_exclusive_group(required=True)
    data.add_argument("--data", metavar="HEX", help="what is covered, as it is")
    data.add_argument("--objects", metavar="HEX", help="data objects of the transaction, TLV, such as DE 55")


def _verify_options(parser: argparse.ArgumentParser) -> None:
    _make_options(parser)
    parser.add_argument("--arqc", required=True, metavar="HEX", help="the cryptogram received, 8 octets")


def _answer_options(parser: argparse.ArgumentParser) -> None:
    _common(parser)
    parser.add_argument("--arqc", required=True, metavar="HEX", help="the cryptogram to answer, 8 octets")
    parser.add_argument("--arc", metavar="HEX", help="method 1: authorisation response code, 2 octets, such as 3030")
    parser.add_argument("--csu", metavar="HEX", help="method 2: card status update, 4 octets")
    parser.add_argument("--proprietary", default="", metavar="HEX", help="method 2: up to 8 octets more")


VERBS: Final = {
    "make": Verb("the cryptogram of a transaction: ARQC, TC or AAC", _make_options, _make, (KEY,)),
    "verify": Verb("whether a cryptogram is right; exit code 6 if not", _verify_options, _verify, (KEY,)),
    "answer": Verb("the issuer's answer to a cryptogram: ARPC", _answer_options, _answer, (KEY,)),
}
