# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Planted keys, a PIN and an account number go through every verb; none of them comes out, however it is asked."""

import pytest

from hsm_sim.tool import NOUNS
from protocols.dukpt import aes, tdes
from protocols.dukpt.ksn import AesKsn, TdesKsn
from protocols.emv.cryptogram import account_block, icc_master_key_a
from protocols.pan import Pan
from protocols.pin.iso9564 import encode_format_0, encode_format_2, encode_format_4
from protocols.pin.reference import DecimalisationTable, natural_pin
from protocols.primitives import TdesKey
from protocols.secret import Pin
from tests.hsm_sim.tool.calculator import calculate
from tests.hsm_sim.tool.test_tool_command import verbs
from tests.secrets.planted import KEYS, PAN, PIN, PLANTED
from tests.secrets.scanner import Marked, Scanner

KEY, OTHER = KEYS["BDK"], KEYS["PVK"]
HEX = KEY.hex()
TDES_KSN, AES_KSN = TdesKsn.from_hex("FFFF9876543210E00003"), AesKsn.from_hex("123456789012345600000003")
OWN = Pan(PAN)
DIGITS = Pin.from_text(PIN)


def derived() -> dict[str, bytes]:
    """Every secret that the commands below calculate."""
    initial = tdes.initial_key(KEY, TDES_KSN)
    transaction = tdes.transaction_key(initial, TDES_KSN)
    modern = aes.initial_key(KEY, AES_KSN)
    walked = aes.transaction_key(modern, AES_KSN)
    found = {
        "initial key": initial,
        "transaction key": transaction,
        "PIN key": tdes.working_key(transaction, tdes.Purpose.PIN),
        "MAC key": tdes.working_key(transaction, tdes.Purpose.MAC_REQUEST),
        "data key": tdes.working_key(transaction, tdes.Purpose.DATA_REQUEST),
        "AES initial key": modern,
        "AES transaction key": walked,
        "AES PIN key": aes.working_key(walked, AES_KSN, aes.Usage.PIN_ENCRYPTION, aes.AES_128),
        "AES update key": aes.update_key(modern, AES_KSN, aes.AES_128),
        "card key": icc_master_key_a(TdesKey(KEY), account_block(OWN, 0)),
        "clear block 0": encode_format_0(DIGITS, OWN),
        "clear block 2": encode_format_2(DIGITS),
        "clear block 4": encode_format_4(DIGITS, bytes(8)),
    }
    return {name: bytes(secret.reveal()) for name, secret in found.items()}


def natural() -> str:
    with natural_pin(TdesKey(KEY), DecimalisationTable("0123456789012345"), "40000099999900FF", 12) as pin:
        return "".join(str(digit) for digit in pin)


