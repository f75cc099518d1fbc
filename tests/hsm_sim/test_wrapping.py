# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Keys under the TEST LMK and under transport keys, bit for bit as published."""

import itertools
import json
from pathlib import Path

import pytest

from hsm_sim.engine.key_types import KEY_TYPES, KeyType, Use, key_type
from hsm_sim.engine.refusal import Reason, Refused
from hsm_sim.engine.wrapping import SCHEME_VARIANTS, VariantLmk, WrappedKey, WrappingKey
from protocols.hsm.codes import SCHEME_OCTETS, KeyScheme
from protocols.primitives import TdesKey, check_value
from protocols.secret import ClearKey
from tests.hsm_sim import oracle

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "lmk_variant.json").read_text())["vectors"]
LMK = VariantLmk.of_test_keys()


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_published_cryptograms(vector: dict[str, object]) -> None:
    given = vector["input"]
    assert isinstance(given, dict)
    expected = str(vector["expected"])
    if "kek" in given:
        wrapped = WrappingKey(ClearKey.from_hex(given["kek"])).wrap(ClearKey.from_hex(given["clear"]), KeyScheme.DOUBLE)
        assert wrapped.cryptogram.hex().upper() == expected
    elif "clear" in given:
        assert check_value(TdesKey(ClearKey.from_hex(given["clear"])), len(expected) // 2).hex().upper() == expected
    else:
        wrapped = WrappedKey(KeyScheme(given["scheme"]), bytes.fromhex(given["under_test_lmk"]))
        kind = key_type(given["key_type"])
        clear = LMK.unwrap(wrapped, kind)
        if len(expected) == 6:
            assert check_value(TdesKey(clear)).hex().upper() == expected
        else:
            assert clear == ClearKey.from_hex(expected)
        assert LMK.wrap(clear, kind, wrapped.scheme) == wrapped


@pytest.mark.parametrize("scheme", list(SCHEME_OCTETS))
@pytest.mark.parametrize("code", ["000", "001", "002", "402", "003", "008", "009", "109"])
def test_every_type_and_scheme_as_psec_computes_it(code: str, scheme: KeyScheme) -> None:
    clear = oracle.key(scheme.octets)
    tag = "" if scheme is KeyScheme.SINGLE else scheme.value
    wrapped = LMK.wrap(ClearKey(clear), key_type(code), scheme)
    assert tag + wrapped.cryptogram.hex().upper() == oracle.under(oracle.lmk(code), clear, tag)
    assert LMK.unwrap(wrapped, key_type(code)) == ClearKey(clear)


@pytest.mark.parametrize("scheme", list(SCHEME_OCTETS))
def test_every_pair_in_every_variant_as_psec_computes_it(scheme: KeyScheme) -> None:
    """15 pairs in 10 variants under each scheme, those that no type in use has as well."""
    tag = "" if scheme is KeyScheme.SINGLE else scheme.value
    clear = oracle.key(scheme.octets)
    for pair, variant in itertools.product(range(15), range(10)):
        kind = KeyType(f"{variant}{pair:02X}", "any", Use.DATA)
        wrapped = LMK.wrap(ClearKey(clear), kind, scheme)
        assert tag + wrapped.cryptogram.hex().upper() == oracle.under(oracle.lmk(kind.code), clear, tag)
        assert LMK.unwrap(wrapped, kind) == ClearKey(clear)


@pytest.mark.parametrize("scheme", list(SCHEME_OCTETS))
@pytest.mark.parametrize("octets", [16, 24])
def test_transport_keys_take_the_same_variants(scheme: KeyScheme, octets: int) -> None:
    tag = "" if scheme is KeyScheme.SINGLE else scheme.value
    transport, clear = oracle.key(octets), oracle.key(scheme.octets)
    wrapped = WrappingKey(ClearKey(transport)).wrap(ClearKey(clear), scheme)
    assert tag + wrapped.cryptogram.hex().upper() == oracle.under(transport, clear, tag)
    assert WrappingKey(ClearKey(transport)).unwrap(wrapped) == ClearKey(clear)


def test_all_published_values_are_here() -> None:
    assert len(VECTORS) == 31
    assert {vector["input"].get("scheme") for vector in VECTORS} == {"U", "T", "Z", None}
    assert set(SCHEME_OCTETS) == set(SCHEME_VARIANTS) == {KeyScheme(letter) for letter in "UTXYZ"}


def test_no_type_unwraps_what_another_wrapped() -> None:
    clear = ClearKey(oracle.key())
    for kind in KEY_TYPES.values():
        wrapped = LMK.wrap(clear, kind, KeyScheme.DOUBLE)
        others = [other for other in KEY_TYPES.values() if other.code != kind.code]
        assert all(LMK.unwrap(wrapped, other) != clear for other in others)


def test_a_scheme_of_another_length_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        LMK.wrap(ClearKey(bytes(16)), key_type("001"), KeyScheme.TRIPLE)
    assert caught.value.reason is Reason.KEY_LENGTH


@pytest.mark.parametrize("scheme", [KeyScheme.DOUBLE_X917, KeyScheme.DOUBLE])
def test_a_single_length_transport_key_is_used_as_both_halves(scheme: KeyScheme) -> None:
    half = oracle.key(8)
    old, doubled = WrappingKey(ClearKey(half)), WrappingKey(ClearKey(half * 2))
    wrapped = old.wrap(ClearKey(bytes(16)), scheme)
    assert old.unwrap(wrapped) == ClearKey(bytes(16))
    assert doubled.wrap(ClearKey(bytes(16)), scheme) == wrapped


def test_a_transport_key_of_another_length_is_refused() -> None:
    with pytest.raises(Refused):
        WrappingKey(ClearKey(bytes(7)))


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        key_type("90F")
    assert caught.value.reason is Reason.KEY_TYPE


def test_the_test_set_says_what_it_is() -> None:
    assert LMK.test
    assert len(LMK.octets()) == 15 * 16
