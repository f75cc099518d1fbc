# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Attacks A24, A25 and A26 upon codec and policy: conjured keys, split keys, edited headers. All refused, all alike."""

import itertools
import random
import string
from datetime import UTC, datetime

import pytest

from protocols.errors import DecodeError, IntegrityError, ProtocolError
from protocols.keyblock import header as header_text
from protocols.keyblock.codes import FORMS, USAGES, Cipher
from protocols.keyblock.header import Header
from protocols.keyblock.optional import OptionalBlock, Reading
from protocols.keyblock.policy import Policy, narrowing
from protocols.keyblock.x9143 import NOT_AUTHENTIC, ProtectionKey
from protocols.secret import ClearKey
from tests.protocols.keyblock.samples import TEST_AES, TEST_KEY, TEST_TDES, protection

FILL = bytes(range(100, 200))
NOW = datetime(2026, 11, 22, tzinfo=UTC)
PRINTABLE = "".join(character for character in string.printable if " " <= character <= "~")
BLOCKS = (OptionalBlock("KS", "00604B120F9292800000"), OptionalBlock("LB", "lane 4"))


def block(version: str, usage: str = "P0", blocks: tuple[OptionalBlock, ...] = ()) -> tuple[ProtectionKey, str]:
    guard = protection(version)
    return guard, guard.wrap(Header(version, usage, "T", "E", "00", "N", blocks), TEST_KEY, FILL)


def opens(guard: ProtectionKey, text: str) -> bool:
    return guard.unwrap(text, strict=False).key == ClearKey(TEST_KEY)


# A24: key conjuring and type confusion. (Random blobs, 10^6 of them, are test_differential's.)


@pytest.mark.parametrize("version", FORMS)
def test_a24_no_key_is_conjured_from_parts_of_genuine_blocks(version: str) -> None:
    """Every way of putting header, key and authenticator of three genuine blocks together, but the three themselves."""
    guard = protection(version)
    genuine = [
        guard.wrap(Header(version, usage, "T", "B"), bytes(range(start, start + 16)), FILL[start:])
        for start, usage in ((1, "P0"), (17, "D0"), (33, "K0"))
    ]
    size = 2 * FORMS[version].mac_octets
    parts = [(text[:16], text[16:-size], text[-size:]) for text in genuine]
    for choice in itertools.product(range(3), repeat=3):
        text = "".join(parts[part][place] for place, part in enumerate(choice))
        if len(set(choice)) == 1:
            assert guard.unwrap(text).key == ClearKey(bytes(range(1 + 16 * choice[0], 17 + 16 * choice[0])))
            continue
        with pytest.raises(IntegrityError, match=NOT_AUTHENTIC):
            guard.unwrap(text)


@pytest.mark.parametrize("version", FORMS)
def test_a24_a_pin_key_becomes_no_other_key(version: str) -> None:
    guard, text = block(version)
    for usage in USAGES:
        if usage != "P0":
            with pytest.raises(IntegrityError, match=NOT_AUTHENTIC):
                guard.unwrap(f"{text[:5]}{usage}{text[7:]}")
    assert opens(guard, text)


def test_a24_a_usage_never_turns_into_one_of_another_kind_on_its_way() -> None:
    """The usage matrix: what a key was made for is what it goes on as, or a special case of it."""
    kept = {
        (old, new)
        for old, new in itertools.product(USAGES, repeat=2)
        if all(finding.rule != "usage" for finding in narrowing(Header("B", old, "T", "N"), Header("B", new, "T", "N")))
    }
    assert {pair for pair in kept if pair[0] != pair[1]} == {
        ("D0", "D2"), ("D0", "D3"), ("K0", "K1"), ("K0", "K4"),
        *(("V0", f"V{number}") for number in range(1, 6)),
    }  # fmt: skip
    assert {(usage, usage) for usage in USAGES} <= kept


def test_a24_what_is_wanted_is_all_that_is_taken() -> None:
    pins_only = Policy(usages=frozenset({"P0"}))
    for usage, known in USAGES.items():
        header = Header("B", usage, known.algorithms[0], known.modes[0])
        verdict = pins_only.judge_import(header, ClearKey(TEST_KEY), 16, NOW)
        assert verdict.permitted == (usage == "P0")
        assert usage == "P0" or f"usage {usage}" in verdict.explain()


# A25: halves of TDES keys split off, recombined or replicated.


@pytest.mark.parametrize("version", "ABC")
def test_a25_halves_of_an_enciphered_key_cannot_be_exchanged(version: str) -> None:
    """Cipher blocks swapped, repeated or taken from a second block under the same key and header."""
    guard, text = block(version)
    other = guard.wrap(Header(version, "P0", "T", "E"), bytes(range(16)), FILL)
    end = len(text) - 2 * FORMS[version].mac_octets
    pieces = [text[start : start + 16] for start in range(16, end, 16)]
    donors = [other[start : start + 16] for start in range(16, end, 16)]
    for order in itertools.product(range(len(pieces)), repeat=len(pieces)):
        for source in (pieces, donors):
            mixed = text[:16] + "".join(source[place] for place in order) + text[end:]
            if mixed != text:
                with pytest.raises(IntegrityError, match=NOT_AUTHENTIC):
                    guard.unwrap(mixed)
    assert opens(guard, text)


