# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``hsm-sim tool kcv``: check values of TEST keys. Two people who compare them know that they hold the same key.

By zeros: a block of zeros enciphered, the left 3 octets (X9.24-1:2017, Annex A). By CMAC: the CMAC of a block of zeros,
the left 5 (usual for AES). A check value gives away almost nothing about a key, so it may be printed and spoken.
"""

import argparse
from typing import Final

from hsm_sim.tool.secret_input import SecretInput, Secrets
from hsm_sim.tool.sheet import CIPHERS, Sheet
from hsm_sim.tool.verb import Verb
from protocols.octets import unhex
from protocols.primitives import BlockKey, Use, check_value, check_value_cmac
from tillguard.exits import Exit
from tillguard.voice import Fault

EXAMPLES: Final = """examples:
  hsm-sim tool kcv make --key-file test.key
  hsm-sim tool kcv make --cipher aes --method cmac --key-file - --json < aes.key
  hsm-sim tool kcv verify --check-value 08D7B4 --key-file test.key
"""

KEY: Final = SecretInput("key", "the key, hexadecimal")
SIZES: Final = {"tdes": (8, 16, 24), "aes": (16, 24, 32), "sm4": (16,)}
ZEROS, CMAC = "zeros", "cmac"
SHORTEST: Final = 2  # octets of a check value that still mean something


def _made(given: argparse.Namespace, secrets: Secrets, sheet: Sheet) -> bytes:
    method = given.method or (CMAC if given.cipher == "aes" else ZEROS)
    with secrets.key("key", SIZES[given.cipher]) as key, CIPHERS[given.cipher](key, Use.ENCIPHER | Use.CMAC) as cipher:
        sheet.key_step("key", key, given.cipher)
        zeros = bytes(cipher.block_octets)
        if method == ZEROS:
            whole, made = cipher.encipher(zeros), check_value(cipher)
            sheet.step("a block of zeros enciphered", whole)
        else:
            whole, made = _cmac_of_zeros(cipher)
            sheet.step("the CMAC of a block of zeros", whole)
        sheet.step("its left octets", f"{len(made)} of {len(whole)}")
    return made


def _cmac_of_zeros(cipher: BlockKey) -> tuple[bytes, bytes]:
    return cipher.cmac(bytes(cipher.block_octets)), check_value_cmac(cipher)


def _make(given: argparse.Namespace, secrets: Secrets, sheet: Sheet) -> None:
    sheet.answer("check value", _made(given, secrets, sheet).hex().upper())


def _verify(given: argparse.Namespace, secrets: Secrets, sheet: Sheet) -> None:
    expected = unhex(given.check_value, "--check-value")
    made = _made(given, secrets, sheet)
    if not SHORTEST <= len(expected) <= len(made):
        words = f"--check-value: {len(expected)} octets, {SHORTEST} to {len(made)} expected"
        raise Fault(words, "its left part will do", Exit.USAGE)
    sheet.verdict(made[: len(expected)] == expected)


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cipher", choices=CIPHERS, default="tdes", help="block cipher (default: tdes)")
    parser.add_argument("--method", choices=(ZEROS, CMAC), help="default: zeros, for AES cmac")


def _verify_options(parser: argparse.ArgumentParser) -> None:
    _options(parser)
    parser.add_argument("--check-value", required=True, metavar="HEX", help="the one to compare with, from 2 octets")


VERBS: Final = {
    "make": Verb("the check value of a key", _options, _make, (KEY,)),
    "verify": Verb("whether a check value is that of a key; exit code 6 if not", _verify_options, _verify, (KEY,)),
}
