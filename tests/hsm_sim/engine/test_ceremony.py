# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Keys from clear components: what comes out, checked by another library, what is refused, and that nothing stays."""

import os

import pytest

from hsm_sim.engine.block_lmk import BlockLmk
from hsm_sim.engine.ceremony import FormFromClear
from hsm_sim.engine.engine import Engine
from hsm_sim.engine.key_types import IN_BLOCK, KEY_TYPES
from hsm_sim.engine.master_keys import KINDS, made, public
from hsm_sim.engine.refusal import Reason, Refused
from hsm_sim.engine.wrapping import VariantLmk
from protocols.errors import DecodeError
from protocols.hsm.codes import KeyScheme
from protocols.hsm.key_block import BlockHeader
from protocols.secret import ClearKey
from tests.hsm_sim import oracle

ENGINE = Engine({"00": VariantLmk.of_test_keys(), "02": BlockLmk.of_aes_test_key("02")}, os.urandom)
PARTS = [oracle.key() for _ in range(3)]


def request(parts: list[bytes], code: str = "002", scheme: KeyScheme = KeyScheme.DOUBLE) -> FormFromClear:
    return FormFromClear(KEY_TYPES[code], scheme, tuple(ClearKey(part) for part in parts))


def joined(parts: list[bytes]) -> bytes:
    whole = bytes(len(parts[0]))
    for part in parts:
        whole = bytes(a ^ b for a, b in zip(whole, part, strict=True))
    return bytes(octet if octet.bit_count() & 1 else octet ^ 1 for octet in whole)


@pytest.mark.parametrize("count", [2, 3])
def test_components_become_a_key_under_the_lmk(count: int) -> None:
    asked = request(PARTS[:count])
    formed = ENGINE.perform(asked)
    clear = joined(PARTS[:count])
    assert "U" + formed.under_lmk.cryptogram.hex().upper() == oracle.under_lmk("002", clear)
    assert formed.check_value.hex().upper() == oracle.check_value(clear)
    assert all(component == ClearKey(bytes(16)) for component in asked.components)


def test_a_key_in_a_block_says_what_it_may_do() -> None:
    engine = ENGINE.under("02")
    assert engine is not None
    components = tuple(ClearKey(bytes(range(start, start + 32))) for start in (1, 90))
    header = BlockHeader("P0", "A", "B", exportability="N")
    formed = engine.perform(FormFromClear(IN_BLOCK, KeyScheme.KEY_BLOCK, components, header))
    assert formed.under_lmk.cryptogram[5:10] == b"P0AB0"
    assert len(formed.check_value) == 5


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (lambda: request(PARTS[:1]), Reason.INPUT),
        (lambda: request([PARTS[0], PARTS[0]]), Reason.INPUT),
        (lambda: request([PARTS[0], PARTS[1][:8]]), Reason.INPUT),
        (lambda: request(PARTS[:2], scheme=KeyScheme.TRIPLE), Reason.KEY_LENGTH),
        (lambda: request([part[:8] for part in PARTS], "402", KeyScheme.SINGLE), Reason.KEY_LENGTH),
        (lambda: request([PARTS[0], PARTS[0][8:] + PARTS[0][:8]]), Reason.SINGLE_LENGTH_POSING),
    ],
)
def test_what_makes_no_key(asked: object, reason: Reason) -> None:
    built = asked()  # type: ignore[operator]
    with pytest.raises(Refused) as caught:
        ENGINE.perform(built)
    assert caught.value.reason is reason
    assert all(component == ClearKey(bytes(len(component))) for component in built.components)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_master_keys_of_every_kind(kind: str) -> None:
    octets = bytes(os.urandom(KINDS[kind].octets))
    one, again, other = (made(kind, "07", ClearKey(given)) for given in (octets, octets, os.urandom(len(octets))))
    assert one.check_value() == again.check_value() != other.check_value()
    assert not one.test
    assert public(kind, "07").test
    with pytest.raises(DecodeError, match="octets expected"):
        made(kind, "07", ClearKey(octets[1:]))
    for lmk_id in ("7", "100", "0A"):
        with pytest.raises(DecodeError, match="LMK identifier"):
            made(kind, lmk_id, ClearKey(octets))
        with pytest.raises(DecodeError, match="LMK identifier"):
            public(kind, lmk_id)


def test_kinds_and_keys_that_are_none() -> None:
    with pytest.raises(DecodeError, match="one of variant, tdes-blocks, aes-blocks expected"):
        public("another", "00")
    with pytest.raises(DecodeError, match="two of its parts are equal"):
        made("tdes-blocks", "00", ClearKey(b"12345678" * 3))
