# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the cryptography of a payment costs, in µs of process CPU, beside psec, pydukpt and raw ``cryptography``.

Key objects are made once, as a host makes them; psec and pydukpt take key octets and schedule them per call, since they
offer nothing else. Random fill is fixed octets for us (randomness is the caller's); psec draws its own. Where no
library does the same, the peer is a floor: what the same cipher operations cost in ``cryptography`` without our code.
Ours and the peer's are measured in turn, so that a busy machine slows both.
"""

import warnings
from collections.abc import Callable

import psec
import pydukpt
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from protocols.card_code import CardVerificationKey, cvv
from protocols.dukpt import aes, tdes
from protocols.dukpt.ksn import AesKsn, TdesKsn, next_counter
from protocols.mac import CmacKey, Padding, RetailMacKey
from protocols.pan import Pan
from protocols.pin.iso9564 import Format, decipher_format_4, decipher_pin, encipher_format_4, encipher_pin
from protocols.pin.reference import DecimalisationTable, offset, pvv
from protocols.pin.translation import translate
from protocols.primitives import AesKey, TdesKey, Use
from protocols.secret import Pin
from tests.bench.row import Row, side_by_side

TEST_KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
TEST_OTHER = bytes.fromhex("1123456789ABCDEFFEDCBA9876543211")
TEST_AES = bytes(range(16))
ACCOUNT, DIGITS = "4000009999990016", "7391"
PAN, PIN, RANDOM = Pan(ACCOUNT), Pin.from_text(DIGITS), bytes(8)
KSN = TdesKsn.from_hex("FFFF9876543210E00000")
AES_KSN = AesKsn.from_hex("123456789012345600000000")
CONSECUTIVE, THEIR_CONSECUTIVE = 2_000, 200
FLOOR = "cryptography"
Work = Callable[[], object]


def rows() -> list[Row]:
    """Every row of ``scripts/bench crypto``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # psec gives TripleDES short keys, which cryptography deprecates
        return [*pins(), *references(), *macs(), *derivations()]


def row(name: str, ours: Work, peer: str, theirs: Work, target: float | None = None) -> Row:
    """One calculation beside its peer."""
    value, other = side_by_side(ours, theirs)
    return Row(name, value, "µs", peer, other, target)


def tdes_blocks(count: int) -> Work:
    """Floor: TDES blocks one by one through a live context."""
    update = Cipher(TripleDES(TEST_KEY + TEST_KEY[:8]), modes.ECB()).encryptor().update
    block = bytes(8)

    def blocks() -> None:
        for _ in range(count):
            update(block)

    return blocks


def aes_blocks(count: int) -> Work:
    """Floor: AES blocks one by one through a live context."""
    update = Cipher(AES(TEST_AES), modes.ECB()).encryptor().update
    block = bytes(16)

    def blocks() -> None:
        for _ in range(count):
            update(block)

    return blocks


def fresh_aes(count: int) -> Work:
    """Floor: AES blocks each under a key used once, as a derivation does it."""

    def blocks() -> None:
        for _ in range(count):
            Cipher(AES(TEST_AES), modes.ECB()).encryptor().update(bytes(16))

    return blocks


def tdes_contexts() -> object:
    """Floor: the four contexts of a key object, straight from the library."""
    algorithm = TripleDES(TEST_KEY + TEST_KEY[:8])
    cipher = Cipher(algorithm, modes.ECB())
    chain = Cipher(algorithm, modes.CBC(bytes(8))).encryptor()
    return cipher.encryptor(), cipher.decryptor(), chain, CMAC(algorithm)


def tdes_context() -> object:
    """Floor: one context, straight from the library."""
    return Cipher(TripleDES(TEST_KEY + TEST_KEY[:8]), modes.ECB()).decryptor()


def pins() -> list[Row]:
    source, destination, modern = TdesKey(TEST_KEY), TdesKey(TEST_OTHER), AesKey(TEST_AES)
    zero, three, four = Format.ISO_0, Format.ISO_3, Format.ISO_4
    block = encipher_pin(source, zero, PIN, PAN, b"")
    sealed = encipher_format_4(modern, PIN, PAN, RANDOM)

    def their_digits() -> str:
        clear = psec.des.decrypt_tdes_ecb(TEST_KEY, block)
        return str(psec.pinblock.decode_pinblock_iso_0(clear, ACCOUNT))

    def theirs(encode: Callable[[str, str], bytes]) -> object:
        return psec.des.encrypt_tdes_ecb(TEST_OTHER, encode(their_digits(), ACCOUNT))

    def encipher_4() -> object:
        return encipher_format_4(modern, PIN, PAN, RANDOM)

    def translate_0_to_0() -> object:
        return translate(source, zero, destination, zero, block, PAN)

    return [
        row(
            "PIN translate 0→0, judged",
            translate_0_to_0,
            "psec",
            lambda: theirs(psec.pinblock.encode_pinblock_iso_0),
            3.0,
        ),
        row("PIN translate 0→0, beside two TDES blocks", translate_0_to_0, FLOOR, tdes_blocks(2)),
        row(
            "PIN translate 0→3",
            lambda: translate(source, zero, destination, three, block, PAN, RANDOM),
            "psec",
            lambda: theirs(psec.pinblock.encode_pinblock_iso_3),
        ),
        row(
            "PIN translate 0→4",
            lambda: translate(source, zero, modern, four, block, PAN, RANDOM),
            "psec",
            lambda: psec.pinblock.encipher_pinblock_iso_4(TEST_AES, their_digits(), ACCOUNT),
        ),
        row(
            "format 4 encipher",
            encipher_4,
            "psec",
            lambda: psec.pinblock.encipher_pinblock_iso_4(TEST_AES, DIGITS, ACCOUNT),
            1.5,
        ),
        row("format 4 encipher, beside two AES blocks", encipher_4, FLOOR, aes_blocks(2)),
        row(
            "format 4 decipher",
            lambda: decipher_format_4(modern, sealed, PAN),
            "psec",
            lambda: psec.pinblock.decipher_pinblock_iso_4(TEST_AES, sealed, ACCOUNT),
        ),
        row("format 0 decipher to a Pin", lambda: decipher_pin(source, zero, block, PAN), "psec", their_digits),
    ]


def references() -> list[Row]:
    key, table, pair = TdesKey(TEST_KEY), DecimalisationTable("0123456789012345"), CardVerificationKey(TEST_KEY)
    return [
        row(
            "PVV",
            lambda: pvv(key, PAN, 1, PIN),
            "psec",
            lambda: psec.pin.generate_visa_pvv(TEST_KEY, "1", DIGITS, ACCOUNT),
            2.0,
        ),
        row(
            "IBM 3624 offset",
            lambda: offset(key, table, ACCOUNT, PIN),
            "psec",
            lambda: psec.pin.generate_ibm3624_offset(TEST_KEY, "0123456789012345", DIGITS, ACCOUNT, 0, 16, "F"),
            4.0,
        ),
        row(
            "CVV",
            lambda: cvv(pair, PAN, "2812", "201"),
            "psec",
            lambda: psec.cvv.generate_cvv(TEST_KEY, ACCOUNT, "2812", "201"),
            3.0,
        ),
    ]


def macs() -> list[Row]:
    retail, modern = RetailMacKey(TEST_KEY), CmacKey(AesKey(TEST_AES))

    def retail_row(size: int, target: float | None) -> Row:
        data = bytes(size)
        return row(
            f"retail MAC, {size} octets",
            lambda: retail.mac(data, Padding.ZEROS),
            "psec",
            lambda: psec.mac.generate_retail_mac(TEST_KEY[:8], TEST_KEY[8:], data, 1),
            target,
        )

    def library_cmac() -> object:
        running = CMAC(AES(TEST_AES))
        running.update(bytes(128))
        return running.finalize()

    return [
        retail_row(16, 5.0),
        retail_row(128, None),
        retail_row(1024, 45.0),
        row("AES-CMAC, 128 octets", lambda: modern.mac(bytes(128)), FLOOR, library_cmac),
    ]


def derivations() -> list[Row]:
    far = KSN.with_counter(0x1FF800)  # ten one-bits
    counters, counter = [], 0
    for _ in range(CONSECUTIVE):
        counter = next_counter(counter, TdesKsn) or 0
        counters.append(KSN.with_counter(counter))

    def consecutive() -> None:
        with tdes.Receiver(TEST_KEY) as receiver:
            for ksn in counters:
                receiver.transaction_key(ksn)

    def theirs_consecutive() -> None:
        initial = pydukpt.derive_ipek(TEST_KEY, KSN.octets)
        for ksn in counters[:THEIR_CONSECUTIVE]:
            pydukpt.derive_key(initial, ksn.octets)

    in_a_row, theirs_in_a_row = side_by_side(consecutive, theirs_consecutive)
    modern = AES_KSN.with_counter(0xFFFF0000)  # sixteen one-bits
    kept = aes.Receiver(TEST_AES, remember=0)
    pin_use = aes.Usage.PIN_ENCRYPTION
    return [
        row(
            "TDES DUKPT, BDK to key, ten one-bits, cold",
            lambda: tdes.transaction_key(tdes.initial_key(TEST_KEY, far), far),
            "pydukpt",
            lambda: pydukpt.derive_key(pydukpt.derive_ipek(TEST_KEY, far.octets), far.octets),
            95.0,
        ),
        Row(
            "TDES DUKPT, each consecutive KSN",
            in_a_row / CONSECUTIVE,
            "µs",
            "pydukpt",
            theirs_in_a_row / THEIR_CONSECUTIVE,
            10.0,
        ),
        row(
            "AES DUKPT, BDK to key, 16 one-bits, cold",
            lambda: aes.transaction_key(aes.initial_key(TEST_AES, modern), modern),
            "cryptography, 17 keys",
            fresh_aes(17),
            65.0,
        ),
        row(
            "AES DUKPT, PIN key, 16 one-bits, BDK kept",
            lambda: kept.working_key(modern, pin_use, aes.AES_128),
            "cryptography, 17 keys",
            fresh_aes(17),
        ),
        row("a TDES key object, every use", lambda: TdesKey(TEST_KEY), FLOOR, tdes_contexts),
        row("a TDES key object, one use", lambda: TdesKey(TEST_KEY, Use.DECIPHER), FLOOR, tdes_context),
    ]
