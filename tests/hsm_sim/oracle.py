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
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.cmac import CMAC

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
# The set that one simulator has for keys from before a change of LMK.
OLD_PAIRS = {
    "00": "404040404040404F5151515151515151",
    "01": "616161616161616E7070707070707070",
    "02": "E0E001010101010EF1F1010101010101",
    "03": "1C587F1C13924FFE0101010101010101",
    "04": "010101010101010E0101010101010101",
    "05": "020202020202020E0404040404040404",
    "06": "070707070707070E1010101010101010",
    "07": "131313131313131F1515151515151515",
    "08": "161616161616161F1919191919191919",
    "09": "1A1A1A1A1A1A1A1F1C1C1C1C1C1C1C1C",
    "0A": "232323232323232F2525252525252525",
    "0B": "262626262626262F2929292929292929",
    "0C": "2A2A2A2A2A2A2A2F2C2C2C2C2C2C2C2C",
    "0D": "2F2F2F2F2F2F2FFE3131313131313131",
    "0E": "010101010101010E0101010101010101",
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


def session_arqc(issuer: bytes, pan: str, number: str, counter: bytes, unpredictable: bytes, data: bytes) -> bytes:
    """A cryptogram under a session key, data behind 80: M/Chip's key, or the common one where nothing is drawn."""
    made = quiet(
        pyemv.kd.derive_common_sk,
        quiet(pyemv.kd.derive_icc_mk_a, issuer, pan, number),
        counter + bytes(2) + unpredictable,
    )
    return bytes(quiet(pyemv.ac.generate_ac, made, data, pyemv.ac.PaddingType.EMV))


def session_arpc(issuer: bytes, pan: str, number: str, counter: bytes, cryptogram: bytes, *answer: bytes) -> bytes:
    """The answer under the common session key: by method 1 to a response code, by method 2 to a status update."""
    made = quiet(pyemv.kd.derive_common_sk, quiet(pyemv.kd.derive_icc_mk_a, issuer, pan, number), counter + bytes(6))
    if len(answer) == 1:
        return bytes(quiet(pyemv.ac.generate_arpc_1, made, cryptogram, answer[0]))
    return bytes(quiet(pyemv.ac.generate_arpc_2, made, cryptogram, *answer)) + bytes(4)


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


def aes(clear: bytes, mode: Any, data: bytes, *, decipher: bool = False) -> bytes:
    """AES in a mode of the `cryptography` package: ECB, CBC, CFB, CFB8."""
    cipher = Cipher(AES(clear), mode)
    context = cipher.decryptor() if decipher else cipher.encryptor()
    return bytes(context.update(data) + context.finalize())


def pin_of_block_0(clear_key: bytes, block: str, account: str) -> str:
    """The PIN of an enciphered block of format 0."""
    clear = quiet(psec.des.decrypt_tdes_ecb, clear_key, bytes.fromhex(block))
    return str(psec.pinblock.decode_pinblock_iso_0(clear, account + "0"))


def security_codes(clear: bytes, pan: str, expiry: str) -> str:
    """American Express codes of 5, 4 and 3 digits, as the one public program describes them, with psec's DES."""
    clear_block = expiry + pan[2:14] if pan[1] == "7" else pan[2:14] + expiry
    text = quiet(psec.des.encrypt_tdes_ecb, clear, bytes.fromhex(clear_block)).hex()
    numbers, letters = [], []
    for place, character in enumerate(text):
        if character.isdigit():
            numbers.append(character)
        else:
            letters.append(str((int(character, 16) - (9 if place < 5 else 4)) % 10))
    return "".join(numbers + letters)[:12]


# Thales key blocks, by psec's ciphers and OpenSSL's CMAC; the published blocks of both versions confirm them.
TDES_LMK = bytes.fromhex("0123456789ABCDEF8080808080808080FEDCBA9876543210")
AES_LMK = bytes.fromhex("9B71333A13F9FAE72F9D0E2DAB4AD6784718012F9244033F3F26A2DE0C8AA11A")


def _cmac(clear: bytes, data: bytes) -> bytes:
    made = CMAC(AES(clear))
    made.update(data)
    return made.finalize()


def _aes_block_key(purpose: int) -> bytes:
    return b"".join(_cmac(AES_LMK, bytes((count, 0, purpose, 0, 0, 4, 1, 0))) for count in (1, 2))


def _varied(clear: bytes, variant: int) -> bytes:
    return bytes(octet ^ variant for octet in clear)


def key_block(
    lmk: str,
    lmk_id: str,
    clear: bytes,
    usage: str,
    mode: str = "N",
    algorithm: str = "T",
    exportability: str = "E",
) -> str:
    """A key field: a Thales key block under the TEST LMK ``tdes`` or ``aes``, which has an identifier."""
    size = 8 if lmk == "tdes" else 16
    body = (8 * len(clear)).to_bytes(2, "big") + clear
    body += bytes(-len(body) % size)
    length = 16 + 2 * (len(body) + size // 2)
    head = f"{'0' if lmk == 'tdes' else '1'}{length:04}{usage}{algorithm}{mode}00{exportability}00{lmk_id}".encode()
    if lmk == "tdes":
        sealed = quiet(psec.des.encrypt_tdes_cbc, _varied(TDES_LMK, 0x45), head[:8], body)
        mac = quiet(psec.mac.generate_cbc_mac, _varied(TDES_LMK, 0x4D), head + sealed, 1, 4)
    else:
        sealed = psec.aes.encrypt_aes_cbc(_aes_block_key(0), head, body)
        mac = _cmac(_aes_block_key(1), head + sealed)[:8]
    return "S" + head.decode() + (sealed + mac).hex().upper()


def key_in_block(lmk: str, field: str) -> bytes:
    """The key in such a field; its authenticator is not looked at."""
    head, body = field[1:17].encode(), bytes.fromhex(field[17:])
    if lmk == "tdes":
        clear = quiet(psec.des.decrypt_tdes_cbc, _varied(TDES_LMK, 0x45), head[:8], body[:-4])
    else:
        clear = psec.aes.decrypt_aes_cbc(_aes_block_key(0), head, body[:-8])
    return bytes(clear[2 : 2 + int.from_bytes(clear[:2], "big") // 8])


def tdes_block_table(table: str) -> str:
    """A decimalisation table under the TDES key block LMK, as a unit's published tables show it."""
    return str(quiet(psec.des.encrypt_tdes_ecb, _varied(TDES_LMK, 0x54), bytes.fromhex(table)).hex().upper())


def x9143(wrapping: bytes, clear: bytes, usage: str, mode: str) -> str:
    """An X9.143 key block of version B, without its tag."""
    header = psec.tr31.Header("B", usage, "T", mode, "00", "E")
    return str(quiet(psec.tr31.wrap, wrapping, header, clear))


def x9143_key(wrapping: bytes, field: str) -> bytes:
    """The key in a field with such a block."""
    return bytes(quiet(psec.tr31.unwrap, wrapping, field[1:])[1])


def old_lmk(key_type: str) -> bytes:
    """The pair of the TEST LMK from before a change, in the variant of a key type."""
    pair = bytearray.fromhex(OLD_PAIRS[key_type[1:]])
    pair[0] ^= TYPE_VARIANTS[int(key_type[0])]
    return bytes(pair)
