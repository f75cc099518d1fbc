# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``hsm-sim tool dukpt``: keys of DUKPT from a TEST base key, TDES (X9.24-1) and AES (X9.24-3). Keeps no counter.

The length of the KSN says which: 16 to 20 hexadecimal digits are TDES, 24 are AES.
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from hsm_sim.tool.secret_input import SecretInput, Secrets
from hsm_sim.tool.sheet import CIPHERS, Row, Sheet, check_text
from hsm_sim.tool.verb import Verb
from protocols.dukpt import aes, tdes
from protocols.dukpt.ksn import AesKsn, TdesKsn, next_counter, nodes
from protocols.errors import DecodeError
from protocols.secret import ClearKey
from tillguard.exits import Exit
from tillguard.voice import Fault

EXAMPLES: Final = """examples:
  hsm-sim tool dukpt initial-key --ksn FFFF9876543210E00000 --key-file bdk.key
  hsm-sim tool dukpt derive --ksn FFFF9876543210E00001 --purpose pin --key-file bdk.key --explain
  hsm-sim tool dukpt derive --ksn 123456789012345600000001 --purpose mac-generation --key-file aes.key
  hsm-sim tool dukpt walk --ksn FFFF9876543210E00007 --key-is initial-key --key-file pad.key
  hsm-sim tool dukpt update-key --ksn 123456789012345600000000 --key-file aes.key
  hsm-sim tool dukpt next --ksn FFFF9876543210EFF800
"""

TRANSACTION: Final = "transaction"
TDES_PURPOSES: Final = {
    "pin": tdes.Purpose.PIN,
    "mac-request": tdes.Purpose.MAC_REQUEST,
    "mac-response": tdes.Purpose.MAC_RESPONSE,
    "data-request": tdes.Purpose.DATA_REQUEST,
    "data-response": tdes.Purpose.DATA_RESPONSE,
}
AES_PURPOSES: Final = {
    "pin": aes.Usage.PIN_ENCRYPTION,
    "mac-generation": aes.Usage.MAC_GENERATION,
    "mac-verification": aes.Usage.MAC_VERIFICATION,
    "mac-both-ways": aes.Usage.MAC_BOTH_WAYS,
    "data-encrypt": aes.Usage.DATA_ENCRYPT,
    "data-decrypt": aes.Usage.DATA_DECRYPT,
    "data-both-ways": aes.Usage.DATA_BOTH_WAYS,
    "key-encryption": aes.Usage.KEY_ENCRYPTION,
}
KEY_TYPES: Final = {
    "aes-128": aes.AES_128,
    "aes-192": aes.AES_192,
    "aes-256": aes.AES_256,
    "tdes-2": aes.TDEA_2_KEY,
    "tdes-3": aes.TDEA_3_KEY,
    "hmac-128": aes.HMAC_128,
    "hmac-192": aes.HMAC_192,
    "hmac-256": aes.HMAC_256,
}
CIPHER_OF_TYPE: Final = {kind: name.partition("-")[0] for name, kind in KEY_TYPES.items()}
BDK, INITIAL, OF_TRANSACTION = "bdk", "initial-key", "transaction-key"

AnyKsn = TdesKsn | AesKsn
P = TypeVar("P")
KEY: Final = SecretInput("key", "the base derivation key (or what --key-is says), hexadecimal")


def read_ksn(text: str) -> AnyKsn:
    """A KSN of either kind by its length; :class:`DecodeError` for neither."""
    if len(text) == 2 * AesKsn.size:
        return AesKsn.from_hex(text)
    if not 16 <= len(text) <= 2 * TdesKsn.size:
        raise DecodeError("KSN", f"{len(text)} characters, 16 to 20 (TDES) or 24 (AES) expected")
    return TdesKsn.from_hex(text)


def base_sizes(ksn: AnyKsn) -> tuple[int, ...]:
    """Octets that a base derivation key for this kind of KSN may have."""
    return (tdes.KEY_OCTETS,) if isinstance(ksn, TdesKsn) else tuple(aes.DERIVATION_TYPES)


def cipher_of(ksn: AnyKsn) -> str:
    """The cipher of the keys on the walk."""
    return "tdes" if isinstance(ksn, TdesKsn) else "aes"


def initial_key(sheet: Sheet, bdk: ClearKey, ksn: AnyKsn) -> ClearKey:
    """The initial key of the device that ``ksn`` names."""
    sheet.key_step("base derivation key", bdk, cipher_of(ksn))
    if isinstance(ksn, TdesKsn):
        sheet.step("left 8 octets of the KSN, counter 0", ksn.with_counter(0).octets[:8])
        initial = tdes.initial_key(bdk, ksn)
    else:
        data = aes.derivation_data(
            aes.Usage.KEY_DERIVATION_INITIAL_KEY, aes.DERIVATION_TYPES[len(bdk)], ksn.number >> 32
        )
        sheet.step("derivation data", data)
        initial = aes.initial_key(bdk, ksn)
    sheet.key_step("initial key", initial, cipher_of(ksn), derived=True)
    return initial


