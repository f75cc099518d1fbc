# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``hsm-sim tool pinblock``: PIN blocks of TEST PINs, clear and enciphered, and their translation. Keeps nothing."""

import argparse
import secrets as randomness
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from hsm_sim.tool import dukpt
from hsm_sim.tool.pinblock_forms import (
    CLEAR,
    ENCIPHERED,
    FORMS,
    NO_ACCOUNT,
    RULED,
    TRANSLATED,
    Form,
    Parts,
    decipher,
    encipher,
)
from hsm_sim.tool.secret_input import SecretInput, Secrets
from hsm_sim.tool.sheet import CIPHERS, Row, Sheet
from hsm_sim.tool.verb import Verb
from protocols.dukpt import aes
from protocols.octets import unhex, xor
from protocols.pan import Pan
from protocols.pin.fields import RANDOM_OCTETS
from protocols.pin.iso9564 import Format, pan_field_4
from protocols.pin.translation import Purpose, translate, verdict
from protocols.primitives import BlockKey
from protocols.secret import Pin
from tillguard.exits import Exit
from tillguard.voice import Fault

EXAMPLES: Final = """examples:
  hsm-sim tool pinblock encipher --format 0 --pan 4000009999990016 --key-file test.key --pin-file test.pin --explain
  hsm-sim tool pinblock decipher --format 0 --pan 4000009999990016 --block 7AC831B0EC5209D7 --key-file test.key --reveal
  hsm-sim tool pinblock encipher --format 0 --pan 4000009999990016 --ksn FFFF9876543210E00001 --key-file bdk.key
  hsm-sim tool pinblock encode --format 2 --pin-file - --reveal < test.pin
  hsm-sim tool pinblock decode --format 3 --pan 4000009999990016 --reveal
  hsm-sim tool pinblock translate --from 0 --to 4 --pan 4000009999990016 --block 7AC831B0EC5209D7 --key-file test.key
  hsm-sim tool pinblock rules --purpose interchange
"""

KEY: Final = SecretInput("key", "the PIN key, hexadecimal; with --ksn the base derivation key")
PIN: Final = SecretInput("pin", "the PIN, 4 to 12 digits")
CLEAR_BLOCK: Final = SecretInput("clear-block", "the clear PIN block, hexadecimal")
CARD_KEY: Final = SecretInput("card-key", "the card's own key, for formats 41 and 42: 16 octets in hexadecimal")
CURRENT_PIN: Final = SecretInput("current-pin", "the PIN that the card has now, for format 42")
DESTINATION_KEY: Final = SecretInput("destination-key", "the PIN key of the block to be, hexadecimal")
KEY_SIZES: Final = {"tdes": (8, 16, 24), "aes": (16, 24, 32), "sm4": (16,)}
PURPOSES: Final = {purpose.name.lower().replace("_", "-"): purpose for purpose in Purpose}


def _encode(given: argparse.Namespace, secrets: Secrets, sheet: Sheet) -> None:
    form = FORMS[given.format]
    with (
        _parts(given, form, secrets, sheet, _random(given, form)) as parts,
        secrets.pin("pin") as pin,
        form.encode(pin, parts) as clear,
    ):
        _field_steps(sheet, form, pin, parts)
        sheet.secret_step("clear block", clear)
        sheet.secret_answer("clear_block", clear)


def _decode(given: argparse.Namespace, secrets: Secrets, sheet: Sheet) -> None:
    form = FORMS[given.format]
    with _parts(given, form, secrets, sheet) as parts, secrets.clear_block("clear-block") as clear:
        sheet.secret_step("clear block", clear)
        with form.decode(clear, parts) as pin:
            _field_steps(sheet, form, pin, parts)
            sheet.secret_answer("pin", pin)


def _encipher(given: argparse.Namespace, secrets: Secrets, sheet: Sheet) -> None:
    form = FORMS[given.format]
    with (
        _parts(given, form, secrets, sheet, _random(given, form)) as parts,
        _key(given.ksn, form, secrets, sheet) as key,
        secrets.pin("pin") as pin,
    ):
        _field_steps(sheet, form, pin, parts)
        block = encipher(form, key, pin, parts)
        if form.number == Format.ISO_4:
            inner = xor(key.decipher(block), pan_field_4(parts.pan))
            sheet.step("PIN field enciphered", inner)
            sheet.step("PAN field added, and enciphered again", block)
        else:
            with form.encode(pin, parts) as clear:
                sheet.secret_step("clear block", clear)
            sheet.step("enciphered", block)
        sheet.answer("block", block.hex().upper())
        if given.ksn:
            sheet.answer("ksn", str(dukpt.read_ksn(given.ksn)))