BLOCK_2 = bytes(encode_format_2(DIGITS).reveal())
SCANNER = Scanner(
    (
        *PLANTED,
        *(
            # The halves of a clear block are too short to be told from chance.
            Marked(name, (("hex", value.hex().encode()), ("HEX", value.hex().upper().encode())))
            if "block" in name
            else Marked.octets(name, value)
            for name, value in derived().items()
        ),
        Marked.digits("natural PIN", natural()),
    )
)
RUNS: list[tuple[str, str]] = [
    (f"pinblock encode --format 0 --pan {PAN} --pin-file -", PIN),
    ("pinblock encode --format 4 --random 0000000000000000 --pin-file -", PIN),
    (
        "pinblock encode --format 42 --card-key-file - --current-pin-file - --pin-file -",
        f"{HEX}\n{PIN}\n{PIN}",
    ),
    ("pinblock decode --format 2 --clear-block-file -", BLOCK_2.hex()),
    (f"pinblock encipher --format 0 --pan {PAN} --key-file - --pin-file -", f"{HEX}\n{PIN}"),
    (f"pinblock encipher --format 3 --pan {PAN} --ksn {TDES_KSN} --key-file - --pin-file -", f"{HEX}\n{PIN}"),
    (f"pinblock encipher --format 4 --pan {PAN} --ksn {AES_KSN} --key-file - --pin-file -", f"{HEX}\n{PIN}"),
    (f"pinblock encipher --format sm4-whole-field --pan {PAN} --key-file - --pin-file -", f"{HEX}\n{PIN}"),
    ("pinblock rules", ""),
    (f"dukpt initial-key --ksn {TDES_KSN} --key-file -", HEX),
    (f"dukpt initial-key --ksn {AES_KSN} --key-file -", HEX),
    (f"dukpt derive --ksn {TDES_KSN} --purpose transaction --key-file -", HEX),
    (f"dukpt derive --ksn {TDES_KSN} --purpose data-request --key-file -", HEX),
    (f"dukpt derive --ksn {AES_KSN} --purpose pin --key-file -", HEX),
    (f"dukpt walk --ksn {AES_KSN} --key-file -", HEX),
    (f"dukpt walk --ksn {TDES_KSN} --key-file -", HEX),
    (f"dukpt update-key --ksn {AES_KSN} --key-file -", HEX),
    (f"dukpt next --ksn {TDES_KSN}", ""),
    (f"mac make --algorithm retail --text {PAN} --key-file -", HEX),
    (f"mac make --algorithm retail --text {PAN} --key-file -", HEX + OTHER.hex()),
    (f"mac make --algorithm cmac --cipher aes --text {PAN} --key-file -", HEX),
    (f"mac make --algorithm hmac-sha-256 --text {PAN} --key-file -", HEX),
    (f"mac make --algorithm unionpay-ecb --text {PAN} --key-file -", HEX),
    (f"mac make --algorithm retail --text {PAN} --ksn {TDES_KSN} --key-file -", HEX),
    (f"mac verify --algorithm retail --text {PAN} --mac 00112233 --key-file -", HEX),
    (f"cvv make --kind cvv --pan {PAN} --expiry 2812 --service-code 201 --key-file -", HEX),
    (
        f"cvv make --kind dcvv --pan {PAN} --expiry 2812 --service-code 201 --atc 0001 --key-is issuer --key-file -",
        HEX,
    ),
    (
        f"cvv make --kind cvc3 --pan {PAN} --track {PAN}D28122010F --atc 0001 --un 00000000 --key-is issuer "
        "--key-file -",
        HEX,
    ),
    (f"cvv verify --kind icvv --pan {PAN} --expiry 2812 --code 123 --key-file -", HEX),
    (f"pvv make --pan {PAN} --pvki 1 --key-file - --pin-file -", f"{HEX}\n{PIN}"),
    (f"pvv verify --pan {PAN} --pvki 1 --pvv 0000 --key-file - --pin-file -", f"{HEX}\n{PIN}"),
    ("offset make --validation-data 40000099999900FF --key-file - --pin-file -", f"{HEX}\n{PIN}"),
    ("offset verify --validation-data 40000099999900FF --offset 0000 --key-file - --pin-file -", f"{HEX}\n{PIN}"),
    ("offset pin --validation-data 40000099999900FF --offset 000000000000 --key-file -", HEX),
    ("offset natural-pin --validation-data 40000099999900FF --length 12 --key-file -", HEX),
]


NAMES = [f"{place} {' '.join(words.split()[:2])}" for place, (words, _) in enumerate(RUNS)]  # no value in a test's name


@pytest.mark.parametrize(("words", "lines"), RUNS, ids=NAMES)
@pytest.mark.parametrize("extra", [(), ("--explain",), ("--explain", "--json")])
def test_nothing_secret_comes_out(words: str, lines: str, extra: tuple[str, ...]) -> None:
    ran = calculate(*words.split(), *extra, stdin=lines)
    assert ran.code in (0, 6), ran.err
    assert SCANNER.scan((ran.out + ran.err).encode()) == []


@pytest.mark.parametrize("form", ["0", "1", "3", "4"])
def test_nothing_secret_comes_out_of_reading_and_translating(form: str) -> None:
    account = [] if form == "1" else ["--pan", PAN]
    words = ["encipher", "--format", form, *account, "--key-file", "-", "--pin-file", "-", "--json"]
    block = calculate("pinblock", *words, stdin=f"{HEX}\n{PIN}").result["block"]
    for extra in ([], ["--explain"], ["--explain", "--json"]):
        words = ["decipher", "--format", form, *account, "--block", block, "--key-file", "-", *extra]
        read = calculate("pinblock", *words, stdin=HEX)
        words = ["translate", "--from", form, "--to", "3", "--pan", PAN, "--block", block, "--key-file", "-", *extra]
        moved = calculate("pinblock", *words, "--destination-key-file", "-", stdin=f"{HEX}\n{OTHER.hex()}")
        for ran in (read, moved):
            assert ran.code == 0, ran.err
            assert SCANNER.scan((ran.out + ran.err).encode()) == []


@pytest.mark.parametrize(("words", "lines"), RUNS, ids=NAMES)
def test_faults_hold_nothing_secret(words: str, lines: str) -> None:
    for wrong in (lines[:-1], lines + "X", lines.replace("\n", "")) if lines else ():
        ran = calculate(*words.split(), "--explain", "--json", stdin=wrong)
        assert ran.code in (0, 2, 6)  # a PIN with one digit less is still one
        assert SCANNER.scan((ran.out + ran.err).encode()) == []


def test_every_verb_is_here_and_the_scan_would_find_it() -> None:
    ours = {"pinblock", "dukpt", "mac", "cvv", "pvv", "offset"}
    assert ours <= set(NOUNS)
    there = {tuple(words.split()[:2]) for words, _ in RUNS} | {("pinblock", "decipher"), ("pinblock", "translate")}
    assert {pair for pair in verbs() if pair[0] in ours} == there
    for name, value in derived().items():
        assert SCANNER.scan(value.hex().encode()), name
