# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Card keys and cryptograms against recorded calls of pyemv (checked on an HSM by its author) and public values."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.emv import cryptogram as subject
from protocols.errors import EncodeError, IntegrityError
from protocols.mac import Padding
from protocols.pan import Pan
from protocols.primitives import TdesKey, check_value, has_odd_parity

VECTORS = Path(__file__).parents[2] / "vectors"
PYEMV = json.loads((VECTORS / "emv_crypto_pyemv.json").read_text())["facts"]
PUBLIC = {vector["id"]: vector for vector in json.loads((VECTORS / "emv.json").read_text())["vectors"]}
CARD_KEY = bytes.fromhex("154F349D8585CB7F6B0798E9839B10C1")


def octets(value: Any) -> bytes:
    return bytes.fromhex(value["hex"]) if isinstance(value, dict) else b""


def text(value: Any) -> str:
    return octets(value).decode("ascii") if isinstance(value, dict) else value


def icc_key(option: str, args: dict[str, Any]) -> bytes:
    issuer = TdesKey(octets(args["iss_mk"]))
    pan = Pan(text(args["pan"]))
    number = int(text(args["psn"])) if args["psn"] is not None else None
    if option == "a":
        return bytes(subject.icc_master_key_a(issuer, subject.account_block(pan, number)).reveal())
    return bytes(subject.icc_master_key_b(issuer, pan, number).reveal())


def session(args: dict[str, Any]) -> bytes:
    diversifier = octets(args["r"])
    make = subject.session_key_of_counter if len(diversifier) == 2 else subject.session_key
    return bytes(make(octets(args["icc_mk"]), diversifier).reveal())


def cryptogram(args: dict[str, Any]) -> bytes:
    padding = Padding.ZEROS if args["padding_type"] == "PaddingType.VISA" else Padding.ONE_AND_ZEROS
    made = subject.application_cryptogram(octets(args["sk_ac"]), octets(args["data"]), padding)
    return made[: args["length"] or 8]


CALLS = {
    "kd.derive_icc_mk_a": lambda args: icc_key("a", args),
    "kd.derive_icc_mk_b": lambda args: icc_key("b", args),
    "kd.derive_common_sk": session,
    "ac.generate_ac": cryptogram,
    "ac.generate_arpc_1": lambda args: subject.arpc_1(
        octets(args["sk_ac"]), octets(args["arqc"]), octets(args["arpc_rc"])
    ),
    "ac.generate_arpc_2": lambda args: subject.arpc_2(
        octets(args["sk_ac"]), octets(args["arqc"]), octets(args["csu"]), octets(args["prop_auth_data"])
    ),
}


def test_recorded_calls() -> None:
    seen: Counter[str] = Counter()
    for fact in PYEMV:
        call = CALLS.get(fact["function"])
        if call is not None:
            assert call(fact["args"]) == octets(fact["result"]), fact
            seen[fact["function"]] += 1
    assert seen == {
        "kd.derive_icc_mk_a": 25,
        "kd.derive_icc_mk_b": 22,
        "kd.derive_common_sk": 24,
        "ac.generate_ac": 18,
        "ac.generate_arpc_1": 12,
        "ac.generate_arpc_2": 8,
    }


def public(vector: dict[str, Any]) -> bytes | None:
    """What our code makes of a public vector's input; None where it is of a kind that is not ours."""
    given = vector["input"]
    keys = set(given)
    if keys == {"imk", "option", "pan", "psn"}:
        issuer = TdesKey(bytes.fromhex(given["imk"]))
        pan, number = Pan(given["pan"]), int(given["psn"])
        made = (
            subject.icc_master_key_a(issuer, subject.account_block(pan, number))
            if given["option"] == "A"
            else subject.icc_master_key_b(issuer, pan, number)
        )
        return check_value(TdesKey(made))
    if keys == {"icc_mk", "r"}:
        return check_value(TdesKey(subject.session_key(bytes.fromhex(given["icc_mk"]), bytes.fromhex(given["r"]))))
    if keys == {"sk", "data", "padding"}:
        padding = Padding.ZEROS if "method 1" in given["padding"] else Padding.ONE_AND_ZEROS
        return subject.application_cryptogram(bytes.fromhex(given["sk"]), bytes.fromhex(given["data"]), padding)
    if keys == {"key", "arqc", "arc"}:
        return subject.arpc_1(*(bytes.fromhex(given[name]) for name in ("key", "arqc", "arc")))
    if keys == {"key", "arqc", "csu", "prop_auth_data"}:
        return subject.arpc_2(*(bytes.fromhex(given[name]) for name in ("key", "arqc", "csu", "prop_auth_data")))
    return None


