# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``hsm-sim tool keyblock``: key blocks (X9.143, TR-31, ISO 20038) under TEST keys: show, unwrap, wrap.

A key block is not secret: its key is enciphered. So it may be an argument; the keys may not.
"""

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_bytes
from typing import Final

from hsm_sim.tool.secret_input import SecretInput, Secrets
from hsm_sim.tool.sheet import Row, Sheet, check_text
from hsm_sim.tool.verb import Verb
from protocols.errors import DecodeError
from protocols.keyblock import header as header_text
from protocols.keyblock.binding import KEY_LENGTHS, derived_keys
from protocols.keyblock.codes import FORMS, USAGES, Algorithm, Cipher, Exportability, Form, Mode
from protocols.keyblock.header import FIXED, Header
from protocols.keyblock.optional import OptionalBlock, Reading
from protocols.keyblock.policy import Policy
from protocols.keyblock.x9143 import LENGTH_OCTETS, ProtectionKey, randomness_needed
from protocols.octets import unhex
from protocols.secret import ClearKey
from tillguard.exits import Exit
from tillguard.voice import Fault

EXAMPLES: Final = """examples:
  hsm-sim tool keyblock show --block-file initial.block
  hsm-sim tool keyblock unwrap --block-file key.block --key-file kbpk.key --explain
  hsm-sim tool keyblock wrap --version D --usage P0 --algorithm T --mode E --key-file kbpk.key --inner-key-file test.key
  hsm-sim tool keyblock wrap --version B --usage K0 --algorithm T --mode B --key-file - --inner-key-file - < two.keys

