# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A0, BU, HA, HC: what comes out is the same key under each key that was asked for, as psec unwraps it."""

import pytest

from tests.hsm_sim import oracle
from tests.hsm_sim.conftest import Ask

TYPES = ["000", "001", "002", "402", "003", "008", "009", "109"]
DOUBLE_ONLY = ["402", "009", "109"]


def usable(clear: bytes) -> bool:
    parts = [clear[start : start + 8] for start in range(0, len(clear), 8)]
    return all(octet.bit_count() % 2 for octet in clear) and len(set(parts)) == len(parts)


@pytest.mark.parametrize("code", TYPES)
@pytest.mark.parametrize(("scheme", "digits"), [("U", 32), ("T", 48), ("X", 32), ("Y", 48)])
def test_a0_makes_a_key_of_any_type(code: str, scheme: str, digits: int, ask: Ask) -> None:
    answer = ask(f"A00{code}{scheme}")
    if digits == 48 and code in DOUBLE_ONLY:
        assert answer == "27"
        return
    error, field, check_value = answer[:2], answer[2 : 3 + digits], answer[3 + digits :]
    clear = oracle.clear_of(oracle.lmk(code), field)
    assert error == "00"
    assert usable(clear)
    assert check_value == oracle.check_value(clear)


@pytest.mark.parametrize("scheme", ["Z", "0"])
def test_a0_writes_a_single_length_key_without_tag(scheme: str, ask: Ask) -> None:
    answer = ask(f"A00003{scheme}")
    clear = oracle.clear_of(oracle.lmk("003"), answer[2:18])
    assert answer == "00" + oracle.under_lmk("003", clear) + oracle.check_value(clear)


@pytest.mark.parametrize(
    ("transport_type", "lead"), [("000", ""), ("000", ";0"), ("002", ";1")], ids=["old form", "ZMK", "TMK"]
)
@pytest.mark.parametrize("scheme", ["U", "X"])
def test_a0_mode_1_also_gives_the_key_under_a_transport_key(
    transport_type: str, lead: str, scheme: str, ask: Ask
) -> None:
    transport = oracle.key()
    answer = ask(f"A01003U{lead}{oracle.under_lmk(transport_type, transport)}{scheme}")
    assert answer[:2] == "00"
    stored, exported, check_value = answer[2:35], answer[35:68], answer[68:]
    clear = oracle.clear_of(oracle.lmk("003"), stored)
    assert usable(clear)
    assert exported == oracle.under(transport, clear, scheme)
    assert check_value == oracle.check_value(clear)


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("A00999U", "28"),
        ("A0000CU", "28"),
        ("A00009Z", "27"),
        ("A00003Q", "26"),
        ("A0A003U", "15"),
        ("A02003U", "15"),
        ("A01003U", "15"),
        ("A01003U;2" + "U" + "0" * 32 + "U", "15"),
        ("A01003U;0" + "U" + "0" * 32 + "U", "10"),
        ("A01003U;0" + oracle.under_lmk("000", oracle.key()) + "Z", "26"),
        ("A01003U;0" + oracle.under_lmk("000", oracle.key()) + "T", "26"),
        ("A01003U;0" + oracle.under_lmk("000", oracle.key()) + "S", "26"),
        ("A01003U;0" + oracle.under_lmk("000", oracle.key(8)) + "X", "27"),
        ("A01003U;0" + oracle.under_lmk("000", oracle.key(8) * 2) + "U", "75"),
        ("A01009U;1" + oracle.under_lmk("002", oracle.key()) + "U", "29"),
        ("A01000U;1" + oracle.under_lmk("002", oracle.key()) + "U", "29"),
        ("A00003U%01", "13"),
        ("A00003UU", "15"),
        ("A00003U#00", "15"),
    ],
)
def test_a0_refusals(command: str, error: str, ask: Ask) -> None:
    assert ask(command) == error


