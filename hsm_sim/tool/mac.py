# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``hsm-sim tool mac``: message authentication codes under TEST keys. Knows no message format.

The message itself never appears in an explanation: it may hold card data. Lengths and cipher outputs do.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hsm_sim.tool import dukpt
from hsm_sim.tool.secret_input import STDIN, SecretInput, Secrets
from hsm_sim.tool.sheet import CIPHERS, Sheet
from hsm_sim.tool.verb import Verb
from protocols.errors import IntegrityError
from protocols.mac import (
    CbcMacKey,
    ChainedMac,
    CmacKey,
    Padding,
    RetailMacKey,
    Sha2,
    TwoKeyMac,
    hmac_sha2,
    pad,
    unionpay_ecb_mac,
    verify,
)
from protocols.octets import unhex
from protocols.primitives import TdesKey
from protocols.secret import ClearKey
from tillguard.exits import Exit
from tillguard.voice import Fault

EXAMPLES: Final = """examples:
  hsm-sim tool mac make --algorithm retail --text "Hello World !!" --key-file test.key --explain
  hsm-sim tool mac make --algorithm cmac --cipher aes --data 6BC1BEE22E409F96 --key-file aes.key --json
  hsm-sim tool mac make --algorithm retail --data-file message.bin --ksn FFFF9876543210E00001 --key-file bdk.key
  hsm-sim tool mac make --algorithm hmac-sha-256 --text "Hi There" --key-file - < test.key
  hsm-sim tool mac verify --algorithm retail --text "Hello World !!" --mac BAA451BF --key-file test.key

Algorithms: cbc-mac, retail and cmac are 1, 3 and 5 of ISO/IEC 9797-1.
"""

KEY: Final = SecretInput("key", "the key, hexadecimal; with --ksn the base derivation key")
LARGEST_MESSAGE: Final = 1 << 20  # octets: a payment message has a few hundred
SHOWN_BLOCKS: Final = 16
TWO_TDES_KEYS: Final = 32
"""Octets of a key for algorithm 3 whose K1 and K2 are double-length TDES keys themselves."""
SIZES: Final = {"tdes": (8, 16, 24), "aes": (16, 24, 32), "sm4": (16,)}
PADDINGS: Final = {str(int(padding)) if padding else "none": padding for padding in Padding}
HMACS: Final = {f"hmac-sha-{function.value.removeprefix('sha')}": function for function in Sha2}


@dataclass(frozen=True, slots=True)
class Algorithm:
    """A block cipher MAC: what it is, which ciphers it takes, whether the caller chooses a padding, and itself."""

    words: str
    ciphers: tuple[str, ...]
    pads: bool
    make: Callable[[Sheet, ClearKey, str, bytes, Padding], bytes]


def _chained(sheet: Sheet, mac: ChainedMac, data: bytes, padding: Padding, last: str) -> bytes:
    size = mac.block_octets
    padded = pad(data, padding, size)
    sheet.step(f"padding {'none' if not padding else f'method {padding:d}'}", _blocks(len(data), len(padded), size))
    _chaining(sheet, mac, padded)
    made = mac.mac(data, padding)
    sheet.step(last, made)
    return made


def _chaining(sheet: Sheet, mac: ChainedMac, padded: bytes) -> None:
    size = mac.block_octets
    count = len(padded) // size - 1
    chaining = bytes(size)
    for number in range(min(count, SHOWN_BLOCKS) if sheet.explain else 0):
        chaining = mac.middle(chaining, padded[number * size : (number + 1) * size])
        sheet.step(f"block {number + 1} added and enciphered", chaining)
    if count > SHOWN_BLOCKS:
        sheet.step(f"blocks {SHOWN_BLOCKS + 1} to {count} likewise")


def _blocks(octets: int, padded: int, size: int) -> str:
    return f"{octets} octets become {padded}: {padded // size} blocks of {size}"


def _cbc_mac(sheet: Sheet, key: ClearKey, cipher: str, data: bytes, padding: Padding) -> bytes:
    with CIPHERS[cipher](key) as made:
        return _chained(sheet, CbcMacKey(made), data, padding, "last block added and enciphered")


