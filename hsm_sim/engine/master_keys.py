# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The kinds of master keys that a unit can hold, by name: public TEST ones, and new ones of given octets. A table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from hsm_sim.engine.block_lmk import BlockLmk
from hsm_sim.engine.lmk import Lmk
from hsm_sim.engine.wrapping import TEST_LMK_PAIRS, VariantLmk
from protocols.errors import DecodeError
from protocols.primitives import is_single_strength
from protocols.secret import ClearKey

PAIR_OCTETS = 16
LMK_IDS = tuple(f"{number:02}" for number in range(100))


@dataclass(frozen=True, slots=True)
class MasterKeyKind:
    """A kind: how long its keys are, and how one is made of octets or is the public TEST one."""

    words: str
    octets: int
    make: Callable[[str, ClearKey], Lmk]
    test: Callable[[str], Lmk]


def _variant(lmk_id: str, octets: ClearKey) -> Lmk:
    pairs = octets.reveal()
    return VariantLmk(
        [
            ClearKey(bytearray(pairs[place : place + PAIR_OCTETS]))
            for place in range(0, len(TEST_LMK_PAIRS) * PAIR_OCTETS, PAIR_OCTETS)
        ],
        test=False,
    )


def _tdes_blocks(lmk_id: str, octets: ClearKey) -> Lmk:
    if is_single_strength(octets):
        raise DecodeError("master key", "two of its parts are equal")
    return BlockLmk(lmk_id, ClearKey(bytearray(octets.reveal())), aes=False, test=False)


def _aes_blocks(lmk_id: str, octets: ClearKey) -> Lmk:
    return BlockLmk(lmk_id, ClearKey(bytearray(octets.reveal())), aes=True, test=False)


KINDS: Mapping[str, MasterKeyKind] = MappingProxyType(
    {
        "variant": MasterKeyKind(
            "variant method, pairs 04-05 to 32-33",
            len(TEST_LMK_PAIRS) * PAIR_OCTETS,
            _variant,
            lambda lmk_id: VariantLmk.of_test_keys(),
        ),
        "tdes-blocks": MasterKeyKind("key blocks under TDES", 24, _tdes_blocks, BlockLmk.of_tdes_test_key),
        "aes-blocks": MasterKeyKind("key blocks under AES", 32, _aes_blocks, BlockLmk.of_aes_test_key),
    }
)


def kind_of(name: str) -> MasterKeyKind:
    """The kind of a name; :class:`DecodeError` says which there are."""
    found = KINDS.get(name)
    if found is None:
        raise DecodeError("kind of master key", f"one of {', '.join(KINDS)} expected")
    return found


def made(kind: str, lmk_id: str, octets: ClearKey) -> Lmk:
    """A master key of given octets, which stay the caller's to wipe."""
    found = kind_of(kind)
    if lmk_id not in LMK_IDS:
        raise DecodeError("LMK identifier", "two digits expected")
    if len(octets) != found.octets:
        raise DecodeError("master key", f"{found.octets} octets expected, {len(octets)} given")
    return found.make(lmk_id, octets)


def public(kind: str, lmk_id: str) -> Lmk:
    """The public TEST master key of a kind."""
    if lmk_id not in LMK_IDS:
        raise DecodeError("LMK identifier", "two digits expected")
    return kind_of(kind).test(lmk_id)
