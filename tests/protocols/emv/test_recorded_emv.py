# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""EMV cryptography against every recorded call of pyemv (checked on an HSM by its author) and every public value."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from protocols import card_code
from protocols.emv import card_keys, cryptogram, issuer_script
from protocols.emv.cryptogram import CVN_10, CryptogramKey
from protocols.emv.issuer import Issuer
from protocols.mac import Padding, RetailMacKey, pad
from protocols.pan import Pan
from protocols.pin.iso9564 import encode_format_2
from protocols.pin.pin_change import encode_visa
from protocols.primitives import TdesKey, check_value
from protocols.secret import ClearKey, Pin

VECTORS = Path(__file__).parents[2] / "vectors"
PYEMV = json.loads((VECTORS / "emv_crypto_pyemv.json").read_text())["facts"]
PUBLIC = {vector["id"]: vector for vector in json.loads((VECTORS / "emv.json").read_text())["vectors"]}

Args = dict[str, Any]


def octets(value: Any) -> bytes:
    return bytes.fromhex(value["hex"]) if isinstance(value, dict) else b""


def text(value: Any) -> str:
    return octets(value).decode("ascii") if isinstance(value, dict) else value


def revealed(secret: Any) -> bytes:
    return bytes(secret.reveal())


def icc_key(option: str, args: Args) -> bytes:
    issuer = TdesKey(octets(args["iss_mk"]))
    pan = Pan(text(args["pan"]))
    number = int(text(args["psn"])) if args["psn"] is not None else None
    if option == "a":
        return revealed(card_keys.icc_master_key_a(issuer, card_keys.account_block(pan, number)))
    return revealed(card_keys.icc_master_key_b(issuer, pan, number))


def session(args: Args) -> bytes:
    diversifier = octets(args["r"])
    make = card_keys.session_key_of_counter if len(diversifier) == 2 else card_keys.session_key
    return revealed(make(octets(args["icc_mk"]), diversifier))


def tree(args: Args) -> bytes:
    return revealed(
        card_keys.tree_session_key(
            octets(args["icc_mk"]), octets(args["atc"]), args["height"], args["branch_factor"], octets(args["iv"])
        )
    )


def made_cryptogram(args: Args) -> bytes:
    padding = Padding.ZEROS if args["padding_type"] == "PaddingType.VISA" else Padding.ONE_AND_ZEROS
    return CryptogramKey(octets(args["sk_ac"])).cryptogram(octets(args["data"]), padding)[: args["length"] or 8]


def answer_1(args: Args) -> bytes:
    return cryptogram.arpc_1(octets(args["sk_ac"]), octets(args["arqc"]), octets(args["arpc_rc"]))


def answer_2(args: Args) -> bytes:
    return cryptogram.arpc_2(
        octets(args["sk_ac"]), octets(args["arqc"]), octets(args["csu"]), octets(args["prop_auth_data"])
    )


def visa_script(args: Args) -> bytes:
    return revealed(card_keys.visa_script_key(octets(args["icc_mk"]), octets(args["atc"])))


def retail(args: Args) -> bytes:
    key = RetailMacKey(octets(args["key1"]) + octets(args["key2"]))
    return key.mac(octets(args["data"]), Padding(args["padding"]))[: args["length"] or 8]


def padded(padding: Padding) -> Callable[[Args], bytes]:
    return lambda args: pad(octets(args["data"]), padding, args["block_size"] or 8)


def command_mac(args: Args) -> bytes:
    """The recorded call has header, transaction and data in one: split after the header, and after 10 octets more."""
    command, size = octets(args["command"]), args["length"] or 8
    header, rest = command[:5], command[5:]
    transaction, data = (rest[:10], rest[10:]) if len(rest) >= 10 else (b"", rest)
    return issuer_script.command_mac(octets(args["sk_smi"]), header, data, transaction, size)


def enciphered(args: Args) -> bytes:
    how = issuer_script.Encipherment[args["encryption_type"].rpartition(".")[2]]
    return issuer_script.encipher_data(octets(args["sk_smc"]), octets(args["command_data"]), how)


def digits(value: Any) -> Pin:
    return Pin.from_text(text(value))


def vis_block(args: Args) -> bytes:
    current = None if args["current_pin"] is None else digits(args["current_pin"])
    return revealed(encode_visa(digits(args["pin"]), octets(args["icc_mk_ac"]), current))


def cvc3(args: Args) -> bytes:
    key = octets(args["icc_cvc3"])
    iv = card_code.cvc3_iv(key, octets(args["track_template"]))
    return card_code.cvc3(key, iv, octets(args["atc"]), octets(args["un"])).encode()