def _decipher(given: argparse.Namespace, secrets: Secrets, sheet: Sheet) -> None:
    form = FORMS[given.format]
    block = unhex(given.block, "--block")
    with (
        _parts(given, form, secrets, sheet) as parts,
        _key(given.ksn, form, secrets, sheet) as key,
        decipher(form, key, block, parts) as pin,
    ):
        if form.number == Format.ISO_4:
            sheet.step("deciphered, PAN field added", xor(key.decipher(block), pan_field_4(parts.pan)))
            sheet.step("deciphered again to the PIN field")
        else:
            sheet.step("deciphered to the clear block")
        _field_steps(sheet, form, pin, parts)
        sheet.step("judged", "control nibble, length, digits and fill are those of the format")
        sheet.secret_answer("pin", pin)


def _translate(given: argparse.Namespace, secrets: Secrets, sheet: Sheet) -> None:
    source, destination = FORMS[given.source], FORMS[given.destination]
    block = unhex(given.block, "--block")
    bound = source.account or destination.account
    pan = _pan(given.pan, needed=bound, name=f"formats {given.source} and {given.destination}")
    onward = pan if given.to_pan is None else Pan(given.to_pan)
    rule = verdict(
        _number(source), _number(destination), PURPOSES[given.purpose], pan_changes=source.account and onward != pan
    )
    sheet.step("rule (ISO 9564-1:2017, 9; X9.8-1)", f"{given.source} to {given.destination}: {rule.reason}")
    if not rule.permitted:
        words = f"translation from format {given.source} to format {given.destination} refused: {rule.reason}"
        raise Fault(words, "run: hsm-sim tool pinblock rules", Exit.REFUSED)
    random = _random(given, destination)
    with (
        _key(given.ksn, source, secrets, sheet) as source_key,
        secrets.key("destination-key", KEY_SIZES[destination.cipher]) as octets,
        CIPHERS[destination.cipher](octets) as destination_key,
    ):
        sheet.key_step("destination key", octets, destination.cipher)
        translated = translate(
            source_key,
            _number(source),
            destination_key,
            _number(destination),
            block,
            pan,
            random,
            destination_pan=onward,
            purpose=PURPOSES[given.purpose],
        )
    sheet.step(f"deciphered and judged as format {given.source}", "a PIN; masked")
    sheet.step(f"encoded as format {given.destination} and enciphered", translated)
    sheet.answer("block", translated.hex().upper())


def _rules(given: argparse.Namespace, secrets: Secrets, sheet: Sheet) -> None:
    rows: list[Row] = []
    for source in RULED:
        for destination in RULED:
            judged = verdict(Format(int(source)), Format(int(destination)), PURPOSES[given.purpose])
            answer = "yes" if judged.permitted else "no"
            rows.append({"from": source, "to": destination, "permitted": answer, "reason": judged.reason})
    sheet.answer("purpose", given.purpose)
    sheet.answer("rules", rows)


def _number(form: Form) -> Format:
    if form.number is None:
        raise Fault("this format has no place in the translation table", "give 0, 1, 3 or 4", Exit.USAGE)
    return form.number


@contextmanager
def _parts(
    given: argparse.Namespace, form: Form, secrets: Secrets, sheet: Sheet, random: bytes = b""
) -> Iterator[Parts]:
    # A clear field of format 4 holds no account number: that joins between the encipherments.
    in_field = form.account and not (form.number == Format.ISO_4 and given.verb in ("encode", "decode"))
    lacks = form.account_may_lack and given.pan is None
    pan = _pan(given.pan, needed=in_field and not lacks, name=f"format {given.format}")
    if not form.card_key:
        yield Parts(pan, random)
        return
    with secrets.key("card-key", (16,)) as card_key:
        sheet.key_step("card key", card_key, "tdes")
        if not form.current_pin:
            yield Parts(pan, random, card_key)
            return
        with secrets.pin("current-pin") as current:
            yield Parts(pan, random, card_key, current)


def _pan(text: str | None, *, needed: bool, name: str) -> Pan:
    if needed and text is None:
        raise Fault(f"--pan: {name}: the account number is needed", "give --pan DIGITS", Exit.USAGE)
    if text is None:
        return NO_ACCOUNT
    if not needed:
        raise Fault(f"--pan: {name}: no account number in it", "leave --pan out", Exit.USAGE)
    return Pan(text)


def _random(given: argparse.Namespace, form: Form) -> bytes:
    if given.random is None:
        return randomness.token_bytes(RANDOM_OCTETS) if form.random else b""
    if not form.random:
        raise Fault("--random: this format has no random fill", "leave --random out", Exit.USAGE)
    octets = unhex(given.random, "--random")
    if len(octets) != RANDOM_OCTETS:
        raise Fault(f"--random: {len(octets)} octets, {RANDOM_OCTETS} expected", "16 hexadecimal digits", Exit.USAGE)
    return octets