def test_public_values() -> None:
    checked = 0
    for vector in PUBLIC.values():
        made = public(vector)
        if made is not None:
            assert made.hex().upper().startswith(vector["expected"]), vector["id"]
            checked += 1
    assert checked == 41


def test_cvn_10_uses_the_card_key_itself() -> None:
    vector = PUBLIC["cvn10-arqc"]
    given = vector["input"]
    issuer = TdesKey(bytes.fromhex(given["imk"]))
    version = subject.VERSIONS[10]
    with subject.icc_master_key_a(issuer, subject.account_block(Pan(given["pan"]), int(given["psn"]))) as card:
        made = subject.application_cryptogram(card, bytes.fromhex(given["data"]), version.padding)
        assert made.hex().upper() == vector["expected"]
        subject.verify_cryptogram(card, bytes.fromhex(given["data"]), version.padding, made)
    assert not version.session_key


@pytest.mark.parametrize("place", range(8))
def test_any_wrong_octet_is_an_integrity_error(place: int) -> None:
    right = subject.application_cryptogram(CARD_KEY, b"transaction data", Padding.ZEROS)
    wrong = right[:place] + bytes((right[place] ^ 1,)) + right[place + 1 :]
    with pytest.raises(IntegrityError):
        subject.verify_cryptogram(CARD_KEY, b"transaction data", Padding.ZEROS, wrong)


def test_a_truncated_cryptogram_is_not_right() -> None:
    right = subject.application_cryptogram(CARD_KEY, b"transaction data", Padding.ZEROS)
    with pytest.raises(IntegrityError):
        subject.verify_cryptogram(CARD_KEY, b"transaction data", Padding.ZEROS, right[:7])


def test_option_b_of_a_short_pan_is_option_a() -> None:
    issuer = TdesKey(bytes(range(16)))
    pan = Pan("4000009999990016")
    assert subject.icc_master_key_b(issuer, pan, 1) == subject.icc_master_key_a(issuer, subject.account_block(pan, 1))


def test_no_sequence_number_counts_as_zero() -> None:
    pan = Pan("4000009999990016")
    assert subject.account_block(pan, None) == subject.account_block(pan, 0) == bytes.fromhex("0000999999001600")


def test_a_short_pan_is_filled_on_the_left() -> None:
    assert subject.account_block(Pan("12345678"), 1).hex() == "0000001234567801"


@given(st.text("0123456789", min_size=8, max_size=19), st.integers(0, 99))
def test_derived_keys_have_odd_parity(digits: str, number: int) -> None:
    key = subject.icc_master_key_b(TdesKey(bytes(range(16))), Pan(digits), number)
    assert has_odd_parity(key)
    assert has_odd_parity(subject.session_key_of_counter(key, b"\x00\x01"))


@pytest.mark.parametrize(
    "call",
    [
        lambda: subject.account_block(Pan("4000009999990016"), 100),
        lambda: subject.icc_master_key_a(TdesKey(bytes(16)), bytes(7)),
        lambda: subject.session_key(bytes(16), bytes(7)),
        lambda: subject.session_key_of_counter(bytes(16), bytes(3)),
        lambda: subject.arpc_1(bytes(16), bytes(7), bytes(2)),
        lambda: subject.arpc_1(bytes(16), bytes(8), bytes(3)),
        lambda: subject.arpc_2(bytes(16), bytes(8), bytes(3)),
        lambda: subject.arpc_2(bytes(16), bytes(8), bytes(4), bytes(9)),
    ],
)
def test_wrong_sizes_are_the_callers_fault(call: Any) -> None:
    with pytest.raises(EncodeError):
        call()
