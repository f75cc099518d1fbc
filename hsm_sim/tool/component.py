# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``hsm-sim tool component``: TEST keys in parts. XOR components that all are needed for, shares of which some will do.

What ``make`` and ``share`` draw is new every time. Every part has a check value, so a mistyped one is found at once; of
shares only the joined key's tells.
"""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from secrets import token_bytes
from typing import Final

from hsm_sim.tool.secret_input import SecretInput, Secrets
from hsm_sim.tool.sheet import Sheet, check_text
from hsm_sim.tool.verb import Verb
from protocols.errors import EncodeError
from protocols.keyblock import component
from protocols.keyblock.codes import Cipher
from protocols.keyblock.component import MOST_COMPONENTS, Share
from protocols.octets import unhex
from protocols.secret import ClearKey
from tillguard.exits import Exit
from tillguard.voice import Fault

EXAMPLES: Final = """examples:
  hsm-sim tool component make --count 3 --key-file test.key
  hsm-sim tool component join --count 2 --component-1-file one.key --component-2-file two.key --explain
  hsm-sim tool component join --count 2 --check-value 227B --component-1-file one.key --component-2-file two.key
  hsm-sim tool component share --needed 2 --total 3 --key-file test.key --reveal
  hsm-sim tool component combine --needed 2 --numbers 1,3 --share-1-file one.key --share-3-file two.key
