# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Keys of cards: from the issuer's master key to the card's, and on to the keys of one transaction. Makes no MAC.

The issuer holds one master key per purpose: cryptograms (AC), script integrity (SMI), script confidentiality (SMC). A
card holds what option A, B or C makes of each with its account number (EMV 4.3 Book 2, Annex A1.4). Most applications
make a fresh key of that for every transaction, by one of four ways:

* the common way from a diversifier, which is the counter for cryptograms and the cryptogram for scripts (A1.3.1);
* the same arithmetic with counter and unpredictable number as diversifier (Mastercard, M/Chip);
* the counter added to the ends of the two halves (Visa, for scripts of versions 10 and 18);
* a tree of keys (EMV 2000, withdrawn by bulletin SU-46 in 2005, still on old cards).

With AES (option C) only the common way exists.
"""

import hashlib

from protocols.errors import EncodeError
from protocols.octets import xor
from protocols.pan import Pan
from protocols.primitives import AesKey, BlockKey, KeyOctets, TdesKey, Use, with_odd_parity
from protocols.secret import ClearKey, Secret

TDES_KEY = 16  # octets: EMV uses TDES keys of double length only
AES_KEYS = (16, 24, 32)
_DECIMALS = str.maketrans("abcdef", "012345")  # EMV 4.3 Book 2, A1.4.2, step 3
_ENCIPHER = Use.ENCIPHER


def account_block(pan: Pan, sequence_number: int | None) -> bytes:
    """The rightmost 16 digits of PAN and sequence number as BCD (EMV 4.3 Book 2, A1.4.1): 8 octets."""
    return bytes.fromhex(_account_digits(pan, sequence_number)[-16:].rjust(16, "0"))


def icc_master_key_a(issuer_key: BlockKey, account: bytes) -> ClearKey:
    """The card's master key by option A from an account block (EMV 4.3 Book 2, A1.4.1): 16 octets, odd parity."""
    if len(account) != 8:
        raise EncodeError(f"account block of {len(account)} octets, 8 expected")
    return _of_odd_parity(issuer_key.encipher(account + xor(account, b"\xff" * 8)))


def icc_master_key_b(issuer_key: BlockKey, pan: Pan, sequence_number: int | None) -> ClearKey:
    """The card's master key by option B, for PANs above 16 digits (EMV 4.3 Book 2, A1.4.2); else option A."""
    return icc_master_key_a(issuer_key, account_block_b(pan, sequence_number))


def account_block_b(pan: Pan, sequence_number: int | None) -> bytes:
    """What option B has instead of the account block, 8 octets: digits of a hash, for PANs above 16 digits (A1.4.2)."""
    if len(pan) <= 16:
        return account_block(pan, sequence_number)
    digits = _account_digits(pan, sequence_number)
    # SHA-1 here spreads account digits; nothing rests on its resistance to collisions.
    digest = hashlib.sha1(bytes.fromhex(digits.rjust(len(digits) + len(digits) % 2, "0")), usedforsecurity=False)
    text = digest.hexdigest()
    chosen = "".join(character for character in text if character.isdigit())
    chosen += "".join(character for character in text if character.isalpha()).translate(_DECIMALS)
    return bytes.fromhex(chosen[:16])


def icc_master_key_c(issuer_key: AesKey, issuer_octets: int, pan: Pan, sequence_number: int | None) -> ClearKey:
    """The card's AES master key by option C (EMV 4.3 Book 2, A1.4.3), as long as the issuer's: 16, 24 or 32 octets."""
    if issuer_octets not in AES_KEYS:
        raise EncodeError(f"AES key of {issuer_octets} octets, one of {AES_KEYS} expected")
    block = bytes.fromhex(_account_digits(pan, sequence_number).rjust(32, "0"))
    made = bytearray(issuer_key.encipher(block + xor(block, b"\xff" * 16)))
    del made[issuer_octets:]
    return ClearKey(made)


def session_key(card_key: KeyOctets, diversifier: bytes) -> ClearKey:
    """The TDES session key of a diversifier of 8 octets (EMV 4.3 Book 2, A1.3.1): 16 octets, odd parity."""
    if len(diversifier) != 8:
        raise EncodeError(f"diversifier of {len(diversifier)} octets, 8 expected")
    first, rest = diversifier[:2], diversifier[3:]
    return _of_odd_parity(TdesKey(card_key, _ENCIPHER).encipher(b"".join((first, b"\xf0", rest, first, b"\x0f", rest))))


def session_key_of_counter(card_key: KeyOctets, counter: bytes) -> ClearKey:
    """The session key for an application transaction counter of 2 octets, filled with zeros (A1.3.1)."""
    return session_key(card_key, _counter(counter) + bytes(6))


