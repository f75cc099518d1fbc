# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: decode gives objects that encode to the same objects, or DecodeError; it never raises anything else, and
never gives more objects, deeper, than its bounds."""

import pyemv
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.emv import tlv
from protocols.emv.tlv import Objects
from protocols.errors import DecodeError, EncodeError
from tests.protocols.emv.traces import BODIES


def flat(decoded: dict[str, object]) -> list[tuple[int, bytes]]:
    """pyemv's nested dictionary as leaves."""
    leaves: list[tuple[int, bytes]] = []
    for tag, value in decoded.items():
        if isinstance(value, dict):
            leaves.extend(flat(value))
        else:
            assert isinstance(value, bytes)
            leaves.append((int(tag, 16), value))
    return leaves


def test_there_are_recorded_bodies() -> None:
    assert len(BODIES) > 20


@pytest.mark.parametrize("body", BODIES, ids=lambda body: f"{len(body)}-{body[:4].hex()}")
def test_recorded_answers_come_back_octet_for_octet(body: bytes) -> None:
    assert tlv.encode(tlv.decode(body)) == body


@pytest.mark.parametrize("body", BODIES, ids=lambda body: f"{len(body)}-{body[:4].hex()}")
def test_leaves_agree_with_another_implementation(body: bytes) -> None:
    ours = list(tlv.decode(body).leaves())
    # the other one keeps one object of each tag on a level, so compare as sets of pairs
    assert set(flat(pyemv.tlv.decode(body))) <= set(ours)
    if len({tag for tag, _ in ours}) == len(ours):
        assert ours == flat(pyemv.tlv.decode(body))


@pytest.mark.parametrize("body", BODIES, ids=lambda body: f"{len(body)}-{body[:4].hex()}")
def test_every_truncation_of_a_template_is_refused(body: bytes) -> None:
    assert tlv.decode(b"") == ()
    for length in range(1, len(body)):
        with pytest.raises(DecodeError):
            tlv.decode(body[:length])


def test_order_and_duplicates_are_kept() -> None:
    objects = tlv.decode(bytes.fromhex("5A0112 9C0100 5A0134 7703 5A0112"))
    assert objects == ((0x5A, b"\x12"), (0x9C, b"\0"), (0x5A, b"\x34"), (0x77, ((0x5A, b"\x12"),)))
    assert objects.every(0x5A) == (b"\x12", b"\x34")
    assert objects.first(0x5A) == b"\x12"
    assert objects.first(0x77) is None
    assert objects.inside(0x77, 0x5A) is None
    assert objects.inside(0x77) == ((0x5A, b"\x12"),)
    assert list(objects.leaves()) == [(0x5A, b"\x12"), (0x9C, b"\0"), (0x5A, b"\x34"), (0x5A, b"\x12")]


def test_leaves_continue_behind_a_template() -> None:
    objects = tlv.decode(bytes.fromhex("6F08 A503500141 8401FF".replace(" ", "")))
    assert list(objects.leaves()) == [(0x50, b"A"), (0x84, b"\xff")]


def test_fillers_between_objects_mean_nothing() -> None:
    assert tlv.decode(bytes.fromhex("0000 5A0112 00 7705 00 9C0100 00".replace(" ", ""))) == (
        (0x5A, b"\x12"),
        (0x77, ((0x9C, b"\0"),)),
    )


@pytest.mark.parametrize(
    ("octets", "objects"),
    [
        ("9F2600", ((0x9F26, b""),)),
        ("DF812501AA", ((0xDF8125, b"\xaa"),)),
        ("5A810112", ((0x5A, b"\x12"),)),
        ("5A82000112", ((0x5A, b"\x12"),)),
        ("5A8180" + "11" * 128, ((0x5A, b"\x11" * 128),)),
        ("BF0C00", ((0xBF0C, ()),)),
    ],
)
def test_tag_and_length_forms(octets: str, objects: tuple[tuple[int, object], ...]) -> None:
    assert tlv.decode(bytes.fromhex(octets)) == objects


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        ("5A", "the data end within"),
        ("9F", "the data end within"),
        ("5A81", "the data end within"),
        ("5A8201", "the data end within"),
        ("5A0211", "an object of 2 octets, 1 are left"),
        ("5A80110000", "indefinite"),
        ("5A8300000111", "indefinite or above"),
        ("DF81818101AA", "a tag of more than 3 octets"),
        ("7003 5A0211 22".replace(" ", ""), "1 are left"),  # the inner object runs over the template's end
        ("70019F 2601AA".replace(" ", ""), "an object of"),  # so does a tag
    ],
)
def test_malformed_input_is_refused_with_its_reason(octets: str, why: str) -> None:
    with pytest.raises(DecodeError, match=why):
        tlv.decode(bytes.fromhex(octets))


