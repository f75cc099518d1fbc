# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the cryptography of a payment costs, in µs of process CPU, beside psec, pydukpt and raw ``cryptography``.

Key objects are made once, as a host makes them; psec and pydukpt take key octets and schedule them per call, since they
offer nothing else. Random fill is fixed octets for us (randomness is the caller's); psec draws its own. Rows named
"floor" are what the same cipher operations cost without any of our code.
"""

import warnings

import psec
import pydukpt
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES

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
from tests.bench.row import Row, cpu_us

TEST_KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
TEST_OTHER = bytes.fromhex("1123456789ABCDEFFEDCBA9876543211")
TEST_AES = bytes(range(16))
ACCOUNT, DIGITS = "4000009999990016", "7391"
PAN, PIN, RANDOM = Pan(ACCOUNT), Pin.from_text(DIGITS), bytes(8)
KSN = TdesKsn.from_hex("FFFF9876543210E00000")
AES_KSN = AesKsn.from_hex("123456789012345600000000")
UNIT = "µs"
CONSECUTIVE = 2_000


def rows() -> list[Row]:
    """Every row of ``scripts/bench crypto``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # psec gives TripleDES short keys, which cryptography deprecates
        return [*pins(), *references(), *macs(), *derivations()]


def floor_tdes() -> float:
    """One TDES block through a live context."""
    context = Cipher(TripleDES(TEST_KEY + TEST_KEY[:8]), modes.ECB()).encryptor()
    return cpu_us(lambda: context.update(bytes(8)))


def floor_aes() -> float:
    """One AES block through a live context."""
    context = Cipher(AES(TEST_AES), modes.ECB()).encryptor()
    return cpu_us(lambda: context.update(bytes(16)))


def pins() -> list[Row]:
    source, destination, modern = TdesKey(TEST_KEY), TdesKey(TEST_OTHER), AesKey(TEST_AES)
    zero, three, four = Format.ISO_0, Format.ISO_3, Format.ISO_4
    block = encipher_pin(source, zero, PIN, PAN, b"")
    sealed = encipher_format_4(modern, PIN, PAN, RANDOM)

    def theirs(encode: object) -> object:
        clear = psec.des.decrypt_tdes_ecb(TEST_KEY, block)
        text = psec.pinblock.decode_pinblock_iso_0(clear, ACCOUNT)
        return psec.des.encrypt_tdes_ecb(TEST_OTHER, encode(text, ACCOUNT))  # type: ignore[operator]  # a psec function

    def theirs_4() -> object:
        clear = psec.des.decrypt_tdes_ecb(TEST_KEY, block)
        text = psec.pinblock.decode_pinblock_iso_0(clear, ACCOUNT)
        return psec.pinblock.encipher_pinblock_iso_4(TEST_AES, text, ACCOUNT)

    return [
        Row(
            "PIN translate 0→0, judged",
            cpu_us(lambda: translate(source, zero, destination, zero, block, PAN)),
            UNIT,
            "psec",
            cpu_us(lambda: theirs(psec.pinblock.encode_pinblock_iso_0)),
            3.0,
        ),
        Row("PIN translate 0→0, floor: two TDES blocks", 2 * floor_tdes(), UNIT, "cryptography"),
        Row(
            "PIN translate 0→3",
            cpu_us(lambda: translate(source, zero, destination, three, block, PAN, RANDOM)),
            UNIT,
            "psec",
            cpu_us(lambda: theirs(psec.pinblock.encode_pinblock_iso_3)),
        ),
        Row(
            "PIN translate 0→4",
            cpu_us(lambda: translate(source, zero, modern, four, block, PAN, RANDOM)),
            UNIT,
            "psec",
            cpu_us(theirs_4),
        ),
        Row(
            "format 4 encipher",
            cpu_us(lambda: encipher_format_4(modern, PIN, PAN, RANDOM)),
            UNIT,
            "psec",
            cpu_us(lambda: psec.pinblock.encipher_pinblock_iso_4(TEST_AES, DIGITS, ACCOUNT)),
            1.5,
        ),
        Row("format 4 encipher, floor: two AES blocks", 2 * floor_aes(), UNIT, "cryptography"),
        Row(
            "format 4 decipher",
            cpu_us(lambda: decipher_format_4(modern, sealed, PAN)),
            UNIT,
            "psec",
            cpu_us(lambda: psec.pinblock.decipher_pinblock_iso_4(TEST_AES, sealed, ACCOUNT)),
        ),
        Row("format 0 decipher to a Pin", cpu_us(lambda: decipher_pin(source, zero, block, PAN)), UNIT),
    ]


def references() -> list[Row]:
    key, table, pair = TdesKey(TEST_KEY), DecimalisationTable("0123456789012345"), CardVerificationKey(TEST_KEY)
    return [
        Row(
            "PVV",
            cpu_us(lambda: pvv(key, PAN, 1, PIN)),
            UNIT,
            "psec",
            cpu_us(lambda: psec.pin.generate_visa_pvv(TEST_KEY, "1", DIGITS, ACCOUNT)),
            2.0,
        ),
        Row(
            "IBM 3624 offset",
            cpu_us(lambda: offset(key, table, ACCOUNT, PIN)),
            UNIT,
            "psec",
            cpu_us(lambda: psec.pin.generate_ibm3624_offset(TEST_KEY, "0123456789012345", DIGITS, ACCOUNT, 0, 16, "F")),
            4.0,
        ),
        Row(
            "CVV",
            cpu_us(lambda: cvv(pair, PAN, "2812", "201")),
            UNIT,
            "psec",
            cpu_us(lambda: psec.cvv.generate_cvv(TEST_KEY, ACCOUNT, "2812", "201")),
            3.0,
        ),
    ]


def macs() -> list[Row]:
    retail, modern = RetailMacKey(TEST_KEY), CmacKey(AesKey(TEST_AES))
    measured = []
    for size, target in ((16, 5.0), (128, None), (1024, 45.0)):
        data = bytes(size)
        measured.append(
            Row(
                f"retail MAC, {size} octets",
                cpu_us(lambda data=data: retail.mac(data, Padding.ZEROS)),  # type: ignore[misc]  # bound now
                UNIT,
                "psec",
                cpu_us(lambda data=data: psec.mac.generate_retail_mac(TEST_KEY[:8], TEST_KEY[8:], data, 1)),  # type: ignore[misc]
                target,
            )
        )
    measured.append(Row("AES-CMAC, 128 octets", cpu_us(lambda: modern.mac(bytes(128))), UNIT))
    return measured


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
        for ksn in counters[:200]:
            pydukpt.derive_key(initial, ksn.octets)

    modern = AES_KSN.with_counter(0xFFFF0000)  # sixteen one-bits
    kept = aes.Receiver(TEST_AES, remember=0)
    pin_use = aes.Usage.PIN_ENCRYPTION
    return [
        Row(
            "TDES DUKPT, BDK to key, ten one-bits, cold",
            cpu_us(lambda: tdes.transaction_key(tdes.initial_key(TEST_KEY, far), far)),
            UNIT,
            "pydukpt",
            cpu_us(lambda: pydukpt.derive_key(pydukpt.derive_ipek(TEST_KEY, far.octets), far.octets)),
            95.0,
        ),
        Row(
            "TDES DUKPT, each consecutive KSN",
            cpu_us(consecutive) / CONSECUTIVE,
            UNIT,
            "pydukpt",
            cpu_us(theirs_consecutive) / 200,
            10.0,
        ),
        Row(
            "AES-128 DUKPT, BDK to key, sixteen one-bits, cold",
            cpu_us(lambda: aes.transaction_key(aes.initial_key(TEST_AES, modern), modern)),
            UNIT,
            target=65.0,
        ),
        Row(
            "AES-128 DUKPT, PIN key, sixteen one-bits, BDK kept",
            cpu_us(lambda: kept.working_key(modern, pin_use, aes.AES_128)),
            UNIT,
        ),
        Row("a TDES key object, every use", cpu_us(lambda: TdesKey(TEST_KEY)), UNIT),
        Row("a TDES key object, one use", cpu_us(lambda: TdesKey(TEST_KEY, Use.DECIPHER)), UNIT),
    ]