"""

CIPHERS: Final = {"tdes": Cipher.TDES, "aes": Cipher.AES}
SIZES: Final = {"tdes": (8, 16, 24), "aes": (16, 24, 32)}
MOST: Final = MOST_COMPONENTS
"""Components and shares that this calculator handles: each has an option of its own."""
KEY: Final = SecretInput("key", "the key to be taken apart, hexadecimal")
COMPONENTS: Final = tuple(SecretInput(f"component-{number}", f"component {number}") for number in range(1, MOST + 1))
SHARES: Final = tuple(SecretInput(f"share-{number}", f"share {number}") for number in range(1, MOST + 1))


def _make(given: argparse.Namespace, secrets: Secrets, sheet: Sheet) -> None:
    _check("--count", given.count)
    with secrets.key("key", SIZES[given.cipher]) as key, ExitStack() as parts:
        sheet.key_step("key", key, given.cipher)
        made = component.split(
            key, given.count, token_bytes(len(key) * (given.count - 1)), odd_parity=given.cipher == "tdes"
        )
        sheet.step("drawn at random", f"{given.count - 1} components; the last is the key and these, added")
        for part in made:
            parts.enter_context(part)
        _list_parts(sheet, "component", range(1, given.count + 1), made, given.cipher)
        sheet.answer("key's check value", check_text(key, given.cipher))


def _join(given: argparse.Namespace, secrets: Secrets, sheet: Sheet) -> None:
    _check("--count", given.count)
    with ExitStack() as parts:
        read = [
            parts.enter_context(secrets.key(COMPONENTS[place].name, SIZES[given.cipher]))
            for place in range(given.count)
        ]
        for number, part in enumerate(read, 1):
            sheet.key_step(f"component {number}", part, given.cipher)
        joined = parts.enter_context(component.join(read, odd_parity=given.cipher == "tdes"))
        sheet.step("added bit by bit" + (", parity made odd" if given.cipher == "tdes" else ""))
        _answer_key(sheet, joined, given)


def _share(given: argparse.Namespace, secrets: Secrets, sheet: Sheet) -> None:
    _check("--total", given.total)
    _check("--needed", given.needed, given.total)
    with secrets.key("key", SIZES[given.cipher]) as key, ExitStack() as parts:
        sheet.key_step("key", key, given.cipher)
        made = component.share(key, given.needed, given.total, token_bytes(len(key) * (given.needed - 1)))
        sheet.step("each octet is the value at 0 of a random polynomial over GF(256)", f"degree {given.needed - 1}")
        for part in made:
            parts.enter_context(part.octets)
        numbers = [part.number for part in made]
        _list_parts(sheet, "share", numbers, [part.octets for part in made], given.cipher)
        sheet.answer("key's check value", check_text(key, given.cipher))


def _combine(given: argparse.Namespace, secrets: Secrets, sheet: Sheet) -> None:
    with _shares(given, secrets, sheet) as shares, component.combine(shares) as key:
        sheet.step("the value at 0 of the polynomial through them, octet by octet")
        _answer_key(sheet, key, given)


@contextmanager
def _shares(given: argparse.Namespace, secrets: Secrets, sheet: Sheet) -> Iterator[list[Share]]:
    words = given.numbers.split(",")
    if not all(word.isdecimal() and word.isascii() and 1 <= int(word) <= MOST for word in words):
        raise Fault(f"--numbers: numbers from 1 to {MOST} with commas expected", "such as 1,3", Exit.USAGE)
    _check("--needed", given.needed, len(words))
    with ExitStack() as parts:
        shares = []
        for number in map(int, words):
            octets = parts.enter_context(secrets.key(SHARES[number - 1].name, SIZES[given.cipher]))
            sheet.key_step(f"share {number}", octets, given.cipher, derived=True)
            shares.append(Share(number, given.needed, octets))
        yield shares


def _list_parts(sheet: Sheet, word: str, numbers: Sequence[int], parts: Sequence[ClearKey], cipher: str) -> None:
    for number, part in zip(numbers, parts, strict=True):
        sheet.secret_answer(f"{word} {number}", part)
    rows = [
        {"part": f"{word} {number}", "check value": check_text(part, cipher)}
        for number, part in zip(numbers, parts, strict=True)
    ]
    sheet.answer("check values", rows)


def _answer_key(sheet: Sheet, key: ClearKey, given: argparse.Namespace) -> None:
    sheet.key_step("key", key, given.cipher)
    if component.is_weak(CIPHERS[given.cipher], key):
        sheet.answer("remark", "a weak key: an HSM refuses it")
    sheet.secret_answer("key", key)
    sheet.answer("check value", check_text(key, given.cipher))
    if given.check_value is None:
        return
    expected = unhex(given.check_value, "--check-value")
    if len(expected) < 2:
        raise EncodeError("--check-value: 2 octets or more expected")
    sheet.verdict(component.key_check_value(CIPHERS[given.cipher], key)[: len(expected)] == expected)


def _check(option: str, value: int, most: int = MOST) -> None:
    if not 2 <= value <= most:
        raise Fault(f"{option}: 2 to {max(most, 2)} expected", "give another number", Exit.USAGE)


def _cipher(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cipher", choices=CIPHERS, default="tdes", help="what it is a key of (default: tdes)")


def _make_options(parser: argparse.ArgumentParser) -> None:
    _cipher(parser)
    parser.add_argument("--count", type=int, default=3, metavar="N", help="components, 2 to 9 (default: 3)")


def _join_options(parser: argparse.ArgumentParser) -> None:
    _make_options(parser)
    parser.add_argument("--check-value", metavar="HEX", help="what the key's must begin with; exit code 6 if not")


def _share_options(parser: argparse.ArgumentParser) -> None:
    _cipher(parser)
    parser.add_argument("--needed", type=int, required=True, metavar="M", help="shares that give the key again")
    parser.add_argument("--total", type=int, required=True, metavar="N", help="shares in all, up to 9")


def _combine_options(parser: argparse.ArgumentParser) -> None:
    _cipher(parser)
    parser.add_argument("--needed", type=int, required=True, metavar="M", help="shares that are needed")
    parser.add_argument("--numbers", required=True, metavar="N,N…", help="which shares these are, such as 1,3")
    parser.add_argument("--check-value", metavar="HEX", help="what the key's must begin with; exit code 6 if not")


VERBS: Final = {
    "make": Verb("components of a key, all of which are needed", _make_options, _make, (KEY,), "the components"),
    "join": Verb("the key of all its components", _join_options, _join, COMPONENTS, "the key"),
    "share": Verb("shares of a key, some of which are needed", _share_options, _share, (KEY,), "the shares"),
    "combine": Verb("the key of enough shares", _combine_options, _combine, SHARES, "the key"),
}