def _retail(sheet: Sheet, key: ClearKey, cipher: str, data: bytes, padding: Padding) -> bytes:
    words = f"last block: enciphered K1, deciphered K2, enciphered {'K3' if len(key) == 24 else 'K1'}"
    if len(key) < TWO_TDES_KEYS:
        return _chained(sheet, RetailMacKey(key), data, padding, words)
    view = key.reveal()
    with ClearKey(view[:16]) as left, ClearKey(view[16:]) as right, TdesKey(left) as first, TdesKey(right) as second:
        sheet.key_step("K1", left, "tdes")
        sheet.key_step("K2", right, "tdes")
        return _chained(sheet, TwoKeyMac(first, second), data, padding, words)


def _cmac(sheet: Sheet, key: ClearKey, cipher: str, data: bytes, padding: Padding) -> bytes:
    with CIPHERS[cipher](key) as made:
        mac = CmacKey(made)
        size = mac.block_octets
        whole = bool(data) and len(data) % size == 0
        padded = data if whole else pad(data, Padding.ONE_AND_ZEROS, size)
        sheet.step("pads by itself", _blocks(len(data), len(padded), size))
        _chaining(sheet, mac, padded)
        result = mac.mac(data)
        sheet.step(f"last block and subkey {1 if whole else 2} added, and enciphered", result)
        return result


def _unionpay(sheet: Sheet, key: ClearKey, cipher: str, data: bytes, padding: Padding) -> bytes:
    with CIPHERS[cipher](key) as made:
        size = made.block_octets
        padded = pad(data, Padding.ZEROS, size)
        sheet.step("zeros behind, all blocks added together", _blocks(len(data), len(padded), size))
        sheet.step("the sum as hexadecimal text, two blocks", "the message's; masked")
        result = unionpay_ecb_mac(made, data)
        sheet.step("first half enciphered, second added, enciphered; 8 digits", result.decode("ascii"))
        return result


ALGORITHMS: Final = {
    "cbc-mac": Algorithm("ISO/IEC 9797-1 algorithm 1, X9.9", ("tdes", "aes", "sm4"), True, _cbc_mac),
    "retail": Algorithm("ISO/IEC 9797-1 algorithm 3, X9.19", ("tdes",), True, _retail),
    "cmac": Algorithm("ISO/IEC 9797-1 algorithm 5, NIST SP 800-38B", ("tdes", "aes", "sm4"), False, _cmac),
    "unionpay-ecb": Algorithm("UnionPay field 64", ("tdes", "sm4"), False, _unionpay),
}


def _make(given: argparse.Namespace, secrets: Secrets, sheet: Sheet) -> None:
    whole = _calculated(given, secrets, sheet)
    if given.octets is not None and not 0 < given.octets <= len(whole):
        raise Fault(f"--octets: 1 to {len(whole)} expected", "leave it out for the whole code", Exit.USAGE)
    sheet.answer("mac", _shown(given.algorithm, whole[: given.octets]))


def _verify(given: argparse.Namespace, secrets: Secrets, sheet: Sheet) -> None:
    received = given.mac.encode("ascii", "replace") if given.algorithm == "unionpay-ecb" else unhex(given.mac, "--mac")
    whole = _calculated(given, secrets, sheet)
    if not 4 <= len(received) <= len(whole):
        raise Fault(f"--mac: {len(received)} octets, 4 to {len(whole)} expected", "the left part will do", Exit.USAGE)
    try:
        verify(whole, received)
    except IntegrityError:
        sheet.verdict(False)
    else:
        sheet.verdict(True)


def _calculated(given: argparse.Namespace, secrets: Secrets, sheet: Sheet) -> bytes:
    if given.algorithm in HMACS:
        _refuse(given, "cipher", "padding")
        data = _data(given, secrets)
        with _key(given, secrets, sheet, "hmac", ()) as key:
            made = hmac_sha2(key, data, HMACS[given.algorithm])
        sheet.step(f"{given.algorithm.upper()} of {len(data)} octets", made)
        return made
    algorithm = ALGORITHMS[given.algorithm]
    cipher = given.cipher or algorithm.ciphers[0]
    if cipher not in algorithm.ciphers:
        words = f"--cipher: {given.algorithm} takes {' or '.join(algorithm.ciphers)}"
        raise Fault(words, "give another, or leave it out", Exit.USAGE)
    if not algorithm.pads:
        _refuse(given, "padding")
    data = _data(given, secrets)
    padding = PADDINGS[given.padding or "1"]
    sizes = (*SIZES[cipher], TWO_TDES_KEYS) if given.algorithm == "retail" else SIZES[cipher]
    with _key(given, secrets, sheet, cipher, sizes) as key:
        return algorithm.make(sheet, key, cipher, data, padding)


