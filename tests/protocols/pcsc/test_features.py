# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Control codes and structures of PC/SC part 10: known octets, round trips, truncations, garbage."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import DecodeError, EncodeError
from protocols.pcsc.features import (
    EMV_PLAINTEXT,
    EMV_VERIFY,
    Feature,
    PinForm,
    PinModify,
    PinProperties,
    PinVerify,
    Property,
    as_ccid_verify,
    decode_features,
    decode_form,
    decode_properties,
    encode_features,
    encode_properties,
)

VERIFY = PinVerify(EMV_VERIFY, EMV_PLAINTEXT)
MODIFY = PinModify(bytes.fromhex("0024000010") + b"\xff" * 16, PinForm(False, True, 0, 8))
# As pcsc-tools and libccid's example program write it for a card with an EMV PIN: 89 47 04.
KNOWN = "1e 00 89 47 04 0c04 02 01 0904 00 000000 0d000000 00200080 08 20ffffffffffffff"


def test_the_structure_is_the_known_one() -> None:
    assert VERIFY.encode() == bytes.fromhex(KNOWN)


def test_structures_round_trip() -> None:
    assert PinVerify.decode(VERIFY.encode()) == VERIFY
    assert PinModify.decode(MODIFY.encode()) == MODIFY
    assert PinProperties.decode(PinProperties(0x0210, 7, 3).encode()) == PinProperties(0x0210, 7, 3)
    codes = {Feature.VERIFY_PIN_DIRECT: 0x42330006, 0x77: 1}
    assert decode_features(encode_features(codes)) == codes
    values = {Property.MIN_PIN_SIZE: b"\4", Property.FIRMWARE_ID: b"V1.0", Property.PPDU_SUPPORT: b""}
    assert decode_properties(encode_properties(values)) == values


def test_ccid_has_the_same_structure_without_two_fields() -> None:
    octets = bytes.fromhex(KNOWN)
    assert as_ccid_verify(octets[:1] + octets[2:15] + octets[19:]) == VERIFY
    with pytest.raises(DecodeError, match="CCID"):
        as_ccid_verify(bytes(10))


@pytest.mark.parametrize("size", range(len(VERIFY.encode())))
def test_every_truncation(size: int) -> None:
    with pytest.raises(DecodeError):
        PinVerify.decode(VERIFY.encode()[:size])
    with pytest.raises(DecodeError):
        PinModify.decode(MODIFY.encode()[: min(size, len(MODIFY.encode()) - 1)])


@given(
    st.builds(
        PinForm,
        bcd=st.booleans(),
        left_aligned=st.booleans(),
        position=st.integers(0, 15),
        block_size=st.integers(0, 15),
        length_bits=st.sampled_from((0, 4, 8)),
        length_position=st.one_of(st.integers(0, 15), st.integers(2, 15).map(lambda octet: octet * 8)),
    )
)
def test_every_form_round_trips(form: PinForm) -> None:
    asked = dataclasses.replace(VERIFY, form=form)
    assert PinVerify.decode(asked.encode()).form == form


@given(st.binary(max_size=64))
def test_garbage(octets: bytes) -> None:
    for decode in (PinVerify.decode, PinModify.decode, PinProperties.decode, decode_features, decode_properties,
                   as_ccid_verify):  # fmt: skip
        try:
            decode(octets)
        except DecodeError:
            continue


def test_what_cannot_be_said() -> None:
    for wrong in (
        PinForm(True, True, 16, 7),
        PinForm(True, True, 1, 16),
        PinForm(True, True, 1, 7, 5, 0),
        PinForm(True, True, 1, 7, 4, 17),
        PinForm(True, True, 1, 7, 4, 128),
    ):
        with pytest.raises(EncodeError):
            dataclasses.replace(VERIFY, form=wrong).encode()
    with pytest.raises(DecodeError, match="bit 3"):
        decode_form(0x19, 0x47, 0x04)
    with pytest.raises(DecodeError, match="BCD or ASCII"):
        decode_form(0x88, 0x47, 0x04)
    with pytest.raises(DecodeError, match="5 bits"):
        decode_form(0x89, 0x57, 0x04)
    assert decode_form(0x41, 0x47, 0x04).position == 1  # said in bits: 8
