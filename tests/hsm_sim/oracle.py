# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the HSM should answer, computed by other people's libraries (psec, pyemv, pydukpt). Shares no code with ours."""

import hashlib
import itertools
import warnings
from collections.abc import Callable
from typing import Any

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import psec
    import pydukpt
    import pyemv
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
    from cryptography.hazmat.primitives.ciphers import Cipher

# The public TEST set as its users write it: pairs 04-05 (ZMK) to 32-33.
PAIRS = {
    "00": "40404040404040405151515151515151",
    "01": "61616161616161617070707070707070",
    "02": "E0E0010101010101F1F1010101010101",
    "03": "1C587F1C13924FEF0101010101010101",
    "04": "01010101010101010101010101010101",
    "05": "02020202020202020404040404040404",
    "06": "07070707070707071010101010101010",
    "07": "13131313131313131515151515151515",
    "08": "16161616161616161919191919191919",
    "09": "1A1A1A1A1A1A1A1A1C1C1C1C1C1C1C1C",
    "0A": "23232323232323232525252525252525",
    "0B": "26262626262626262929292929292929",
    "0C": "2A2A2A2A2A2A2A2A2C2C2C2C2C2C2C2C",
    "0D": "2F2F2F2F2F2F2F2F3131313131313131",
    "0E": "01010101010101010101010101010101",
}
TYPE_VARIANTS = [0x00, 0xA6, 0x5A, 0x6A, 0xDE, 0x2B, 0x50, 0x74, 0x9C, 0xFA]
SCHEME_VARIANTS = {"U": [0xA6, 0x5A], "T": [0x6A, 0xDE, 0x2B], "X": [0, 0], "Y": [0, 0, 0], "": [0]}


