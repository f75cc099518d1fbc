# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``hsm-sim tool pvv``: Visa PIN verification values of TEST PINs. Counts no tries."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from hsm_sim.tool.secret_input import SecretInput, Secrets
from hsm_sim.tool.sheet import Sheet
from hsm_sim.tool.verb import Verb
from protocols.card_code import matches
from protocols.pan import Pan
from protocols.pin.reference import PVV_DIGITS, pvv
from protocols.primitives import TdesKey
from protocols.secret import Pin
from tillguard.exits import Exit
from tillguard.voice import Fault

EXAMPLES: Final = """examples:
  hsm-sim tool pvv make --pan 4000009999990016 --pvki 1 --key-file test.key --pin-file test.pin --explain
  hsm-sim tool pvv verify --pan 4000009999990016 --pvki 1 --pvv 5390 --key-file test.key --pin-file test.pin
  hsm-sim tool pvv make --pan 4000009999990016 --pvki 1 --key-file - --pin-file - --json < key-and-pin
"""

KEY: Final = SecretInput("key", "the PIN verification key pair, 16 octets in hexadecimal")
PIN: Final = SecretInput("pin", "the PIN, 4 to 12 digits; its left 4 count")


def _make(given: argparse.Namespace, secrets: Secrets, sheet: Sheet) -> None:
    with _calculated(given, secrets, sheet) as value:
        sheet.answer("pvv", value)


def _verify(given: argparse.Namespace, secrets: Secrets, sheet: Sheet) -> None:
    if len(given.pvv) != PVV_DIGITS or not (given.pvv.isascii() and given.pvv.isdigit()):
        raise Fault(f"--pvv: {PVV_DIGITS} decimal digits expected", "give the whole reference", Exit.USAGE)
    with _calculated(given, secrets, sheet) as value:
        sheet.verdict(matches(value, given.pvv))


@contextmanager
def _calculated(given: argparse.Namespace, secrets: Secrets, sheet: Sheet) -> Iterator[str]:
    pan = Pan(given.pan)
    with secrets.key("key", (16,)) as octets, TdesKey(octets) as key, secrets.pin("pin") as pin:
        value = pvv(key, pan, given.pvki, pin)
        sheet.key_step("PIN verification key", octets, "tdes")
        sheet.step("11 digits before the check digit", pan.masked[-12:-1].rjust(11, "0"))
        sheet.step("key index", str(given.pvki))
        digits = "".join(str(digit) for digit in list(pin)[:PVV_DIGITS]) if sheet.reveal else "*" * PVV_DIGITS
        sheet.step("left 4 digits of the PIN", digits)
        sheet.step("these 16 digits enciphered as one block", _enciphered(key, pan, given.pvki, pin))
        sheet.step("its decimal digits from the left, then its letters less ten", value)
        yield value


def _enciphered(key: TdesKey, pan: Pan, pvki: int, pin: Pin) -> bytes:
    block = bytearray.fromhex(f"{pan.account_field[1:]}{pvki}0000")
    first, second, third, fourth = list(pin)[:PVV_DIGITS]
    block[6:] = first << 4 | second, third << 4 | fourth
    enciphered = key.encipher(block)
    block[6:] = bytes(2)
    return enciphered


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pan", required=True, metavar="DIGITS", help="TEST account number; printed masked")
    parser.add_argument("--pvki", required=True, type=int, metavar="N", help="key index, 0 to 9")


def _verify_options(parser: argparse.ArgumentParser) -> None:
    _options(parser)
    parser.add_argument("--pvv", required=True, metavar="DIGITS", help="the reference on file")


VERBS: Final = {
    "make": Verb("the PVV of a PIN", _options, _make, (KEY, PIN), "the PIN in the steps"),
    "verify": Verb("whether a PIN has this PVV; exit code 6 if not", _verify_options, _verify, (KEY, PIN)),
}
