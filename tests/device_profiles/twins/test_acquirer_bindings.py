# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The acquirer twin and bindings: the right machine under the right version, once; everybody else gets 58."""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from device_profiles.acquirer_profile import Bound
from device_profiles.twins.acquirer_bindings import Bindings
from device_profiles.twins.acquirer_ledger import Ledger
from protocols.acquirer.dialects import DIALECTS, Dialect
from protocols.acquirer.message import Message, decode, encode
from protocols.acquirer.mti import Mti
from protocols.identity.binding import Proof

KEY = bytes(range(32))
BOUND = Bound("TG000001", "SN-00042", 3, KEY.hex())


def proof(serial: str = "SN-00042", version: int = 3, key: bytes = KEY, factor: bytes = bytes(8)) -> Proof:
    """By `cryptography` alone, from the written rule."""
    oracle = CMAC(AES(key))
    oracle.update(b"tillguard binding proof 2\0" + serial.encode() + b"\0" + factor + version.to_bytes(4, "big"))
    return Proof(version, factor, oracle.finalize()[:8])


def message(binding: Proof | None, terminal: str = "TG000001") -> Message:
    return Message(mti=Mti.AUTHORISATION_REQUEST, terminal=terminal, binding=binding)


def test_believed_once() -> None:
    bindings = Bindings((BOUND,), Ledger())
    assert bindings.judge(message(proof())) == ("", "good")
    refusal, check = bindings.judge(message(proof()))
    assert (refusal, check) == ("the binding proof was used before", "replayed")
    assert bindings.judge(message(proof(factor=b"12345678"))) == ("", "good")


@pytest.mark.parametrize(
    ("given", "check"),
    [
        (None, "absent"),
        (proof(serial="SN-00043"), "wrong"),
        (proof(key=bytes(32)), "wrong"),
        (replace(proof(), mac=bytes(8)), "wrong"),
        (replace(proof(), version=4), "wrong"),
        (proof(version=2), "another version"),
    ],
)
def test_not_believed(given: Proof | None, check: str) -> None:
    refusal, found = Bindings((BOUND,), Ledger()).judge(message(given))
    assert found == check
    assert refusal


def test_terminals_that_are_not_bound_need_not_prove_anything() -> None:
    assert Bindings((), Ledger()).judge(message(None)) == ("", "")
    assert Bindings((BOUND,), Ledger()).judge(message(proof(), "TG000002")) == ("", "")


def test_the_last_factors_survive_a_restart() -> None:
    ledger = Ledger()
    Bindings((BOUND,), ledger).judge(message(proof()))
    again = Ledger.restored(ledger.snapshot())
    assert Bindings((BOUND,), again).judge(message(proof()))[1] == "replayed"


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=list(DIALECTS))
def test_on_the_wire_beside_the_ksn_wherever_that_is(dialect: Dialect) -> None:
    for number in (48, 60, 62, 63):
        one = dialect.with_ksn_field(number)
        whole = replace(message(proof()), ksn=bytes(10))
        assert decode(encode(whole, one), one).message == whole
        assert one.binding_field != number


@pytest.mark.parametrize(("name", "value"), [("test_key", "00"), ("test_key", "zz" * 16), ("version", 0)])
def test_what_a_profile_may_say(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{name.replace('_', '-')}: "):
        replace(BOUND, **{name: value})  # type: ignore[arg-type]  # that is the point
