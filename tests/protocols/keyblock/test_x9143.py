# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Key blocks made and broken: round trips, every octet changed, every truncation, and the words of a refusal."""

import copy
import itertools
import pickle

import pytest

from protocols.errors import DecodeError, EncodeError, IntegrityError, ProtocolError
from protocols.keyblock import x9143
from protocols.keyblock.codes import FORMS, Binding, Cipher
from protocols.keyblock.header import Header
from protocols.keyblock.optional import OptionalBlock
from protocols.keyblock.x9143 import NOT_AUTHENTIC, ProtectionKey, randomness_needed
from protocols.secret import ClearKey
from tests.protocols.keyblock.samples import GOOD, TEST_AES, TEST_KEY, TEST_TDES, TEST_TDES_TRIPLE, Sample, protection

FILL = bytes(range(100, 200))
SHORT = {name: sample for name, sample in GOOD.items() if len(sample.text) < 200}
LONG = {name: sample for name, sample in GOOD.items() if name not in SHORT}


@pytest.mark.parametrize("version", FORMS)
@pytest.mark.parametrize(("algorithm", "size"), [("T", 16), ("T", 24), ("A", 16), ("A", 24), ("A", 32), ("D", 8)])
@pytest.mark.parametrize("hide", [True, False])
def test_round_trip(version: str, algorithm: str, size: int, hide: bool) -> None:
    key = ClearKey(bytes(range(1, size + 1)))
    header = Header(version, "D0", algorithm, "B", "07", "S", context="2")
    with protection(version) as guard:
        text = guard.wrap(header, key, FILL, hide_length=hide)
        assert len(text) == int(text[1:5])
        found = guard.unwrap(text, strict=False)
        assert (found.header, found.key) == (header, key)
        hidden = text == guard.wrap(header, key, FILL)
        assert (found.forgiven == ()) == hidden


@pytest.mark.parametrize("version", FORMS)
@pytest.mark.parametrize("size", [1, 20, 64, 1_191])
def test_keys_of_other_algorithms_keep_their_length(version: str, size: int) -> None:
    header = Header(version, "M7", "H", "C", optional=(OptionalBlock("HM", "21"),))
    guard = protection(version)
    text = guard.wrap(header, bytes(size), FILL)
    found = guard.unwrap(text)
    assert len(found.key) == size
    assert found.header.optional[0].identifier == "HM"


@pytest.mark.parametrize("version", FORMS)
@pytest.mark.parametrize("length", [*range(20), 247, 251, 252, 300])
def test_padding_blocks_fill_whole_cipher_blocks(version: str, length: int) -> None:
    header = Header(version, "P0", "T", "E", optional=(OptionalBlock("99", "x" * length),))
    guard = protection(version)
    found = guard.unwrap(guard.wrap(header, TEST_KEY, FILL))
    assert found.header.optional[0] == header.optional[0]
    assert sum(len(block.encode()) for block in found.header.optional) % FORMS[version].block_octets == 0
    again = guard.unwrap(guard.wrap(found.header, found.key, FILL))
    assert again.header == found.header


def test_fill_is_the_callers_randomness() -> None:
    guard, header = protection("B"), Header("B", "P0", "T", "E")
    assert guard.wrap(header, TEST_KEY, FILL) != guard.wrap(header, TEST_KEY, FILL[1:])
    assert guard.wrap(header, TEST_KEY, FILL) == guard.wrap(header, TEST_KEY, FILL)
    with pytest.raises(EncodeError, match="randomness"):
        guard.wrap(header, TEST_KEY, bytes(3))
    blocks = header.with_blocks([OptionalBlock("LB", "a label")])
    needed = randomness_needed(blocks, len(TEST_KEY))
    guard.wrap(blocks, TEST_KEY, bytes(needed))
    with pytest.raises(EncodeError, match="randomness"):
        guard.wrap(blocks, TEST_KEY, bytes(14))


def changed_forms(character: str) -> set[str]:
    """Characters to put in a place: neighbours, other cases, what other fields use, and what no field may hold."""
    return {chr(ord(character) ^ 1), character.swapcase(), "0", "F", "N", "9", " ", "\x00", "é", "中"} - {character}