def walked(initial: ClearKey, ksn: AnyKsn) -> Iterator[tuple[AnyKsn, ClearKey]]:
    """Every KSN on the way from the initial key to ``ksn`` with its key, which the caller wipes."""
    number = ksn.transaction_number()
    for node in nodes(number, (1 << ksn.counter_bits) - 1):
        place = type(ksn)(node.to_bytes(ksn.size, "big"))
        if isinstance(place, TdesKsn):
            yield place, tdes.transaction_key(initial, place)
        else:
            yield place, aes.transaction_key(initial, place)


@contextmanager
def transaction_key(sheet: Sheet, initial: ClearKey, ksn: AnyKsn) -> Iterator[ClearKey]:
    """The transaction key of ``ksn``, each step of the walk on the sheet."""
    reached = ClearKey(b"")
    for place, key in walked(initial, ksn):
        if isinstance(place, AesKsn):
            data = aes.derivation_data(aes.Usage.KEY_DERIVATION, aes.DERIVATION_TYPES[len(initial)], place.number)
            sheet.step(f"derivation data at counter {place.counter:X}", data)
        sheet.key_step(f"key at counter {place.counter:X}", key, cipher_of(ksn), derived=True)
        reached.wipe()
        reached = key
    with reached:
        yield reached


def working_key(
    sheet: Sheet, transaction: ClearKey, ksn: AnyKsn, purpose: str, key_type: aes.KeyType | None
) -> tuple[ClearKey, str]:
    """The key of one purpose, and its cipher. ``key_type`` None: for AES, as long as the keys on the walk."""
    if isinstance(ksn, TdesKsn):
        if key_type not in (None, aes.TDEA_2_KEY):
            raise Fault("--key-type: TDES DUKPT derives double-length TDES keys only", "leave it out", Exit.USAGE)
        variant = _chosen(purpose, TDES_PURPOSES, "TDES")
        sheet.step(f"added to each half for {purpose}", variant.value.to_bytes(8, "big"))
        if purpose.startswith("data-"):
            sheet.step("each half enciphered under the sum (one-way)")
        key, cipher = tdes.working_key(transaction, variant), "tdes"
    else:
        usage = _chosen(purpose, AES_PURPOSES, "AES")
        kind = key_type or aes.DERIVATION_TYPES[len(transaction)]
        sheet.step(f"derivation data for {purpose}", aes.derivation_data(usage, kind, ksn.number))
        key, cipher = aes.working_key(transaction, ksn, usage, kind), CIPHER_OF_TYPE[kind]
    sheet.key_step(f"{purpose} key", key, cipher, derived=True)
    return key, cipher


@contextmanager
def key_under(
    sheet: Sheet, bdk: ClearKey, ksn_text: str, purpose: str, key_type: aes.KeyType | None
) -> Iterator[tuple[ClearKey, str]]:
    """The key of one purpose from the base key, and its cipher: for the nouns that use it."""
    ksn = read_ksn(ksn_text)
    with initial_key(sheet, bdk, ksn) as initial, transaction_key(sheet, initial, ksn) as transaction:
        key, cipher = working_key(sheet, transaction, ksn, purpose, key_type)
        with key:
            yield key, cipher


def _chosen(purpose: str, table: dict[str, P], kind: str) -> P:
    if purpose not in table:
        raise Fault(f"--purpose {purpose}: not a purpose of {kind} DUKPT", f"one of: {', '.join(table)}", Exit.USAGE)
    return table[purpose]


@contextmanager
def _initial(given: argparse.Namespace, secrets: Secrets, sheet: Sheet, ksn: AnyKsn) -> Iterator[ClearKey]:
    with secrets.key("key", base_sizes(ksn)) as read:
        if given.key_is == BDK:
            with initial_key(sheet, read, ksn) as initial:
                yield initial
        else:
            sheet.key_step("initial key", read, cipher_of(ksn), derived=True)
            yield read


@contextmanager
def _transaction(given: argparse.Namespace, secrets: Secrets, sheet: Sheet, ksn: AnyKsn) -> Iterator[ClearKey]:
    if given.key_is != OF_TRANSACTION:
        with _initial(given, secrets, sheet, ksn) as initial, transaction_key(sheet, initial, ksn) as transaction:
            yield transaction
        return
    ksn.transaction_number()  # refuses a counter that no transaction has
    with secrets.key("key", base_sizes(ksn)) as read:
        sheet.key_step("transaction key", read, cipher_of(ksn), derived=True)
        yield read


def _answer_key(sheet: Sheet, ksn: AnyKsn, key: ClearKey, cipher: str) -> None:
    sheet.answer("ksn", str(ksn))
    sheet.secret_answer("key", key)
    if cipher in CIPHERS:
        sheet.answer("check_value", check_text(key, cipher))