def test_an_error_names_the_place_and_quotes_nothing() -> None:
    with pytest.raises(DecodeError) as caught:
        tlv.decode(bytes.fromhex("5A0847617390"), where="record 1")
    assert str(caught.value) == "record 1, octet 2: an object of 8 octets, 4 are left"


def test_bombs_end_at_the_bounds() -> None:
    with pytest.raises(DecodeError, match="more than 256 objects"):
        tlv.decode(bytes.fromhex("4200") * 32_768)
    nested = b""
    for _ in range(tlv.DEEPEST + 1):
        nested = tlv.encode([(0xDF01, nested)]).replace(b"\xdf\x01", b"\xe1", 1)
    with pytest.raises(DecodeError, match="nested more than 8 deep"):
        tlv.decode(nested)
    with pytest.raises(DecodeError, match="at most 65536"):
        tlv.decode(bytes(tlv.LARGEST + 1))
    assert tlv.decode(bytes(tlv.LARGEST)) == ()
    with pytest.raises(DecodeError, match="more than 2 objects"):
        tlv.decode(bytes.fromhex("420042004200"), most=2)


def test_deepest_nesting_is_read() -> None:
    octets = b""
    for _ in range(tlv.DEEPEST):
        octets = b"\xe1" + bytes((len(octets),)) + octets
    objects = tlv.decode(octets)
    assert objects.inside(*[0xE1] * tlv.DEEPEST) == ()
    assert tlv.encode(objects) == octets


@pytest.mark.parametrize("tag", [0, -1, 0x9F, 0x1F, 0x5A01, 0x9F81, 0x9F2601, 0xDF81_8101, 0x9F80])
def test_a_malformed_tag_is_not_encoded(tag: int) -> None:
    with pytest.raises(EncodeError):
        tlv.encode([(tag, b"")])


def test_octets_and_objects_go_with_their_tags() -> None:
    with pytest.raises(EncodeError, match="template's tag"):
        tlv.encode([(0x70, b"\x5a\x00")])
    with pytest.raises(EncodeError, match="primitive object's tag"):
        tlv.encode([(0x5A, Objects())])
    with pytest.raises(EncodeError, match="bytearray was given"):
        tlv.encode([(0x5A, bytearray(2))])  # type: ignore[list-item]  # what a careless caller does
    with pytest.raises(EncodeError, match="at most 65535"):
        tlv.encode([(0x5A, bytes(65_536))])
    deep = Objects()
    for _ in range(tlv.DEEPEST + 1):
        deep = Objects(((0xE1, deep),))
    with pytest.raises(EncodeError, match="deep"):
        tlv.encode(deep)
    assert tlv.encode([(0x5A, bytes(65_535))])[:4] == bytes.fromhex("5A82FFFF")


def test_it_prints_no_values() -> None:
    objects = tlv.decode(bytes.fromhex("5A084761739001010010"))
    assert repr(objects) == "Objects(1 redacted)"
    assert "4761" not in f"{objects}"


PRIMITIVE = st.sampled_from([0x42, 0x57, 0x5A, 0x82, 0x9F02, 0x9F7C, 0x5F24, 0xDF8101, 0xDFFF7F, 0xC1])
TEMPLATE = st.sampled_from([0x61, 0x6F, 0x70, 0x77, 0xA5, 0xBF0C, 0xFF8105])
TREES = st.recursive(
    st.lists(st.tuples(PRIMITIVE, st.binary(max_size=20)), max_size=5).map(Objects),
    lambda inner: st.lists(
        st.one_of(st.tuples(PRIMITIVE, st.binary(max_size=300)), st.tuples(TEMPLATE, inner)), max_size=4
    ).map(Objects),
    max_leaves=6,
)


@given(TREES)
@settings(max_examples=150, deadline=None)
def test_whatever_is_encoded_decodes_to_itself(objects: Objects) -> None:
    assert tlv.decode(tlv.encode(objects), most=10_000) == objects


@given(st.binary(max_size=120))
@settings(max_examples=400, deadline=None)
def test_garbage_is_decoded_or_refused(octets: bytes) -> None:
    try:
        objects = tlv.decode(octets)
    except DecodeError:
        return
    assert tlv.decode(tlv.encode(objects)) == objects
    assert sum(len(value) for _, value in objects.leaves()) <= len(octets)


@given(st.sampled_from(BODIES), st.data())
@settings(max_examples=300, deadline=None)
def test_a_changed_octet_is_decoded_or_refused(body: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(body) - 1))
    changed = body[:place] + bytes((data.draw(st.integers(0, 255)),)) + body[place + 1 :]
    try:
        objects = tlv.decode(changed)
    except DecodeError:
        return
    assert tlv.decode(tlv.encode(objects)) == objects
