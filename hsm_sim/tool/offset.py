# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``hsm-sim tool offset``: IBM 3624 offsets and natural PINs under TEST keys. Counts no tries."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from hsm_sim.tool.secret_input import SecretInput, Secrets
from hsm_sim.tool.sheet import Sheet
from hsm_sim.tool.verb import Verb
from protocols.card_code import matches
from protocols.pin.reference import (
    TABLE_DIGITS,
    DecimalisationTable,
    natural_pin,
    offset,
    pin_from_offset,
)
from protocols.primitives import TdesKey
from protocols.secret import PIN_DIGITS, Pin
from tillguard.exits import Exit
from tillguard.voice import Fault

EXAMPLES: Final = """examples:
  hsm-sim tool offset make --validation-data 4000009999990016 --key-file test.key --pin-file test.pin --explain
  hsm-sim tool offset verify --validation-data 4000009999990016 --offset 5866 --key-file test.key --pin-file test.pin
  hsm-sim tool offset pin --validation-data 4000009999990016 --offset 5866 --key-file test.key --reveal
  hsm-sim tool offset natural-pin --validation-data 4000009999990016 --length 4 --key-file test.key --json
"""

KEY: Final = SecretInput("key", "the PIN verification key, 8, 16 or 24 octets in hexadecimal")
PIN: Final = SecretInput("pin", "the PIN, 4 to 12 digits")
STANDARD_TABLE: Final = "0123456789012345"
_MODULO_10: Final = "digit by digit, modulo 10"


@contextmanager
def _prepared(
    given: argparse.Namespace, secrets: Secrets, sheet: Sheet
) -> Iterator[tuple[TdesKey, DecimalisationTable]]:
    table = DecimalisationTable(given.table, strict=not given.any_table)
    with secrets.key("key", (8, 16, 24)) as octets, TdesKey(octets) as key:
        sheet.key_step("PIN verification key", octets, "tdes")
        sheet.step("validation data", "16 digits, as given")
        sheet.step("enciphered as one block", "masked: the natural PIN follows from it")
        sheet.step(f"decimalised digit by digit, 0 to F by {given.table}", "masked")
        yield key, table


def _natural_step(sheet: Sheet, natural: Pin) -> None:
    sheet.secret_step(f"natural PIN: its left {len(natural)} digits", natural, "*" * len(natural))


def _made(given: argparse.Namespace, secrets: Secrets, sheet: Sheet, count: int | None) -> str:
    with _prepared(given, secrets, sheet) as (key, table), secrets.pin("pin") as pin:
        made = offset(key, table, given.validation_data, pin, count)
        with natural_pin(key, table, given.validation_data, len(made)) as natural:
            _natural_step(sheet, natural)
        sheet.secret_step("PIN", pin, "*" * len(pin))
        sheet.step(f"PIN less natural PIN, {_MODULO_10}", made)
        return made


def _make(given: argparse.Namespace, secrets: Secrets, sheet: Sheet) -> None:
    sheet.answer("offset", _made(given, secrets, sheet, given.check_length))


def _verify(given: argparse.Namespace, secrets: Secrets, sheet: Sheet) -> None:
    _check_offset(given.offset)
    count = len(given.offset) if given.check_length is None else given.check_length
    if count > len(given.offset):
        raise Fault(f"--check-length: at most {len(given.offset)}, as the offset", "give a longer offset", Exit.USAGE)
    sheet.verdict(matches(_made(given, secrets, sheet, count), given.offset[:count]))


def _pin(given: argparse.Namespace, secrets: Secrets, sheet: Sheet) -> None:
    _check_offset(given.offset)
    with (
        _prepared(given, secrets, sheet) as (key, table),
        natural_pin(key, table, given.validation_data, len(given.offset)) as natural,
        pin_from_offset(key, table, given.validation_data, given.offset) as pin,
    ):
        _natural_step(sheet, natural)
        sheet.secret_step(f"natural PIN and offset added, {_MODULO_10}", pin, "*" * len(pin))
        sheet.secret_answer("pin", pin)


def _natural(given: argparse.Namespace, secrets: Secrets, sheet: Sheet) -> None:
    if given.length not in PIN_DIGITS:
        raise Fault("--length: 4 to 12 expected", "a PIN has 4 to 12 digits", Exit.USAGE)
    with (
        _prepared(given, secrets, sheet) as (key, table),
        natural_pin(key, table, given.validation_data, given.length) as natural,
    ):
        _natural_step(sheet, natural)
        sheet.secret_answer("natural_pin", natural)


def _check_offset(text: str) -> None:
    if len(text) not in PIN_DIGITS or not (text.isascii() and text.isdigit()):
        raise Fault("--offset: 4 to 12 decimal digits expected", "as many as digits of the PIN count", Exit.USAGE)


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--validation-data", required=True, metavar="HEX", help="16 hexadecimal digits, usually of the account number"
    )
    words = f"decimalisation table, {TABLE_DIGITS} digits (default: {STANDARD_TABLE})"
    parser.add_argument("--table", default=STANDARD_TABLE, metavar="DIGITS", help=words)
    parser.add_argument("--any-table", action="store_true", help="also a table that spreads badly")


def _check_length_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--check-length", type=int, metavar="N", help="how many digits count, from the left")


def _offset_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--offset", required=True, metavar="DIGITS", help="the offset on file")


def _make_options(parser: argparse.ArgumentParser) -> None:
    _options(parser)
    _check_length_option(parser)


def _verify_options(parser: argparse.ArgumentParser) -> None:
    _make_options(parser)
    _offset_option(parser)


def _pin_options(parser: argparse.ArgumentParser) -> None:
    _options(parser)
    _offset_option(parser)


def _natural_options(parser: argparse.ArgumentParser) -> None:
    _options(parser)
    parser.add_argument("--length", type=int, default=4, metavar="N", help="digits of the PIN (default: 4)")


VERBS: Final = {
    "make": Verb("the offset of a PIN", _make_options, _make, (KEY, PIN), "PIN and natural PIN in the steps"),
    "verify": Verb("whether a PIN has this offset; exit code 6 if not", _verify_options, _verify, (KEY, PIN)),
    "pin": Verb("the PIN that an offset stands for", _pin_options, _pin, (KEY,), "the TEST PIN"),
    "natural-pin": Verb("the PIN whose offset is zero", _natural_options, _natural, (KEY,), "the TEST PIN"),
}