@pytest.mark.parametrize("sample", SHORT.values(), ids=SHORT)
@pytest.mark.parametrize("strict", [True, False])
def test_every_changed_character_is_refused(sample: Sample, strict: bool) -> None:
    guard = sample.protection()
    for place, character in enumerate(sample.text):
        for other in changed_forms(character):
            with pytest.raises(ProtocolError):
                guard.unwrap(sample.text[:place] + other + sample.text[place + 1 :], strict=strict)
        assert guard.unwrap(sample.text, strict=False).key == sample.key, "a refused block spoiled the next one"


@pytest.mark.parametrize("sample", LONG.values(), ids=LONG)
def test_every_changed_character_of_a_long_block_is_refused(sample: Sample) -> None:
    guard = sample.protection()
    for place, character in enumerate(sample.text):
        other = chr(ord(character) ^ 1)
        with pytest.raises(ProtocolError):
            guard.unwrap(sample.text[:place] + other + sample.text[place + 1 :], strict=False)
    assert guard.unwrap(sample.text, strict=False).key == sample.key


@pytest.mark.parametrize("sample", GOOD.values(), ids=GOOD)
def test_every_truncation_and_extension_is_refused(sample: Sample) -> None:
    guard = sample.protection()
    for size in range(len(sample.text)):
        with pytest.raises(ProtocolError):
            guard.unwrap(sample.text[:size], strict=False)
    for more in ("0", "00", "0" * 8, "0" * 16, "0" * 32):
        with pytest.raises(ProtocolError):
            guard.unwrap(sample.text + more, strict=False)
        longer = f"{sample.text[0]}{len(sample.text + more):04}{sample.text[5:]}{more}"
        with pytest.raises(ProtocolError):
            guard.unwrap(longer, strict=False)
    assert guard.unwrap(sample.text, strict=False).key == sample.key


@pytest.mark.parametrize("version", FORMS)
def test_edits_that_would_pay_are_refused_alike(version: str) -> None:
    """Downgrade of the version, of usage, mode, exportability or algorithm, with a block of right form throughout."""
    guard = protection(version)
    text = guard.wrap(Header(version, "P0", "T", "E", "00", "N", (OptionalBlock("KS", "0" * 20),)), TEST_KEY, FILL)
    said = set()
    edits = [(5, "D0"), (5, "K0"), (8, "B"), (8, "N"), (11, "E"), (11, "S"), (14, "2"), (9, "01"), (7, "D"), (26, "1")]
    edits += [(0, other) for other in FORMS if FORMS[other].cipher is FORMS[version].cipher and other != version]
    for place, new in edits:
        try:
            guard.unwrap(text[:place] + new + text[place + len(new) :], strict=False)
        except IntegrityError as fault:
            said.add(str(fault))
        except DecodeError:
            assert place in (0, 7)  # another length is expected then, which the block's form already tells
        else:
            pytest.fail("taken")
    assert said == {NOT_AUTHENTIC}