def _initial_key(given: argparse.Namespace, secrets: Secrets, sheet: Sheet) -> None:
    ksn = read_ksn(given.ksn)
    with secrets.key("key", base_sizes(ksn)) as bdk, initial_key(sheet, bdk, ksn) as initial:
        _answer_key(sheet, ksn.with_counter(0), initial, cipher_of(ksn))


def _derive(given: argparse.Namespace, secrets: Secrets, sheet: Sheet) -> None:
    ksn = read_ksn(given.ksn)
    key_type = None if given.key_type is None else KEY_TYPES[given.key_type]
    with _transaction(given, secrets, sheet, ksn) as transaction:
        if given.purpose == TRANSACTION:
            _answer_key(sheet, ksn, transaction, cipher_of(ksn))
            return
        key, cipher = working_key(sheet, transaction, ksn, given.purpose, key_type)
        with key:
            _answer_key(sheet, ksn, key, cipher)


def _walk(given: argparse.Namespace, secrets: Secrets, sheet: Sheet) -> None:
    ksn = read_ksn(given.ksn)
    rows: list[Row] = []
    with _initial(given, secrets, sheet, ksn) as initial:
        rows.append({"ksn": str(ksn.with_counter(0)), "check_value": check_text(initial, cipher_of(ksn))})
        for place, key in walked(initial, ksn):
            with key:
                rows.append({"ksn": str(place), "check_value": check_text(key, cipher_of(ksn))})
    sheet.answer("walk", rows)


def _update_key(given: argparse.Namespace, secrets: Secrets, sheet: Sheet) -> None:
    ksn = read_ksn(given.ksn)
    if isinstance(ksn, TdesKsn):
        raise Fault("--ksn: TDES DUKPT has no update key", "give a KSN of AES DUKPT, 24 digits", Exit.USAGE)
    with _initial(given, secrets, sheet, ksn) as initial:
        kind = KEY_TYPES[given.key_type] if given.key_type else aes.DERIVATION_TYPES[len(initial)]
        ending = ksn.with_counter(aes.UPDATE_COUNTER)
        sheet.step("32 steps, to the counter that no transaction has", str(ending))
        sheet.step("derivation data", aes.derivation_data(aes.Usage.KEY_ENCRYPTION, kind, ending.number))
        with aes.update_key(initial, ksn, kind) as key:
            _answer_key(sheet, ending, key, CIPHER_OF_TYPE[kind])


def _next(given: argparse.Namespace, secrets: Secrets, sheet: Sheet) -> None:
    ksn = read_ksn(given.ksn)
    sheet.step("one-bits of the counter", f"{ksn.counter.bit_count()}, at most {ksn.most_one_bits}")
    following = next_counter(ksn.counter, type(ksn))
    sheet.step("counter", f"{ksn.counter:X} becomes {'none: end of life' if following is None else f'{following:X}'}")
    sheet.answer("next_ksn", "none: end of life" if following is None else str(ksn.with_counter(following)))


def _ksn_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--ksn", required=True, metavar="HEX", help="key serial number, its counter included")


def _key_options(parser: argparse.ArgumentParser, also: tuple[str, ...] = ()) -> None:
    _ksn_option(parser)
    words = "what the key read is (default: bdk)"
    parser.add_argument("--key-is", choices=(BDK, INITIAL, *also), default=BDK, help=words)


def _type_option(parser: argparse.ArgumentParser) -> None:
    words = f"AES DUKPT: what to derive, one of {', '.join(KEY_TYPES)} (default: AES, as long as the base key)"
    parser.add_argument("--key-type", choices=KEY_TYPES, metavar="TYPE", help=words)


def _derive_options(parser: argparse.ArgumentParser) -> None:
    _key_options(parser, (OF_TRANSACTION,))
    purposes = [TRANSACTION, *dict.fromkeys([*TDES_PURPOSES, *AES_PURPOSES])]
    words = f"what the key is for, one of {', '.join(purposes)} (default: pin)"
    parser.add_argument("--purpose", choices=purposes, default="pin", metavar="PURPOSE", help=words)
    _type_option(parser)


def _update_options(parser: argparse.ArgumentParser) -> None:
    _key_options(parser)
    _type_option(parser)


VERBS: Final = {
    "initial-key": Verb("the initial key of a device", _ksn_option, _initial_key, (KEY,), "the key"),
    "derive": Verb("the key of one transaction and purpose", _derive_options, _derive, (KEY,), "the key"),
    "walk": Verb("the keys on the way to a transaction, as check values", _key_options, _walk, (KEY,)),
    "update-key": Verb(
        "the key under which the next initial key comes (AES)", _update_options, _update_key, (KEY,), "the key"
    ),
    "next": Verb("the next KSN that a device uses", _ksn_option, _next),
}