def quiet(call: Callable[..., Any], *args: Any, **named: Any) -> Any:
    """The oracles use TDES by an import path that warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call(*args, **named)


_MADE = itertools.count()


def key(octets: int = 16) -> bytes:
    """A TEST key of odd parity, another one each time; the same ones in every run, so that no verdict is luck."""
    drawn = hashlib.sha256(f"tillguard TEST oracle {next(_MADE)}".encode()).digest()[:octets]
    return bytes(quiet(psec.des.adjust_key_parity, drawn))


def under(wrapping: bytes, clear: bytes, scheme: str) -> str:
    """A key field: `clear` under `wrapping`."""
    pieces = []
    for part, variant in enumerate(SCHEME_VARIANTS[scheme]):
        varied = bytearray(wrapping)
        varied[8] ^= variant
        pieces.append(quiet(psec.des.encrypt_tdes_ecb, bytes(varied), clear[8 * part : 8 * part + 8]))
    return scheme + b"".join(pieces).hex().upper()


def clear_of(wrapping: bytes, field: str) -> bytes:
    """The key in a key field."""
    scheme = field[0] if field[0] in "UTXY" else ""
    octets = bytes.fromhex(field[len(scheme) :])
    pieces = []
    for part, variant in enumerate(SCHEME_VARIANTS[scheme]):
        varied = bytearray(wrapping)
        varied[8] ^= variant
        pieces.append(quiet(psec.des.decrypt_tdes_ecb, bytes(varied), octets[8 * part : 8 * part + 8]))
    return b"".join(pieces)


def lmk(key_type: str) -> bytes:
    """The LMK pair in the variant of a key type."""
    pair = bytearray.fromhex(PAIRS[key_type[1:]])
    pair[0] ^= TYPE_VARIANTS[int(key_type[0])]
    return bytes(pair)


def under_lmk(key_type: str, clear: bytes) -> str:
    """A key field under the TEST LMK."""
    return under(lmk(key_type), clear, {8: "", 16: "U", 24: "T"}[len(clear)])


def check_value(clear: bytes, octets: int = 3) -> str:
    """The check value in hexadecimal."""
    return str(quiet(psec.des.generate_kcv, clear, octets).hex().upper())


def pvv(pvk: bytes, index: str, pin: str, account: str) -> str:
    """Visa PVV."""
    return str(quiet(psec.pin.generate_visa_pvv, pvk, index, pin, account + "0"))


def block_0(clear_key: bytes, pin: str, account: str) -> str:
    """A PIN block of format 0 under a key."""
    block = psec.pinblock.encode_pinblock_iso_0(pin, account + "0")
    return str(quiet(psec.des.encrypt_tdes_ecb, clear_key, block).hex().upper())


def block_3(clear_key: bytes, pin: str, account: str) -> str:
    """A PIN block of format 3 under a key."""
    block = psec.pinblock.encode_pinblock_iso_3(pin, account + "0")
    return str(quiet(psec.des.encrypt_tdes_ecb, clear_key, block).hex().upper())


def pin_of_block_3(clear_key: bytes, block: str, account: str) -> str:
    """The PIN of an enciphered block of format 3."""
    clear = quiet(psec.des.decrypt_tdes_ecb, clear_key, bytes.fromhex(block))
    return str(psec.pinblock.decode_pinblock_iso_3(clear, account + "0"))


def dukpt_block(bdk: bytes, ksn: bytes, pin: str, account: str) -> str:
    """A PIN block of format 0 under the DUKPT key of a KSN."""
    transaction = quiet(pydukpt.derive_key, quiet(pydukpt.derive_ipek, bdk, ksn), ksn)
    return str(quiet(pydukpt.encrypt_pin, transaction, pin, account + "0").hex().upper())


def retail_mac(clear: bytes, data: bytes, padding: int = 1) -> bytes:
    """ISO/IEC 9797-1 algorithm 3."""
    return bytes(quiet(psec.mac.generate_retail_mac, clear[:8], clear[8:], data, padding))


def cbc_mac(clear: bytes, data: bytes, padding: int = 1) -> bytes:
    """ISO/IEC 9797-1 algorithm 1."""
    return bytes(quiet(psec.mac.generate_cbc_mac, clear, data, padding))


def arqc(issuer: bytes, pan: str, number: str, data: bytes) -> bytes:
    """A CVN 10 cryptogram: card key itself, data filled with zeros."""
    card = quiet(pyemv.kd.derive_icc_mk_a, issuer, pan, number)
    return bytes(quiet(pyemv.ac.generate_ac, card, data, pyemv.ac.PaddingType.VISA))


def arpc_1(issuer: bytes, pan: str, number: str, cryptogram: bytes, response_code: bytes) -> bytes:
    """The answer by method 1."""
    card = quiet(pyemv.kd.derive_icc_mk_a, issuer, pan, number)
    return bytes(quiet(pyemv.ac.generate_arpc_1, card, cryptogram, response_code))


def cvv(clear: bytes, pan: str, expiry: str, service_code: str) -> str:
    """Card verification value."""
    return str(quiet(psec.cvv.generate_cvv, clear, pan, expiry, service_code))


def ibm_offset(pvk: bytes, table: str, validation: str, pin: str) -> str:
    """IBM 3624 offset for 16 digits of validation data."""
    return str(quiet(psec.pin.generate_ibm3624_offset, pvk, table, pin, validation, 0, 16, "F"))


def ibm_pin(pvk: bytes, table: str, validation: str, offset: str) -> str:
    """The PIN of an IBM 3624 offset."""
    return str(quiet(psec.pin.generate_ibm3624_pin, pvk, table, offset, validation, 0, 16, "F"))


def dukpt_keys(bdk: bytes, ksn: bytes) -> bytes:
    """The transaction key of a KSN, without any variant."""
    return bytes(quiet(pydukpt.derive_key, quiet(pydukpt.derive_ipek, bdk, ksn), ksn))


def initial_key(bdk: bytes, ksn: bytes) -> bytes:
    """A device's initial key."""
    return bytes(quiet(pydukpt.derive_ipek, bdk, ksn))


def tdes(clear: bytes, mode: Any, data: bytes, *, decipher: bool = False) -> bytes:
    """TDES in a mode of the `cryptography` package: ECB, CBC, CFB, CFB8."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cipher = Cipher(TripleDES(clear), mode)
        context = cipher.decryptor() if decipher else cipher.encryptor()
    return bytes(context.update(data) + context.finalize())


def odd(clear: bytes) -> bytes:
    """The same octets with odd parity."""
    return bytes(quiet(psec.des.adjust_key_parity, clear))
