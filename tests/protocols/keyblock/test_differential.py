# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Key blocks against psec, an independent library: random keys, headers and optional blocks, both directions."""

import random
import string
from collections.abc import Callable

import psec
import pytest
from cryptography.utils import CryptographyDeprecationWarning

from protocols.errors import IntegrityError, ProtocolError
from protocols.keyblock.codes import FORMS, Cipher
from protocols.keyblock.header import Header
from protocols.keyblock.optional import OptionalBlock
from protocols.keyblock.x9143 import ProtectionKey
from protocols.secret import ClearKey
from tests.protocols.keys_evidence import RUNS, recorded

pytestmark = pytest.mark.filterwarnings(
    f"ignore::{CryptographyDeprecationWarning.__module__}.CryptographyDeprecationWarning"
)
CASES, SEED = 10_000, 9_143
SIZES = {Cipher.TDES: (16, 24), Cipher.AES: (16, 24, 32)}
USAGES = ("B0", "B1", "C0", "D0", "E0", "K0", "M3", "P0", "V2")
PRINTABLE = "".join(character for character in string.printable if " " <= character <= "~")


def random_header(source: random.Random, version: str) -> Header:
    """psec takes the modes of TR-31:2018 (no D) and short optional blocks."""
    names = source.sample([f"{number:02}" for number in range(10, 99)], source.choice((0, 0, 0, 1, 2, 3)))
    blocks = tuple(OptionalBlock(name, "".join(source.choices(PRINTABLE, k=source.randrange(60)))) for name in names)
    return Header(
        version, source.choice(USAGES), source.choice("TA"), source.choice("BCEGNSVX"),
        source.choice(("00", "12", "c1")), source.choice("ENS"), blocks,
    )  # fmt: skip


def octets_for(source: random.Random, header: Header) -> bytes:
    return source.randbytes(source.choice((16, 24, 32) if header.algorithm == "A" else (16, 24)))


def against_psec(cases: int, seed: int) -> None:
    source = random.Random(seed)
    for number in range(cases):
        version = "ABCD"[number % 4]
        cipher = FORMS[version].cipher
        kbpk = source.randbytes(source.choice(SIZES[cipher]))
        header = random_header(source, version)
        key = octets_for(source, header)
        with ProtectionKey(cipher, kbpk) as guard:
            ours = guard.wrap(header, key, source.randbytes(64))
            their_header, their_key = psec.tr31.unwrap(kbpk, ours)
            assert their_key == key
            assert (their_header.key_usage, their_header.mode_of_use) == (header.usage, header.mode)
            assert {name: their_header.blocks[name] for name in their_header.blocks if name != "PB"} == {
                block.identifier: block.data for block in header.optional
            }
            theirs = psec.tr31.wrap(kbpk, their_header, key)
            found = guard.unwrap(theirs)
            assert found.key == ClearKey(key)
            assert [block for block in found.header.optional if block.identifier != "PB"] == list(header.optional)
            assert found.header.with_blocks(header.optional) == header


def mutated(cases: int, seed: int) -> None:
    """Blocks with one to three characters changed: refused, every one, and with our errors."""
    source = random.Random(seed)
    guards = {cipher: ProtectionKey(cipher, source.randbytes(max(SIZES[cipher]))) for cipher in Cipher}
    blocks: list[str] = []
    for number in range(cases):
        if number % 500 == 0:
            blocks = []
            for version, form in FORMS.items():
                header = random_header(source, version)
                blocks.append(guards[form.cipher].wrap(header, octets_for(source, header), source.randbytes(64)))
        text = list(source.choice(blocks))
        before = "".join(text)
        for _ in range(source.randint(1, 3)):
            text[source.randrange(len(text))] = source.choice(PRINTABLE)
        changed = "".join(text)
        if changed == before:
            continue
        version = before[0]
        with pytest.raises(ProtocolError):
            guards[FORMS[version].cipher].unwrap(changed, strict=bool(number & 1))


def blobs(cases: int, seed: int) -> None:
    """Random text in the form of a block, under real headers: none is accepted, and all are refused in one way."""
    source = random.Random(seed)
    guards = {cipher: ProtectionKey(cipher, source.randbytes(max(SIZES[cipher]))) for cipher in Cipher}
    for number in range(cases):
        version = "ABCDE"[number % 5]
        form = FORMS[version]
        algorithm = source.choice("TA")
        size = {"T": 24, "A": 32}[algorithm] + 2
        size += 0 if version == "E" else -size % form.block_octets
        body = source.randbytes(size + form.mac_octets).hex().upper()
        text = f"{version}{16 + len(body):04}P0{algorithm}E00N0000{body}"
        with pytest.raises(IntegrityError):
            guards[form.cipher].unwrap(text)


def authentic_headers(cases: int, seed: int) -> None:
    """The header and length of a genuine block over another block's or random cipher text: none is accepted."""
    source = random.Random(seed)
    guards = {cipher: ProtectionKey(cipher, source.randbytes(max(SIZES[cipher]))) for cipher in Cipher}
    usages = {
        version: [
            guards[form.cipher].wrap(Header(version, usage, "T", "B"), source.randbytes(16), source.randbytes(64))
            for usage in USAGES
        ]
        for version, form in FORMS.items()
    }
    for number in range(cases):
        version = "ABCDE"[number % 5]
        first, second = source.sample(usages[version], 2)
        body = list(second[16:])
        if number & 1:
            place = 8 * source.randrange(len(body) // 8)
            body[place : place + 8] = source.randbytes(4).hex().upper()
        with pytest.raises(IntegrityError):
            guards[FORMS[version].cipher].unwrap(first[:16] + "".join(body))


def random_text(cases: int, seed: int) -> None:
    source = random.Random(seed)
    guards = [ProtectionKey(cipher, source.randbytes(max(SIZES[cipher]))) for cipher in Cipher]
    for _ in range(cases):
        text = "".join(
            source.choices(PRINTABLE if source.random() < 0.5 else "0123456789ABCDEF", k=source.randrange(300))
        )
        if source.random() < 0.8:
            text = f"{source.choice('ABCDE')}{len(text) + 5:04}{text}"
        with pytest.raises(ProtocolError):
            source.choice(guards).unwrap(text, strict=False)


def test_against_psec() -> None:
    against_psec(CASES, SEED)


RUNNERS: dict[str, Callable[[int, int], None]] = {
    "random blobs imported as key blocks": blobs,
    "authentic headers over random blobs": authentic_headers,
    "mutated key blocks": mutated,
    "random text as key blocks": random_text,
    "key blocks against psec": against_psec,
}


@pytest.mark.parametrize("name", [name for name in RUNNERS if name != "key blocks against psec"])
def test_forgeries(name: str) -> None:
    RUNNERS[name](4_000, SEED + 1)


@pytest.mark.long
@pytest.mark.parametrize("name", RUNNERS)
def test_long(name: str) -> None:
    with recorded(name, SEED + 2):
        RUNNERS[name](RUNS[name], SEED + 2)