CALLS: dict[str, tuple[int, Callable[[Args], bytes]]] = {
    "kd.derive_icc_mk_a": (25, lambda args: icc_key("a", args)),
    "kd.derive_icc_mk_b": (22, lambda args: icc_key("b", args)),
    "kd.derive_common_sk": (24, session),
    "kd.derive_visa_sm_sk": (4, visa_script),
    "kd.derive_emv2000_tree_sk": (12, tree),
    "ac.generate_ac": (18, made_cryptogram),
    "ac.generate_arpc_1": (12, answer_1),
    "ac.generate_arpc_2": (8, answer_2),
    "sm.generate_command_mac": (27, command_mac),
    "sm.encrypt_command_data": (17, enciphered),
    "sm.format_vis_pin_block": (16, vis_block),
    "sm.format_iso9564_2_pin_block": (4, lambda args: revealed(encode_format_2(digits(args["pin"])))),
    "mac.mac_iso9797_3": (31, retail),
    "mac.pad_iso9797_1": (105, padded(Padding.ZEROS)),
    "mac.pad_iso9797_2": (75, padded(Padding.ONE_AND_ZEROS)),
    "cvv.generate_cvc3": (2, cvc3),
}


@pytest.mark.parametrize("function", CALLS)
def test_recorded_calls(function: str) -> None:
    count, call = CALLS[function]
    facts = [fact for fact in PYEMV if fact["function"] == function]
    assert len(facts) == count
    for fact in facts:
        expected = octets(fact["result"]) if isinstance(fact["result"], dict) else fact["result"].encode()
        assert call(fact["args"]) == expected, fact


def test_no_recorded_call_is_left_out() -> None:
    assert Counter(fact["function"] for fact in PYEMV) == {name: count for name, (count, _) in CALLS.items()}
    assert len(PYEMV) == 402


def public(given: dict[str, Any]) -> bytes:
    """What our code makes of a public vector's input."""
    keys = set(given)
    raw = {name: bytes.fromhex(value) for name, value in given.items() if name in RAW}
    if {"imk", "option"} <= keys:
        issuer, pan, number = TdesKey(raw["imk"]), Pan(given["pan"]), int(given["psn"])
        if given["option"] == "A":
            return check_value(TdesKey(card_keys.icc_master_key_a(issuer, card_keys.account_block(pan, number))))
        return check_value(TdesKey(card_keys.icc_master_key_b(issuer, pan, number)))
    if keys == {"icc_mk", "r"}:
        return check_value(TdesKey(card_keys.session_key(raw["icc_mk"], raw["r"])))
    if keys == {"sk", "data", "padding"}:
        padding = Padding.ZEROS if "method 1" in given["padding"] else Padding.ONE_AND_ZEROS
        return cryptogram.application_cryptogram(raw["sk"], raw["data"], padding)
    if keys == {"key", "arqc", "arc"}:
        return cryptogram.arpc_1(raw["key"], raw["arqc"], raw["arc"])
    if keys == {"key", "arqc", "csu", "prop_auth_data"}:
        return cryptogram.arpc_2(raw["key"], raw["arqc"], raw["csu"], raw["prop_auth_data"])
    if "height" in keys:
        return revealed(
            card_keys.tree_session_key(raw["icc_mk"], raw["atc"], given["height"], given["branch"], raw["iv"])
        )
    if "imk_smi" in keys:
        account = card_keys.account_block(Pan(given["pan"]), int(given["psn"]))
        card = card_keys.icc_master_key_a(TdesKey(raw["imk_smi"]), account)
        key = card_keys.visa_script_key(card, raw["atc"])
        return issuer_script.command_mac(key, raw["data"][:5], b"", raw["data"][5:])
    if "mk_ac_under_lmk_109_U" in keys:
        issuer_key = under_test_lmk(given["mk_ac_under_lmk_109_U"])
        return (
            Issuer(issuer_key)
            .keys(CVN_10, raw["pan_psn"], raw["atc"])
            .cryptogram.cryptogram(raw["data"], CVN_10.padding)
        )
    issuer, pan = Issuer(raw["imk"]), Pan(given["pan"])
    account = card_keys.account_block(pan, int(given["psn"]))
    return issuer.keys(CVN_10, account, bytes(2)).cryptogram.cryptogram(raw["data"], CVN_10.padding)


RAW = {
    "imk",
    "icc_mk",
    "r",
    "sk",
    "data",
    "key",
    "arqc",
    "arc",
    "csu",
    "prop_auth_data",
    "atc",
    "iv",
    "imk_smi",
    "pan_psn",
}


def under_test_lmk(cryptogram_text: str) -> ClearKey:
    """A key under the public TEST LMK, pair 28-29 variant 1, scheme U: the arithmetic restated."""
    pair = bytearray.fromhex("1A1A1A1A1A1A1A1A1C1C1C1C1C1C1C1C")
    pair[0] ^= 0xA6
    halves = bytearray()
    for part, variant in enumerate((0xA6, 0x5A)):
        varied = bytearray(pair)
        varied[8] ^= variant
        halves += TdesKey(varied).decipher(bytes.fromhex(cryptogram_text)[8 * part : 8 * part + 8])
    return ClearKey(halves)


@pytest.mark.parametrize("vector", PUBLIC.values(), ids=PUBLIC)
def test_public_values(vector: dict[str, Any]) -> None:
    assert public(vector["input"]).hex().upper().startswith(vector["expected"])


def test_no_public_value_is_left_out() -> None:
    assert len(PUBLIC) == 56
