# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What key blocks and card cryptograms cost, in µs of process CPU, beside psec and pyemv in the same run.

"Cold" makes the protection key object, derives from it, unwraps or wraps once and drops all of it: what psec does on
every call, since it keeps nothing. "Kept" is the same on a key object that has done it before, as a host has it.
Random fill is fixed octets for us (randomness is the caller's); psec draws its own. Version E, which psec lacks, and
kept keys, which it cannot keep, stand beside a floor: the bare cipher calls of that version in ``cryptography``.
"""

import warnings
from collections.abc import Callable

import psec
import pyemv
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm, Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from protocols.emv.card_keys import account_block
from protocols.emv.cryptogram import CVN_10, CVN_18, MASTERCARD_VERSIONS, CryptogramKey, Method, Version
from protocols.emv.issuer import Issuer
from protocols.keyblock import codes
from protocols.keyblock.header import Header
from protocols.keyblock.x9143 import ProtectionKey
from protocols.mac import Padding
from protocols.pan import Pan
from tests.bench.row import Row, side_by_side

TEST_TDES = bytes.fromhex("89E88CF7931444F334BD7547FC3F380C")
TEST_AES = bytes.fromhex("88E1AB2A2E3DD38C1FA039A536500CC8A87AB9D62DC92C01058FA79F44657DE6")
TEST_KEY = bytes.fromhex("F039121BEC83D26B169BDCD5B22AAF8F")
FILL = bytes(range(64))
ACCOUNT, PAN = "4000009999990016", Pan("4000009999990016")
COUNTER, NUMBER, CODE = b"\x00\x42", bytes.fromhex("11223344"), b"00"
UPDATE = bytes.fromhex("03920000")
COVERED = bytes(range(37))  # octets that a cryptogram of version 10 covers
TARGETS = {("A", 16): 18.0, ("B", 16): 25.0, ("D", 32): 18.0}
"""Cold unwrapping, by version and octets of the protection key; wrapping may take WRAPPING_MORE."""
KEPT, WRAPPING_MORE, PATH = 5.0, 5.0, 20.0
FLOOR = "cryptography"
Work = Callable[[], object]


def rows() -> list[Row]:
    """Every row of ``scripts/bench keys``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # psec and pyemv give TripleDES short keys, which cryptography deprecates
        found = [row for kbpk in (16, 32) for version in "ABCDE" for row in blocks(version, kbpk)]
        return [*found, *cards()]


def blocks(version: str, octets: int) -> list[Row]:
    """The rows of one version under a protection key of ``octets``: nothing where the cipher has no such key."""
    form = codes.FORMS[version]
    kbpk = (TEST_TDES if form.cipher is codes.Cipher.TDES else TEST_AES)[:octets]
    if len(kbpk) != octets:
        return []
    header = Header(version, "P0", "T", "E")
    kept = ProtectionKey(form.cipher, kbpk)
    text = kept.wrap(header, TEST_KEY, FILL)
    kept.unwrap(text)

    def unwrap() -> object:
        return ProtectionKey(form.cipher, kbpk).unwrap(text)

    def wrap() -> object:
        return ProtectionKey(form.cipher, kbpk).wrap(header, TEST_KEY, FILL)

    floor = live(form, kbpk, len(text[16:]) // 2 - form.mac_octets)
    works: list[Work] = [unwrap, wrap, lambda: kept.unwrap(text), lambda: kept.wrap(header, TEST_KEY, FILL), floor]
    peer = "" if version == "E" else "psec"
    if peer:
        their_header = psec.tr31.Header(version, "P0", "T", "E", "00", "N")
        works += [lambda: psec.tr31.unwrap(kbpk, text), lambda: psec.tr31.wrap(kbpk, their_header, TEST_KEY)]
    taken, made, again, made_again, bare, *theirs = side_by_side(*works)
    their_unwrap, their_wrap = theirs or (None, None)
    name = f"{version}-{8 * octets}"
    target = TARGETS.get((version, octets))
    return [
        Row(f"key block {name}: unwrap, cold", taken, "µs", peer, their_unwrap, target),
        Row(f"key block {name}: wrap, cold", made, "µs", peer, their_wrap, taken + WRAPPING_MORE),
        Row(f"key block {name}: unwrap, kept", again, "µs", FLOOR, bare, KEPT),
        Row(f"key block {name}: wrap, kept", made_again, "µs", FLOOR, bare, again + WRAPPING_MORE),
    ]


def live(form: codes.Form, kbpk: bytes, octets: int) -> Work:
    """Floor: decipher so many octets and authenticate them behind a header, on live contexts, nothing else."""
    tdes = form.cipher is codes.Cipher.TDES
    algorithm: BlockCipherAlgorithm = TripleDES(kbpk + kbpk[:8]) if tdes else AES(kbpk)
    decipher = Cipher(algorithm, modes.ECB()).decryptor().update
    chain = Cipher(algorithm, modes.CBC(bytes(form.block_octets))).encryptor().update
    keyed = CMAC(algorithm)
    whole = -(-octets // form.block_octets) * form.block_octets
    payload, covered = bytes(whole), bytes(16 + whole)

    def by_chain() -> None:
        chain(covered)
        decipher(payload)

    def by_cmac() -> None:
        decipher(payload)
        running = keyed.copy()
        running.update(covered)
        running.finalize()

    return by_chain if form.binding is codes.Binding.VARIANT else by_cmac


def cards() -> list[Row]:
    """Cryptogram and answer from the issuer's master key, as a host does it for every authorisation."""
    session = CryptogramKey(TEST_KEY)
    return [
        path("ARQC + ARPC 1, session key (Mastercard 20)", MASTERCARD_VERSIONS[20]),
        path("ARQC + ARPC 1, card's own key (Visa 10)", CVN_10),
        path("ARQC + ARPC 2, session key (Visa 18)", CVN_18),
        row(
            "ARQC, 37 octets, key kept",
            lambda: session.cryptogram(COVERED, Padding.ZEROS),
            "pyemv",
            lambda: pyemv.ac.generate_ac(TEST_KEY, COVERED, pyemv.ac.PaddingType.VISA),
        ),
    ]


def path(name: str, version: Version) -> Row:
    """From account number to answer: card's key, session key if the version has one, cryptogram, ARPC."""
    issuer = Issuer(TEST_KEY)
    padding = pyemv.ac.PaddingType.VISA if version.padding is Padding.ZEROS else pyemv.ac.PaddingType.EMV
    by_method_1 = version.answer is Method.ARPC_1

    def ours() -> bytes:
        keys = issuer.keys(version, account_block(PAN, 0), COUNTER, NUMBER)
        made = keys.cryptogram.cryptogram(COVERED, version.padding)
        return keys.answer.answer_1(made, CODE) if by_method_1 else keys.answer.answer_2(made, UPDATE)

    def theirs() -> bytes:
        key = pyemv.kd.derive_icc_mk_a(TEST_KEY, ACCOUNT, "00")
        if version.session_key:
            key = pyemv.kd.derive_common_sk(key, COUNTER + bytes(6))
        made = pyemv.ac.generate_ac(key, COVERED, padding)
        if by_method_1:
            return pyemv.ac.generate_arpc_1(key, made, CODE)
        return pyemv.ac.generate_arpc_2(key, made, UPDATE)

    if ours() != theirs():
        raise AssertionError("pyemv calculates something else: the two would not be comparable")
    return row(name, ours, "pyemv", theirs, PATH)


def row(name: str, ours: Work, peer: str, theirs: Work, target: float | None = None) -> Row:
    """One calculation beside its peer."""
    value, other = side_by_side(ours, theirs)
    return Row(name, value, "µs", peer, other, target)