def mastercard_session_key(card_key: KeyOctets, counter: bytes, unpredictable_number: bytes) -> ClearKey:
    """The session key of counter and unpredictable number (M/Chip's own derivation, cryptogram versions 16 and 17)."""
    if len(unpredictable_number) != 4:
        raise EncodeError(f"unpredictable number of {len(unpredictable_number)} octets, 4 expected")
    return session_key(card_key, _counter(counter) + bytes(2) + unpredictable_number)


def visa_script_key(card_key: KeyOctets, counter: bytes) -> ClearKey:
    """The script key of a counter: added to the end of the left half, its complement to the right (Visa VIS, B.4)."""
    octets = bytearray(card_key.reveal() if isinstance(card_key, Secret) else card_key)
    if len(octets) != TDES_KEY:
        octets[:] = bytes(len(octets))
        raise EncodeError(f"card key of {len(octets)} octets, {TDES_KEY} expected")
    for place, octet in enumerate(_counter(counter)):
        octets[6 + place] ^= octet
        octets[14 + place] ^= octet ^ 0xFF
    made = ClearKey(with_odd_parity(octets))
    octets[:] = bytes(TDES_KEY)
    return made


def aes_session_key(card_key: KeyOctets, diversifier: bytes) -> ClearKey:
    """The AES session key of a diversifier of 16 octets (EMV 4.3 Book 2, A1.3.1), as long as the card's key.

    A key of 16 octets is the diversifier enciphered; longer ones take two encipherments, octet 2 being F0 and 0F.
    """
    if len(diversifier) != 16 or len(card_key) not in AES_KEYS:
        raise EncodeError(f"AES session keys take a diversifier of 16 octets and a key of {AES_KEYS}")
    with AesKey(card_key, _ENCIPHER) as key:
        if len(card_key) == 16:
            return ClearKey(bytearray(key.encipher(diversifier)))
        first, rest = diversifier[:2], diversifier[3:]
        made = bytearray(key.encipher(b"".join((first, b"\xf0", rest, first, b"\x0f", rest))))
    del made[len(card_key) :]
    return ClearKey(made)


def aes_session_key_of_counter(card_key: KeyOctets, counter: bytes) -> ClearKey:
    """The AES session key for cryptograms: the counter, filled with zeros (A1.3.1)."""
    return aes_session_key(card_key, _counter(counter) + bytes(14))


def aes_session_key_of_cryptogram(card_key: KeyOctets, cryptogram: bytes) -> ClearKey:
    """The AES session key for scripts: the cryptogram, filled with zeros (A1.3.1)."""
    if len(cryptogram) != 8:
        raise EncodeError(f"cryptogram of {len(cryptogram)} octets, 8 expected")
    return aes_session_key(card_key, cryptogram + bytes(8))


def tree_session_key(
    card_key: KeyOctets, counter: bytes, height: int = 8, branches: int = 4, start: bytes = bytes(16)
) -> ClearKey:
    """The session key at leaf ``counter`` of a tree of keys (EMV 2000 4.0 Book 2, A1.3): 16 octets, odd parity.

    The tree has ``height`` levels and ``branches`` ways down from each key, more leaves than counters; ``start`` takes
    the grandparent's place at the root. For old cards only.
    """
    if len(start) != 16 or not 2 <= branches <= 256 or not 1 <= height <= 16 or branches**height < 0xFFFF:
        raise EncodeError("a tree takes a start of 16 octets and at least 65535 leaves on up to 16 levels")
    leaf = int.from_bytes(_counter(counter), "big")
    parent = ClearKey(card_key.reveal() if isinstance(card_key, Secret) else memoryview(card_key))
    if len(parent) != TDES_KEY:
        parent.wipe()
        raise EncodeError(f"card key of {len(parent)} octets, {TDES_KEY} expected")
    grandparent = ClearKey(start)
    for level in range(height - 1, -1, -1):
        branch = leaf // branches**level % branches
        child = _branch(parent, grandparent, branch)
        if level:
            grandparent.wipe()
            grandparent, parent = parent, child
    made = _of_odd_parity(xor(child.reveal(), grandparent.reveal()))
    for key in (parent, grandparent, child):
        key.wipe()
    return made


def _branch(parent: ClearKey, grandparent: ClearKey, branch: int) -> ClearKey:
    data = bytearray(grandparent.reveal())
    data[7] ^= branch
    data[15] ^= branch ^ 0xF0
    with TdesKey(parent, _ENCIPHER) as key:
        made = ClearKey(bytearray(key.encipher(data)))
    data[:] = bytes(len(data))
    return made


def _counter(counter: bytes) -> bytes:
    if len(counter) != 2:
        raise EncodeError(f"transaction counter of {len(counter)} octets, 2 expected")
    return counter


def _account_digits(pan: Pan, sequence_number: int | None) -> str:
    number = sequence_number or 0  # a card without a sequence number counts as 00
    if not 0 <= number <= 99:
        raise EncodeError(f"PAN sequence number {number}, 0 to 99 expected")
    return f"{pan.digits}{number:02}"


def _of_odd_parity(octets: bytes) -> ClearKey:
    return ClearKey(with_odd_parity(octets))
