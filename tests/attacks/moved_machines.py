# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A40 at the acquirer: another machine, or one that moved, pays under the name of a terminal that was bound."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from device_profiles.acquirer_profile import Bound
from device_profiles.twins.acquirer_ledger import Ledger
from protocols.identity.binding import PROOF_OCTETS, Proof, challenge, proof
from protocols.primitives import AesKey, Use
from tests.attacks.harness import Case
from tests.attacks.lane import FIRST_TERMINAL, TEST_PAN, Lane, bank
from tests.device_profiles.acquirer_bench import Hsm

KEY = bytes(range(16))  # TEST
SERIAL, OTHER_SERIAL = "SN-00042", "SN-00666"
BOUND = Bound(FIRST_TERMINAL, SERIAL, 2, KEY.hex())


class Machine:
    """A machine with a vault that holds a binding key."""

    def __init__(self, serial: str, version: int = BOUND.version, key: bytes = KEY) -> None:
        self._serial, self._version, self._key = serial, version, key
        self._factors = (number.to_bytes(8, "big") for number in itertools.count(1))

    def prove(self) -> Proof:
        """For one payment."""
        factor = next(self._factors)
        with AesKey(self._key, Use.CMAC) as key:
            made = proof(key, challenge(self._serial, factor, self._version))
        return Proof(self._version, factor, made[:PROOF_OCTETS])


@asynccontextmanager
async def credulous(folder: Path) -> AsyncIterator[Lane]:
    """A bank that asks no terminal for a proof."""
    yield _lane(folder, ())


@asynccontextmanager
async def knowing(folder: Path) -> AsyncIterator[Lane]:
    """A bank that knows which machine was bound."""
    yield _lane(folder, (BOUND,))


def _lane(folder: Path, bindings: tuple[Bound, ...]) -> Lane:
    made = Lane(folder, Ledger(), Hsm(), replace(bank(), bindings=bindings), None)
    made.till.prove = Machine(SERIAL).prove
    return made


async def another_machine(target: Lane) -> bool:
    """A stolen copy of the terminal's disk in another machine: name, merchant, certificates, and a key of its own."""
    target.till.prove = Machine(OTHER_SERIAL, key=bytes(16)).prove
    return target.till.pay(TEST_PAN)


async def heard_before(target: Lane) -> bool:
    """A proof that was heard on the wire, sent once more."""
    heard = target.till.prove()
    target.till.prove = lambda: heard
    assert target.till.pay(TEST_PAN), "the merchant's own payment"
    return target.till.pay(TEST_PAN)


async def moved_in_silence(target: Lane) -> bool:
    """The terminal itself under its old binding, after the merchant was given another."""
    target.till.prove = Machine(SERIAL, version=BOUND.version - 1).prove
    return target.till.pay(TEST_PAN)


_TOLD = "the acquirer, as the reason of its decision"
_OLD = "the proof is of binding 1, 2 is in force"
CASES = (
    Case("another machine under its name", credulous, knowing, another_machine, "the binding proof is wrong", _TOLD),
    Case("a proof heard before", credulous, knowing, heard_before, "the binding proof was used before", _TOLD),
    Case(
        "under an old binding", credulous, knowing, moved_in_silence, "the proof is of binding 1, 2 is in force", _TOLD
    ),
)