@pytest.mark.parametrize("version", FORMS)
def test_nothing_deciphered_is_looked_at_before_it_is_authentic(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    guard = protection(version)
    text = guard.wrap(Header(version, "P0", "T", "E"), TEST_KEY, FILL)

    def touched(*_: object) -> None:
        raise AssertionError("used")

    monkeypatch.setattr(x9143, "ClearKey", touched)
    monkeypatch.setattr(x9143, "_judge_key", touched)
    for place in range(16, len(text)):
        other = "0" if text[place] != "0" else "1"
        with pytest.raises(IntegrityError, match="not authentic"):
            guard.unwrap(text[:place] + other + text[place + 1 :])


def sealed(version: str, clear: bytes, algorithm: str = "T") -> tuple[ProtectionKey, str]:
    """A block that authenticates over any clear text: what a faulty holder of the protection key could make."""
    guard, form = protection(version), FORMS[version]
    bound = guard._bind(form)
    front = f"{version}{16 + 2 * (len(clear) + form.mac_octets):04}P0{algorithm}E00N0000"
    return guard, front + bound.seal(front.encode(), bytearray(clear)).hex().upper()


@pytest.mark.parametrize("version", FORMS)
@pytest.mark.parametrize(
    ("bits", "words"),
    [(0, "length field"), (129, "length field"), (8 * 31, "length field"), (0xFFFF, "length field"), (160, "one of"),
     (8, "one of")],
)  # fmt: skip
def test_an_authentic_block_may_still_be_wrong(version: str, bits: int, words: str) -> None:
    size = 26 if version == "E" else 32
    guard, text = sealed(version, bits.to_bytes(2, "big") + bytes(size - 2))
    with pytest.raises(DecodeError, match=words):
        guard.unwrap(text)


@pytest.mark.parametrize("version", FORMS)
def test_too_much_fill_where_none_hides_a_length(version: str) -> None:
    block = FORMS[version].block_octets
    size = 2 + 10 + 1 if version == "E" else 4 * block
    guard, text = sealed(version, (80).to_bytes(2, "big") + bytes(size - 2), algorithm="H")
    with pytest.raises(DecodeError, match="fill more than needed"):
        guard.unwrap(text)
    assert "fill more than needed" in guard.unwrap(text, strict=False).forgiven[0]


@pytest.mark.parametrize("version", FORMS)
def test_a_misaligned_block_spoils_nothing(version: str) -> None:
    """Header or key of broken cipher blocks, which a lenient reader lets come far: refused, and the next one opens."""
    guard, form = protection(version), FORMS[version]
    good = guard.wrap(Header(version, "P0", "T", "E"), TEST_KEY, FILL)
    for length, octets in itertools.product(range(20), (*range(24, 48), 64)):
        front = OptionalBlock("10", "x" * length).encode()
        size = 16 + len(front) + 2 * (octets + form.mac_octets)
        with pytest.raises(ProtocolError):
            guard.unwrap(f"{version}{size:04}P0TE00N0100{front}" + "5A" * (octets + form.mac_octets), strict=False)
        assert guard.unwrap(good).key == ClearKey(TEST_KEY)


@pytest.mark.parametrize(
    "version", [version for version, form in FORMS.items() if form.binding is not Binding.DERIVATION_CTR]
)
def test_broken_blocks_never_reach_a_live_context(version: str) -> None:
    """The same once more behind the codec: even a caller that forgets to check spoils nothing."""
    guard, form = protection(version), FORMS[version]
    good = guard.wrap(Header(version, "P0", "T", "E"), TEST_KEY, FILL)
    bound, tag = guard._bind(form), bytes(form.mac_octets)
    for front, payload in ((bytes(16), b""), (bytes(16), bytes(form.block_octets + 1)), (bytes(16), bytes(7))):
        with pytest.raises(DecodeError, match="whole cipher blocks"):
            bound.open(front, payload, tag)
        with pytest.raises(EncodeError, match="whole cipher blocks"):
            bound.seal(front, bytearray(payload))
    if form.binding is Binding.VARIANT:  # its MAC is made over header and key in one
        with pytest.raises(DecodeError, match="whole cipher blocks"):
            bound.open(bytes(17), bytes(32), tag)
    assert guard.unwrap(good).key == ClearKey(TEST_KEY)


@pytest.mark.parametrize(
    ("cipher", "size"), [(Cipher.TDES, 8), (Cipher.TDES, 32), (Cipher.AES, 8), (Cipher.AES, 0), (Cipher.TDES, 15)]
)
def test_protection_keys_have_the_ciphers_lengths(cipher: Cipher, size: int) -> None:
    with pytest.raises(EncodeError):
        ProtectionKey(cipher, bytes(size))


def test_a_block_belongs_to_its_cipher() -> None:
    text = protection("D").wrap(Header("D", "P0", "A", "E"), bytes(16), FILL)
    with pytest.raises(DecodeError, match="version D is not under a TDES key"):
        protection("B").unwrap(text)
    with pytest.raises(DecodeError):
        protection("B").wrap(Header("D", "P0", "A", "E"), bytes(16), FILL)


@pytest.mark.parametrize(("algorithm", "size"), [("T", 8), ("T", 20), ("A", 15), ("D", 16), ("R", 0), ("R", 4097)])
def test_keys_that_an_algorithm_cannot_have_are_not_wrapped(algorithm: str, size: int) -> None:
    with pytest.raises(EncodeError):
        protection("B").wrap(Header("B", "P0", algorithm, "E"), bytes(size), FILL)


def test_a_block_too_long_for_its_length_field_is_not_made() -> None:
    with pytest.raises(EncodeError, match="9999 at most"):
        protection("B").wrap(
            Header("B", "K3", "R", "B", optional=(OptionalBlock("99", "x" * 5000),)), bytes(3000), FILL
        )


def test_a_protection_key_shows_and_hands_out_nothing() -> None:
    guard = protection("B")
    guard.unwrap(guard.wrap(Header("B", "P0", "T", "E"), TEST_KEY, FILL))
    assert repr(guard) == "ProtectionKey(TDES, redacted)"
    assert guard.octets == 16
    for act in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            act(guard)


def test_the_callers_key_stays_the_callers() -> None:
    octets, wrapped = bytearray(TEST_TDES), bytearray(TEST_KEY)
    text = ProtectionKey.tdes(octets).wrap(Header("B", "P0", "T", "E"), wrapped, FILL)
    assert (octets, wrapped) == (bytearray(TEST_TDES), bytearray(TEST_KEY))
    secret = ClearKey(TEST_TDES)
    assert ProtectionKey.tdes(secret).unwrap(text).key == ClearKey(TEST_KEY)
    assert secret == ClearKey(TEST_TDES)


def test_wiping_ends_it() -> None:
    guard = protection("B")
    text = guard.wrap(Header("B", "P0", "T", "E"), TEST_KEY, FILL)
    bound = guard._bound["B"]
    guard.wipe()
    with pytest.raises(EncodeError):
        guard.unwrap(text)
    with pytest.raises(EncodeError):
        bound.open(b"", bytes(8), bytes(8))


def test_versions_of_one_arithmetic_share_their_keys() -> None:
    guard = protection("A")
    guard.wrap(Header("A", "P0", "T", "E"), TEST_KEY, FILL)
    assert guard._bound["A"] is guard._bound["C"]
    guard.wrap(Header("B", "P0", "T", "E"), TEST_KEY, FILL)
    assert guard._bound["B"] is not guard._bound["A"]
    assert FORMS["A"].binding is FORMS["C"].binding is Binding.VARIANT


@pytest.mark.parametrize("version", FORMS)
def test_a_large_authentic_block_still_has_to_say_how_long_its_key_is(version: str) -> None:
    block = FORMS[version].block_octets
    guard, text = sealed(version, b"\xff\xf9" + bytes(4_112 // block * block - 2), algorithm="H")
    with pytest.raises(DecodeError, match="length field"):
        guard.unwrap(text, strict=False)


@pytest.mark.parametrize("key", [TEST_TDES_TRIPLE, TEST_TDES])
@pytest.mark.parametrize("version", ["A", "B", "C"])
def test_protection_keys_of_double_and_triple_length(key: bytes, version: str) -> None:
    guard = ProtectionKey.tdes(key)
    assert guard.unwrap(guard.wrap(Header(version, "K0", "T", "B"), key, FILL)).key == ClearKey(key)


@pytest.mark.parametrize("size", [16, 24, 32])
@pytest.mark.parametrize("version", ["D", "E"])
def test_protection_keys_of_every_aes_length(size: int, version: str) -> None:
    guard = ProtectionKey.aes(TEST_AES[:size])
    assert guard.unwrap(guard.wrap(Header(version, "K0", "A", "B"), TEST_AES, FILL)).key == ClearKey(TEST_AES)


def test_no_error_quotes_the_block() -> None:
    sample = GOOD["tr31-11"]
    for place in range(len(sample.text)):
        for other in ("?", "a", "0"):
            try:
                sample.protection().unwrap(sample.text[:place] + other * 6 + sample.text[place + 6 :])
            except ProtocolError as fault:
                assert sample.text[20:28] not in str(fault)
                assert sample.expected not in str(fault)