Blocks are judged as PCI PIN and X9.143 ask today; the verdict explains itself and changes no exit code.
"""

LARGEST: Final = 20_000  # octets of a file: a block has 9,999 characters at most
KEY: Final = SecretInput("key", "the key block protection key, hexadecimal")
INNER: Final = SecretInput("inner-key", "the key to wrap, hexadecimal")
_HEX: Final = frozenset("0123456789ABCDEFabcdef")
_NAMES: Final = {Cipher.TDES: "tdes", Cipher.AES: "aes"}
_ALGORITHMS: Final[dict[str, str]] = {Algorithm.TDES: "tdes", Algorithm.DES: "tdes", Algorithm.AES: "aes"}
_PLACES: Final = (
    ("version", 0, 1), ("length", 1, 5), ("usage", 5, 7), ("algorithm", 7, 8), ("mode of use", 8, 9),
    ("key version", 9, 11), ("exportability", 11, 12), ("optional blocks", 12, 14), ("context", 14, 15),
    ("reserved", 15, 16),
)  # fmt: skip
"""Fields of the fixed header and where they stand (X9.143:2021, 6.2, table 1)."""


def _show(given: argparse.Namespace, secrets: Secrets, sheet: Sheet) -> None:
    text = _block(given)
    reading = Reading(strict=False)
    header, end = header_text.decode(text, reading)
    _check_body(text, end, header.form)
    sheet.step("characters", str(len(text)))
    sheet.answer("block", rows(text, header, end))
    if reading.forgiven:
        sheet.answer("forgiven", "; ".join(reading.forgiven))


def _check_body(text: str, end: int, form: Form) -> None:
    """A block behind whose header, ending at ``end``, no key and authenticator stand is not worth taking apart."""
    body, least = text[end:], 2 * (LENGTH_OCTETS + 1 + form.mac_octets)
    if len(body) < least or not set(body) <= _HEX:
        raise DecodeError(f"key block, from character {end}", f"{least} hexadecimal digits or more expected")


def rows(text: str, header: Header, end: int) -> list[Row]:
    """A block taken apart: characters, field, text, meaning. ``end`` is where its header ends."""
    words = {name: meaning for name, _, meaning in header.words()}
    words |= {
        "length": f"{int(text[1:5])} characters in all",
        "optional blocks": str(int(text[12:14])),
        "reserved": "for later" if header.reserved == "0" else "unknown",
    }
    found = [_row(start, stop, name, text[start:stop], words[name]) for name, start, stop in _PLACES]
    place = FIXED
    for block in header.optional:
        encoded = block.encode()
        found.append(_row(place, place + len(encoded), f"block {block.identifier}", encoded, block.words))
        place += len(encoded)
    if place < end:
        found.append(_row(place, end, "block PB", text[place:end], "padding to whole cipher blocks"))
    form = header.form
    start = len(text) - 2 * form.mac_octets
    found.append(_row(end, start, "enciphered", text[end:start], f"length, key and fill: {(start - end) // 2} octets"))
    found.append(
        _row(start, len(text), "authenticator", text[start:], f"over header and key: {form.mac_octets} octets")
    )
    return found


def _row(start: int, stop: int, name: str, text: str, words: str) -> Row:
    place = str(start) if stop == start + 1 else f"{start}-{stop - 1}"
    return {"characters": place, "field": name, "text": text, "meaning": words}


def _unwrap(given: argparse.Namespace, secrets: Secrets, sheet: Sheet) -> None:
    text = _block(given)
    header, end = header_text.decode(text, Reading(strict=False))
    form = header.form
    _check_body(text, end, form)
    with secrets.key("key", KEY_LENGTHS[form.cipher]) as protection, ProtectionKey(form.cipher, protection) as opener:
        _steps(sheet, form, protection)
        sheet.step("header, authenticated as it stands", text[:end])
        size = len(text) - 2 * form.mac_octets
        sheet.step("enciphered key", text[end:size])
        sheet.step("authenticator", text[size:])
        header, key, forgiven = opener.unwrap(text, strict=not given.lenient)
        with key:
            sheet.step("authenticator calculated", "the same")
            _key_step(sheet, header, key)
            _answer_header(sheet, header)
            _judge(sheet, header, key, len(protection), forgiven)
            _answer_check_value(sheet, header, key)
            sheet.secret_answer("key", key)


def _wrap(given: argparse.Namespace, secrets: Secrets, sheet: Sheet) -> None:
    header = Header(
        given.version, given.usage, given.algorithm, given.mode, given.key_version, given.exportability,
        _optional(given.optional), given.context,
    )  # fmt: skip
    form = header.form
    with ExitStack() as keys:
        protection = keys.enter_context(secrets.key("key", KEY_LENGTHS[form.cipher]))
        key = keys.enter_context(secrets.key("inner-key"))
        sealer = keys.enter_context(ProtectionKey(form.cipher, protection))
        _steps(sheet, form, protection)
        _key_step(sheet, header, key)
        needed = randomness_needed(header, len(key))
        randomness = token_bytes(needed) if given.random is None else unhex(given.random, "--random")
        made = sealer.wrap(header, key, randomness.ljust(needed, b"\0"), hide_length=not given.show_length)
        # What --optional says is judged as a strict reader would, so that nothing is made that none will take.
        sheet.step("header", made[: header_text.decode(made, Reading(strict=True))[1]])
        _judge(sheet, header, key, len(protection), ())
        _answer_check_value(sheet, header, key)
        sheet.answer("block", made)


def _steps(sheet: Sheet, form: Form, protection: ClearKey) -> None:
    name = _NAMES[form.cipher]
    sheet.step(f"version {form.version}", form.words)
    sheet.key_step("protection key (KBPK)", protection, name)
    encipherment, authentication = derived_keys(form.cipher, form.binding, protection)
    with encipherment, authentication:
        how = form.binding.value
        sheet.key_step(f"key for encipherment (KBEK), by {how}", encipherment, name, derived=True)
        sheet.key_step(f"key for authentication (KBMK), by {how}", authentication, name, derived=True)


def _key_step(sheet: Sheet, header: Header, key: ClearKey) -> None:
    name = _ALGORITHMS.get(header.algorithm)
    if name is None:
        sheet.step("wrapped key", f"{len(key)} octets")
    else:
        sheet.key_step("wrapped key", key, name)


def _answer_check_value(sheet: Sheet, header: Header, key: ClearKey) -> None:
    name = _ALGORITHMS.get(header.algorithm)
    if name is not None:
        sheet.answer("check value", check_text(key, name))


def _judge(sheet: Sheet, header: Header, key: ClearKey, protection_octets: int, forgiven: tuple[str, ...]) -> None:
    verdict = Policy().judge_import(header, key, protection_octets, datetime.now(UTC), forgiven)
    for line in verdict.explain().splitlines()[1:]:
        sheet.step("policy", line)
    sheet.answer("policy", verdict.explain().replace("\n", "; "))


def _answer_header(sheet: Sheet, header: Header) -> None:
    found: list[Row] = [{"field": name, "code": code, "meaning": words} for name, code, words in header.words()]
    for block in header.optional:
        found.append({"field": f"block {block.identifier}", "code": block.data, "meaning": block.words})
    sheet.answer("header", found)


def _block(given: argparse.Namespace) -> str:
    if given.block is not None:
        return str(given.block)
    try:
        with Path(given.block_file).open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as fault:
        raise Fault(f"--block-file: {fault.strerror}", "check the path", Exit.USAGE) from None
    try:
        lines = content.decode("ascii").split()
    except UnicodeDecodeError:
        lines = []
    if len(lines) != 1 or len(content) > LARGEST:
        raise Fault("--block-file: not one key block", "one line of text expected", Exit.USAGE)
    return lines[0]


def _optional(words: Sequence[str]) -> tuple[OptionalBlock, ...]:
    found = []
    for word in words:
        identifier, equals, data = word.partition("=")
        if not equals or len(identifier) != 2:
            raise DecodeError("--optional", "two characters, = and data expected")
        found.append(OptionalBlock(identifier, data))
    return tuple(found)


def _block_options(parser: argparse.ArgumentParser) -> None:
    block = parser.add_mutually_exclusive_group(required=True)
    block.add_argument("--block", metavar="TEXT", help="the key block")
    block.add_argument("--block-file", metavar="FILE", help="a file with the key block")


def _unwrap_options(parser: argparse.ArgumentParser) -> None:
    _block_options(parser)
    parser.add_argument(
        "--lenient", action="store_true", help="take what older editions and payShields write, and say so"
    )


def _wrap_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--version", required=True, choices=sorted(FORMS), help="how the block is protected")
    parser.add_argument(
        "--usage", required=True, choices=USAGES, metavar="CODE", help="what the key is for, such as P0"
    )
    algorithms, modes = [str(one.value) for one in Algorithm], [str(one.value) for one in Mode]
    parser.add_argument("--algorithm", required=True, choices=algorithms, help="what it is a key of: T, A, D, H, R…")
    parser.add_argument("--mode", required=True, choices=modes, help="what it may do: E, D, B, G, V, C, X, N…")
    parser.add_argument("--key-version", default="00", metavar="XX", help="default: 00, not counted")
    exports = [str(one.value) for one in Exportability]
    parser.add_argument("--exportability", default="N", choices=exports, help="whether it may leave (default: N)")
    parser.add_argument("--context", default="0", choices=("0", "1", "2"), help="default: 0, any")
    parser.add_argument(
        "--optional", action="append", default=[], metavar="ID=DATA", help="an optional block; may recur"
    )
    parser.add_argument("--show-length", action="store_true", help="pad like TR-31 and payShield, not like X9.143:2021")
    parser.add_argument(
        "--random", metavar="HEX", help="the fill, for a block that can be made again (default: random)"
    )


VERBS: Final = {
    "show": Verb("a block taken apart, without any key", _block_options, _show),
    "unwrap": Verb(
        "the key in a block; exit code 6 if it is not authentic", _unwrap_options, _unwrap, (KEY,), "the key"
    ),
    "wrap": Verb("a block of a key", _wrap_options, _wrap, (KEY, INNER)),
}