@contextmanager
def _key(ksn: str | None, form: Form, secrets: Secrets, sheet: Sheet) -> Iterator[BlockKey]:
    if ksn is None:
        with secrets.key("key", KEY_SIZES[form.cipher]) as octets, CIPHERS[form.cipher](octets) as key:
            sheet.key_step("PIN key", octets, form.cipher)
            yield key
        return
    if form.cipher == "sm4":
        raise Fault("--ksn: DUKPT derives no SM4 keys", "leave --ksn out", Exit.USAGE)
    serial = dukpt.read_ksn(ksn)
    if form.cipher == "aes" and dukpt.cipher_of(serial) != "aes":
        raise Fault("--ksn: format 4 needs AES DUKPT", "give a KSN of 24 digits", Exit.USAGE)
    key_type = aes.TDEA_2_KEY if form.cipher == "tdes" else None
    with (
        secrets.key("key", dukpt.base_sizes(serial)) as base,
        dukpt.key_under(sheet, base, ksn, "pin", key_type) as (octets, cipher),
        CIPHERS[cipher](octets) as key,
    ):
        yield key


def _field_steps(sheet: Sheet, form: Form, pin: Pin, parts: Parts) -> None:
    sheet.step("PIN field: control nibble, length, digits, fill", form.field(pin, reveal=sheet.reveal))
    if form.number == Format.ISO_4:
        return
    if form.account:
        sheet.step("account field: 12 digits before the check digit", form.account_field(parts.pan))
    if form.card_key:
        sheet.step("right 4 octets of the card key's left half added")
    if form.current_pin:
        sheet.step("current PIN's digits added from the left")


def _clear_options(parser: argparse.ArgumentParser) -> None:
    _format_option(parser, CLEAR)
    _pan_option(parser)


def _encode_options(parser: argparse.ArgumentParser) -> None:
    _clear_options(parser)
    _random_option(parser)


def _encipher_options(parser: argparse.ArgumentParser) -> None:
    _format_option(parser, ENCIPHERED)
    _pan_option(parser)
    _ksn_option(parser)
    _random_option(parser)


def _decipher_options(parser: argparse.ArgumentParser) -> None:
    _format_option(parser, ENCIPHERED)
    _pan_option(parser)
    _ksn_option(parser)
    _block_option(parser)


def _translate_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from", dest="source", required=True, choices=TRANSLATED, help="format of the block")
    parser.add_argument("--to", dest="destination", required=True, choices=TRANSLATED, help="format of the block to be")
    _pan_option(parser)
    parser.add_argument(
        "--to-pan", metavar="DIGITS", help="another TEST account number for the block to be (issuance only)"
    )
    _purpose_option(parser)
    _ksn_option(parser)
    _block_option(parser)
    _random_option(parser)


def _purpose_option(parser: argparse.ArgumentParser) -> None:
    words = f"what the translation is for: {', '.join(PURPOSES)} (default: interchange)"
    parser.add_argument("--purpose", choices=PURPOSES, default="interchange", metavar="PURPOSE", help=words)


def _format_option(parser: argparse.ArgumentParser, names: tuple[str, ...]) -> None:
    words = "; ".join(f"{name} {FORMS[name].words}" for name in names)
    parser.add_argument("--format", required=True, choices=names, metavar="FORMAT", help=words)


def _pan_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pan", metavar="DIGITS", help="TEST account number, where the format has one; printed masked")


def _ksn_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--ksn", metavar="HEX", help="derive the PIN key by DUKPT: the key read is the base key")


def _block_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--block", required=True, metavar="HEX", help="the enciphered PIN block")


def _random_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--random", metavar="HEX", help="8 octets of fill, to repeat a result (else drawn)")


VERBS: Final = {
    "encode": Verb(
        "the clear block of a PIN", _encode_options, _encode, (CARD_KEY, CURRENT_PIN, PIN), "the clear block"
    ),
    "decode": Verb(
        "the PIN of a clear block", _clear_options, _decode, (CARD_KEY, CURRENT_PIN, CLEAR_BLOCK), "the TEST PIN"
    ),
    "encipher": Verb(
        "the block of a PIN under a key", _encipher_options, _encipher, (KEY, PIN), "PIN and clear block in the steps"
    ),
    "decipher": Verb("the PIN of a block under a key", _decipher_options, _decipher, (KEY,), "the TEST PIN"),
    "translate": Verb(
        "a block under one key as a block under another", _translate_options, _translate, (KEY, DESTINATION_KEY)
    ),
    "rules": Verb("which format may become which, and why not", _purpose_option, _rules),
}