@pytest.mark.parametrize("version", FORMS)
@pytest.mark.parametrize("parts", ["aa", "aab", "abb", "aaa"])
def test_a25_replicated_parts_are_refused_whatever_their_parity_bits_say(version: str, parts: str) -> None:
    """Genuine blocks, made by a holder of the key: the codec opens them, the policy refuses them and says why."""
    half = {"a": bytes.fromhex("F039121BEC83D26B"), "b": bytes.fromhex("169BDCD5B22AAF8F")}
    for flipped in (0x00, 0x01):
        key = bytearray(b"".join(half[part] for part in parts))
        key[-1] ^= flipped
        key[7] ^= flipped
        guard = protection(version)
        header, found, _ = guard.unwrap(guard.wrap(Header(version, "P0", "T", "E"), key, FILL))
        verdict = Policy(least_version="A", weaker_protection=True).judge_import(header, found, guard.octets, NOW)
        assert [finding.rule for finding in verdict.findings if finding.refuses] == ["equal parts"]
        assert "worth one DES key" in verdict.explain()


def test_a25_a_single_des_key_does_not_pass_as_triple() -> None:
    guard, _ = block("B")
    bound, clear = guard._bind(FORMS["B"]), b"\x00\x40" + TEST_KEY[:8] + bytes(6)
    front = f"B{16 + 2 * (len(clear) + 8):04}P0TE00N0000"
    text = front + bound.seal(front.encode(), bytearray(clear)).hex().upper()
    with pytest.raises(DecodeError):
        guard.unwrap(text)
    header, key, forgiven = guard.unwrap(text, strict=False)
    verdict = Policy().judge_import(header, key, guard.octets, NOW, forgiven)
    assert not verdict.permitted
    assert "strength: the key is worth 56 bits" in verdict.explain()


# A26: the header edited, the version lowered.


@pytest.mark.parametrize("version", FORMS)
@pytest.mark.parametrize("blocks", [(), BLOCKS], ids=["plain", "optional blocks"])
def test_a26_every_character_of_the_header_against_every_other(version: str, blocks: tuple[OptionalBlock, ...]) -> None:
    """All printable characters in every place, optional blocks too. One constant text once the form is right."""
    guard, text = block(version, blocks=blocks)
    end = header_text.decode(text, Reading(strict=True))[1]
    words = set()
    for place in range(end):
        for character in PRINTABLE:
            if character == text[place]:
                continue
            edited = text[:place] + character + text[place + 1 :]
            for strict in (True, False):
                try:
                    guard.unwrap(edited, strict=strict)
                except DecodeError:
                    continue
                except IntegrityError as fault:
                    words.add(str(fault))
                    continue
                pytest.fail(f"character {place} as {character!r} was taken")
    assert words == {NOT_AUTHENTIC}
    assert opens(guard, text)


@pytest.mark.parametrize("version", FORMS)
@pytest.mark.parametrize(
    ("place", "new"),
    [(5, "D0"), (5, "K0"), (5, "B0"), (8, "B"), (8, "N"), (8, "D"), (9, "01"), (9, "c1"), (11, "E"), (11, "S"),
     (14, "1"), (14, "2"), (15, "1")],
)  # fmt: skip
def test_a26_a_right_that_the_block_did_not_have(version: str, place: int, new: str) -> None:
    guard, text = block(version)
    with pytest.raises(IntegrityError, match=NOT_AUTHENTIC):
        guard.unwrap(text[:place] + new + text[place + len(new) :], strict=False)
    assert opens(guard, text)


@pytest.mark.parametrize(("version", "other"), [*itertools.permutations(FORMS, 2)])
def test_a26_no_block_passes_as_another_version(version: str, other: str) -> None:
    """Neither with the length as it is nor with one that fits; under the cipher's own key even if the octets agree."""
    kbpk = TEST_AES[:16] if FORMS[version].cipher is Cipher.AES else TEST_TDES
    guard = ProtectionKey(FORMS[other].cipher, kbpk)
    own = ProtectionKey(FORMS[version].cipher, kbpk)
    text = own.wrap(Header(version, "P0", "T", "E"), TEST_KEY, FILL)
    for size in (len(text), len(text) - 8, len(text) + 8):
        body = (text[16:] + "0" * 8)[: size - 16]
        for strict in (True, False):
            with pytest.raises(ProtocolError):
                guard.unwrap(f"{other}{size:04}{text[5:16]}{body}", strict=strict)


def test_a26_the_floor_refuses_genuine_old_blocks() -> None:
    for version in "AC":
        guard, text = block(version)
        header, key, _ = guard.unwrap(text)
        verdict = Policy().judge_import(header, key, guard.octets, NOW)
        assert [finding.rule for finding in verdict.findings if finding.refuses] == ["version"]


@pytest.mark.parametrize("version", FORMS)
def test_a26_optional_blocks_are_neither_added_nor_taken_away(version: str) -> None:
    guard, text = block(version, blocks=BLOCKS)
    source = random.Random(26)
    plain_guard, plain = block(version)
    bodies = [text[-(len(plain) - 16) :], plain[16:]]
    for front in (text[:16], plain[:16]):
        for count in ("00", "01", "02", "03"):
            for blocks in ("", text[16 : len(text) - len(bodies[0])], "1008" + "x" * 4 + "1108" + "y" * 4):
                for body in bodies:
                    edited = front[:12] + count + front[14:16] + blocks + body
                    edited = f"{edited[0]}{len(edited):04}{edited[5:]}"
                    if edited in (text, plain):
                        continue
                    with pytest.raises(ProtocolError):
                        guard.unwrap(edited, strict=bool(source.getrandbits(1)))
    assert opens(guard, text)
    assert opens(plain_guard, plain)