def test_a_key_of_another_type_is_no_transport_key(ask: Ask) -> None:
    keys = [oracle.under_lmk(code, oracle.key()) for code in TYPES if code != "000" for _ in range(4)]
    assert {ask(f"A01003U;0{key}U") for key in keys} == {"10"}


@pytest.mark.parametrize("tmk_octets", [16, 24])
@pytest.mark.parametrize(("command", "code"), [("HA", "003"), ("HC", "002")])
@pytest.mark.parametrize(("above", "stored"), [("X", "U"), ("U", "U"), ("Y", "T"), ("Z", "Z"), ("0", "0")])
def test_ha_and_hc_give_one_key_twice(
    command: str, code: str, above: str, stored: str, tmk_octets: int, ask: Ask
) -> None:
    tmk = oracle.key(tmk_octets)
    answer = ask(f"{command}{oracle.under_lmk('002', tmk)};{above}{stored}0")
    assert answer[:2] == "00"
    half = len(answer[2:]) // 2
    under_tmk, under_lmk = answer[2 : 2 + half], answer[2 + half :]
    clear = oracle.clear_of(oracle.lmk(code), under_lmk)
    assert usable(clear)
    assert under_tmk == oracle.under(tmk, clear, above.strip("Z0"))


def test_ha_without_options_makes_a_single_length_key(ask: Ask) -> None:
    tmk = oracle.key()
    answer = ask("HA" + oracle.under_lmk("002", tmk))
    assert len(answer) == 2 + 16 + 16
    assert oracle.clear_of(tmk, answer[2:18]) == oracle.clear_of(oracle.lmk("003"), answer[18:])


@pytest.mark.parametrize("command", ["HA", "HC"])
def test_ha_and_hc_refusals(command: str, ask: Ask) -> None:
    good = oracle.under_lmk("002", oracle.key())
    assert ask(f"{command}{oracle.under_lmk('000', oracle.key())};XU0") == "10"
    assert ask(f"{command}{oracle.under_lmk('002', oracle.key(8) * 2)};XU0") == "75"
    assert ask(f"{command}{oracle.under_lmk('002', oracle.key(8))};XU0") == "27"
    assert ask(f"{command}{good};XT0") == "26"
    assert ask(f"{command}{good};XU") == "15"
    assert ask(f"{command}{good};QU0") == "26"
    assert ask(f"{command}S0{good}") == "83"


@pytest.mark.parametrize("code", TYPES)
@pytest.mark.parametrize(("flag", "octets"), [("0", 8), ("1", 16), ("2", 24)])
def test_bu_as_psec_computes_it(code: str, flag: str, octets: int, ask: Ask) -> None:
    clear = oracle.key(octets)
    field = oracle.under_lmk(code, clear)
    assert ask(f"BUFF{flag}{field};{code}") == "00" + oracle.check_value(clear, 8)
    assert ask(f"BUFF{flag}{field};{code};001") == "00" + oracle.check_value(clear)
    assert ask(f"BUFF{flag}{field};{code};ZZ0") == "00" + oracle.check_value(clear, 8)
    if code[0] == "0":
        assert ask(f"BU{code[1:]}{flag}{field};001") == "00" + oracle.check_value(clear)


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("BU010" + oracle.under_lmk("001", oracle.key()), "05"),
        ("BU013" + oracle.under_lmk("001", oracle.key()), "05"),
        ("BU0Z1" + oracle.under_lmk("001", oracle.key()), "04"),
        ("BU0F1" + oracle.under_lmk("001", oracle.key()), "28"),
        ("BUFF1" + oracle.under_lmk("001", oracle.key()), "15"),
        ("BUFF1" + oracle.under_lmk("001", oracle.key()) + ";9ZZ", "15"),
        ("BUFF1" + oracle.under_lmk("001", oracle.key()) + ";999", "28"),
        ("BU021" + oracle.under_lmk("001", oracle.key()), "10"),
        ("BU011" + oracle.under_lmk("001", oracle.key()) + ";002", "15"),
    ],
)
def test_bu_refusals(command: str, error: str, ask: Ask) -> None:
    assert ask(command) == error