@contextmanager
def _key(
    given: argparse.Namespace, secrets: Secrets, sheet: Sheet, cipher: str, sizes: tuple[int, ...]
) -> Iterator[ClearKey]:
    if given.ksn is None:
        _refuse(given, "purpose")
        with secrets.key("key", sizes) as key:
            if len(key) < TWO_TDES_KEYS or cipher != "tdes":
                sheet.key_step("key", key, cipher)
            yield key
        return
    serial = dukpt.read_ksn(given.ksn)
    tdes_device = dukpt.cipher_of(serial) == "tdes"
    if cipher == "sm4" or (tdes_device and cipher != "tdes"):
        raise Fault(f"--ksn: this DUKPT derives no key for {cipher}", "another KSN or --cipher", Exit.USAGE)
    purpose = given.purpose or ("mac-request" if tdes_device else "mac-generation")
    with secrets.key("key", dukpt.base_sizes(serial)) as base:
        name = {"tdes": "tdes-2", "hmac": f"hmac-{8 * len(base)}"}.get(cipher)
        key_type = None if name is None else dukpt.KEY_TYPES[name]
        with dukpt.key_under(sheet, base, given.ksn, purpose, key_type) as (key, _):
            yield key


def _data(given: argparse.Namespace, secrets: Secrets) -> bytes:
    if given.text is not None:
        return str(given.text).encode()
    if given.data is not None:
        return unhex(given.data, "--data")
    if given.data_file == STDIN and secrets.from_stdin:
        raise Fault("--data-file -: stdin already gives a secret", "put one of them into a file", Exit.USAGE)
    try:
        if given.data_file == STDIN:
            data = b"" if sys.stdin is None else sys.stdin.buffer.read(LARGEST_MESSAGE + 1)
        else:
            with Path(given.data_file).open("rb") as file:
                data = file.read(LARGEST_MESSAGE + 1)
    except OSError as fault:
        raise Fault(f"--data-file: {fault.strerror}", "check the path", Exit.USAGE) from None
    if len(data) > LARGEST_MESSAGE:
        raise Fault(f"--data-file: more than {LARGEST_MESSAGE} octets", "a message is shorter", Exit.USAGE)
    return data


def _refuse(given: argparse.Namespace, *names: str) -> None:
    for name in names:
        if getattr(given, name) is not None:
            raise Fault(f"--{name}: not for this calculation", "leave it out", Exit.USAGE)


def _shown(algorithm: str, mac: bytes) -> str:
    return mac.decode("ascii") if algorithm == "unionpay-ecb" else mac.hex().upper()


def _options(parser: argparse.ArgumentParser) -> None:
    words = "; ".join(f"{name}: {one.words}" for name, one in ALGORITHMS.items())
    names = [*ALGORITHMS, *HMACS]
    parser.add_argument(
        "--algorithm", required=True, choices=names, metavar="NAME", help=f"{words}; {', '.join(HMACS)}: FIPS 198-1"
    )
    parser.add_argument("--cipher", choices=CIPHERS, help="block cipher (default: tdes)")
    parser.add_argument("--padding", choices=PADDINGS, help="method of ISO/IEC 9797-1, cbc-mac and retail (default: 1)")
    data = parser.add_mutually_exclusive_group(required=True)
    data.add_argument("--data", metavar="HEX", help="the message, hexadecimal")
    data.add_argument("--text", metavar="TEXT", help="the message, text")
    data.add_argument("--data-file", metavar="FILE", help="the message, octets of a file; - is stdin, to its end")
    parser.add_argument("--ksn", metavar="HEX", help="derive the key by DUKPT: the key read is the base key")
    purposes = [name for name in dict.fromkeys([*dukpt.TDES_PURPOSES, *dukpt.AES_PURPOSES]) if name.startswith("mac-")]
    words = f"with --ksn: {', '.join(purposes)} (default: mac-request, AES: mac-generation)"
    parser.add_argument("--purpose", choices=purposes, metavar="PURPOSE", help=words)


def _make_options(parser: argparse.ArgumentParser) -> None:
    _options(parser)
    parser.add_argument("--octets", type=int, metavar="N", help="only the left N octets")


def _verify_options(parser: argparse.ArgumentParser) -> None:
    _options(parser)
    parser.add_argument("--mac", required=True, metavar="HEX", help="the code received, or its left part from 4 octets")


VERBS: Final = {
    "make": Verb("the code of a message", _make_options, _make, (KEY,)),
    "verify": Verb("whether a code is that of a message; exit code 6 if not", _verify_options, _verify, (KEY,)),
}
