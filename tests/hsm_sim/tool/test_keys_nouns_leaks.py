# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Planted keys and an account number go through the verbs of keys and cards; none of them comes out."""

import pytest

from protocols.emv.card_keys import account_block, icc_master_key_a, session_key_of_counter
from protocols.keyblock.binding import derived_keys
from protocols.keyblock.codes import FORMS, Cipher
from protocols.keyblock.header import Header
from protocols.keyblock.x9143 import ProtectionKey
from protocols.pan import Pan
from protocols.primitives import TdesKey
from protocols.secret import ClearKey
from tests.hsm_sim.tool.calculator import calculate
from tests.hsm_sim.tool.test_tool_command import verbs
from tests.secrets.planted import KEYS, PAN, PLANTED
from tests.secrets.scanner import Marked, Scanner

KEY, OTHER, THIRD = KEYS["BDK"], KEYS["PVK"], KEYS["MK-AC"]
HEX, OTHER_HEX = KEY.hex(), OTHER.hex()
JOINED = bytes(left ^ right for left, right in zip(KEY, OTHER, strict=True))


def derived() -> dict[str, bytes]:
    """What the commands below calculate on their way: session keys, the keys of every binding, the joined key."""
    card = icc_master_key_a(TdesKey(KEY), account_block(Pan(PAN), 0))
    found = {
        "card key": bytes(card.reveal()),
        "session key": bytes(session_key_of_counter(card, b"\x00\x01").reveal()),
        "joined key": JOINED,
    }
    for form in FORMS.values():
        if form.cipher is Cipher.TDES or form.version in "DE":
            pair = derived_keys(form.cipher, form.binding, ClearKey(KEY))
            found |= {f"{form.version} {place}": bytes(key.reveal()) for place, key in enumerate(pair)}
    return found


def block(version: str) -> str:
    cipher = FORMS[version].cipher
    with ProtectionKey(cipher, KEY) as sealer:
        return sealer.wrap(Header(version, "P0", "T", "E", "00", "E"), OTHER, bytes(64))


SCANNER = Scanner((*PLANTED, *(Marked.octets(name, value) for name, value in derived().items())))
TWO = f"{HEX}\n{OTHER_HEX}"
RUNS: list[tuple[str, str]] = [
    *((f"keyblock unwrap --block {block(version)} --key-file -", HEX) for version in sorted(FORMS)),
    *(
        (f"keyblock wrap --version {version} --usage P0 --algorithm T --mode E --key-file - --inner-key-file -", TWO)
        for version in sorted(FORMS)
    ),
    (f"keyblock show --block {block('D')}", ""),
    ("kcv make --key-file -", HEX),
    ("kcv make --cipher aes --method zeros --key-file -", HEX),
    ("kcv verify --check-value 0000 --key-file -", HEX),
    ("component make --key-file -", HEX),
    ("component join --count 2 --component-1-file - --component-2-file -", TWO),
    ("component share --needed 2 --total 3 --key-file -", HEX),
    ("component combine --needed 2 --numbers 1,2 --share-1-file - --share-2-file -", TWO),
    (f"arqc make --cvn visa-10 --pan {PAN} --data 00 --key-file -", HEX),
    (f"arqc make --cvn mastercard-20 --pan {PAN} --atc 0001 --data 00 --key-file -", HEX),
    (f"arqc make --cvn emv-aes --pan {PAN} --atc 0001 --data 00 --key-file -", HEX),
    (f"arqc verify --cvn visa-18 --pan {PAN} --atc 0001 --data 00 --arqc 0000000000000000 --key-file -", HEX),
    (f"arqc answer --cvn visa-18 --pan {PAN} --atc 0001 --arqc 0000000000000000 --csu 00000000 --key-file -", HEX),
]
NAMES = [f"{place} {' '.join(words.split()[:2])}" for place, (words, _) in enumerate(RUNS)]


@pytest.mark.parametrize(("words", "lines"), RUNS, ids=NAMES)
@pytest.mark.parametrize("extra", [(), ("--explain",), ("--explain", "--json")])
def test_nothing_secret_comes_out(words: str, lines: str, extra: tuple[str, ...]) -> None:
    ran = calculate(*words.split(), *extra, stdin=lines)
    assert ran.code in (0, 6), ran.err
    assert SCANNER.scan((ran.out + ran.err).encode()) == []


@pytest.mark.parametrize(("words", "lines"), RUNS, ids=NAMES)
def test_faults_hold_nothing_secret(words: str, lines: str) -> None:
    for wrong in (lines[:-1], lines + "X", lines.replace("\n", "")) if lines else ():
        ran = calculate(*words.split(), "--explain", "--json", stdin=wrong)
        assert ran.code in (0, 2, 6)
        assert SCANNER.scan((ran.out + ran.err).encode()) == []


def test_a_key_typed_as_an_argument_is_not_quoted() -> None:
    for words in (
        f"keyblock show --block {HEX}",
        f"keyblock unwrap --block {HEX} --key-file -",
        f"kcv make {HEX}",
        f"kcv verify --check-value {HEX} --key-file -",
        f"component combine --needed 2 --numbers {HEX}",
        f"arqc make --cvn visa-10 --data {HEX}X --key-file -",
        f"arqc verify --cvn visa-10 --data 00 --arqc {HEX} --key-file -",
    ):
        ran = calculate(*words.split(), stdin=OTHER_HEX)
        assert ran.code == 2, words
        assert SCANNER.scan((ran.out + ran.err).encode()) == [], words


def test_every_verb_is_here_and_the_scan_would_find_it() -> None:
    there = {tuple(words.split()[:2]) for words, _ in RUNS}
    assert {pair for pair in verbs() if pair[0] in ("keyblock", "kcv", "component", "arqc")} == there
    for name, value in derived().items():
        assert SCANNER.scan(value.hex().encode()), name
    revealed = calculate("component", "share", "--needed", "2", "--total", "3", "--key-file", "-", stdin=THIRD.hex())
    assert "masked" in revealed.out
