# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Keys carried between LMK and transport keys, formed, put into other schemes: as psec enciphers them; and refusals."""

import pytest

from hsm_sim.engine.wrapping import VariantLmk
from tests.hsm_sim import oracle
from tests.hsm_sim.asking import Ask, asking

ZMK, TMK = oracle.key(), oracle.key()
UNDER_LMK_ZMK, UNDER_LMK_TMK = oracle.under_lmk("000", ZMK), oracle.under_lmk("002", TMK)
SCHEMES = [("U", 16), ("T", 24), ("X", 16), ("Y", 24)]

# command of import, command of export, key type, what stands before the ZMK
PAIRS = [
    ("DW", "DY", "009", ""),
    ("FA", "GC", "001", ""),
    ("FC", "FE", "002", ""),
    ("FK", "FM", "00A", "0"),
    ("FK", "FM", "008", "1"),
    ("MI", "MG", "003", ""),
]


@pytest.fixture(scope="module")
def ask() -> Ask:
    return asking()


@pytest.mark.parametrize(("taking", "giving", "code", "flag"), PAIRS)
@pytest.mark.parametrize(("scheme", "octets"), SCHEMES)
def test_import_and_export_of_each_type(
    taking: str, giving: str, code: str, flag: str, scheme: str, octets: int, ask: Ask
) -> None:
    clear = oracle.key(octets)
    travelling = oracle.under(ZMK, clear, scheme)
    if code == "009" and octets == 24:
        assert ask(f"{taking}{flag}{UNDER_LMK_ZMK}{travelling}") == "27"
        return
    kept = oracle.under(oracle.lmk(code), clear, scheme)
    long, short = oracle.check_value(clear, 8), oracle.check_value(clear)
    assert ask(f"{taking}{flag}{UNDER_LMK_ZMK}{travelling}") == f"00{kept}{long}"
    assert ask(f"{giving}{flag}{UNDER_LMK_ZMK}{kept}") == f"00{travelling}{long}"
    other = "U" if octets == 16 else "T"
    kept_so = oracle.under(oracle.lmk(code), clear, other)
    assert ask(f"{taking}{flag}{UNDER_LMK_ZMK}{travelling};0{other}1") == f"00{kept_so}{short}"
    assert ask(f"{giving}{flag}{UNDER_LMK_ZMK}{kept_so};{scheme}00") == f"00{travelling}{long}"
    for refused, error in ((f";0{'T' if octets == 16 else 'U'}1", "26"), (";0Q1", "26"), (";0U2", "15")):
        assert ask(f"{taking}{flag}{UNDER_LMK_ZMK}{travelling}{refused}") == error


@pytest.mark.parametrize("code", ["001", "002", "402", "003", "008", "009", "609", "109", "309", "00A", "00B", "302"])
def test_a6_and_a8_take_any_type(code: str, ask: Ask) -> None:
    clear = oracle.key()
    kept, check_value = oracle.under_lmk(code, clear), oracle.check_value(clear)
    for scheme in ("U", "X"):
        travelling = oracle.under(ZMK, clear, scheme)
        assert ask(f"A6{code}{UNDER_LMK_ZMK}{travelling}U") == f"00{kept}{check_value}"
        assert ask(f"A8{code}{UNDER_LMK_ZMK}{kept}{scheme}") == f"00{travelling}{check_value}"
        assert ask(f"A8{code};0{UNDER_LMK_ZMK}{kept}{scheme}") == f"00{travelling}{check_value}"
        assert ask(f"A8{code};0{UNDER_LMK_ZMK}{kept}{scheme};0") == f"00{travelling}{check_value}"


@pytest.mark.parametrize("variant", [1, 5, 15, 31])
def test_the_variant_of_a_foreign_hsm_goes_on_the_first_octet_of_each_half(variant: int, ask: Ask) -> None:
    clear = oracle.key()
    varied = bytes(octet ^ (8 * variant if place % 8 == 0 else 0) for place, octet in enumerate(ZMK))
    travelling, kept = oracle.under(varied, clear, "U"), oracle.under_lmk("001", clear)
    assert ask(f"A6001{UNDER_LMK_ZMK}{travelling}U{variant:02}")[:35] == "00" + kept
    assert ask(f"A8001{UNDER_LMK_ZMK}{kept}U{variant:02}")[:35] == "00" + travelling
    assert ask(f"FA{UNDER_LMK_ZMK}{travelling}{variant:02}")[:35] == "00" + kept
    assert ask(f"A6001{UNDER_LMK_ZMK}{travelling}U")[:2] in {"11", "00"}
    assert ask(f"A6001{UNDER_LMK_ZMK}{travelling}U")[:35] != "00" + kept


@pytest.mark.parametrize("code", ["002", "003", "00B", "30B", "302"])
def test_terminal_keys_travel_under_a_tmk(code: str, ask: Ask) -> None:
    clear = oracle.key()
    kept = oracle.under_lmk(code, clear)
    assert ask(f"A8{code};1{UNDER_LMK_TMK}{kept}X") == f"00{oracle.under(TMK, clear, 'X')}{oracle.check_value(clear)}"


@pytest.mark.parametrize("code", ["000", "001", "402", "008", "009", "109", "00A"])
def test_other_keys_do_not_travel_under_a_tmk(code: str, ask: Ask) -> None:
    assert ask(f"A8{code};1{UNDER_LMK_TMK}{oracle.under_lmk(code, oracle.key())}X") == "29"


def test_ae_and_ag_give_terminal_keys(ask: Ask) -> None:
    clear = oracle.key()
    travelling = oracle.under(TMK, clear, "U")
    assert ask(f"AE{UNDER_LMK_TMK}{oracle.under_lmk('002', clear)}") == "00" + travelling
    assert ask(f"AE{UNDER_LMK_TMK}{oracle.under_lmk('002', clear)};X00") == "00" + oracle.under(TMK, clear, "X")
    assert ask(f"AG{UNDER_LMK_TMK}{oracle.under_lmk('003', clear)}") == "00" + travelling + oracle.check_value(clear, 8)


@pytest.mark.parametrize(("command", "code", "flag"), [("IA", "001", ""), ("FI", "00A", "0"), ("FI", "008", "1")])
@pytest.mark.parametrize(("above", "stored", "octets"), [("U", "U", 16), ("X", "U", 16), ("T", "T", 24), ("Z", "0", 8)])
def test_ia_and_fi_make_zone_keys(
    command: str, code: str, flag: str, above: str, stored: str, octets: int, ask: Ask
) -> None:
    digits = 2 * octets + (octets > 8)
    for kind, octets_of_value in (("1", 3), ("0", 8)):
        answer = ask(f"{command}{flag}{UNDER_LMK_ZMK};{above}{stored}{kind}")
        travelling, kept, check_value = (
            answer[2 : 2 + digits],
            answer[2 + digits : 2 + 2 * digits],
            answer[2 + 2 * digits :],
        )
        clear = oracle.clear_of(ZMK, travelling)
        assert answer[:2] == "00"
        assert oracle.clear_of(oracle.lmk(code), kept) == clear
        assert len(clear) == octets
        assert check_value == oracle.check_value(clear, octets_of_value)


@pytest.mark.parametrize("count", range(2, 10))
@pytest.mark.parametrize("octets", [8, 16, 24])
def test_a4_adds_components_and_makes_the_parity_odd(count: int, octets: int, ask: Ask) -> None:
    parts = [oracle.key(octets) for _ in range(count)]
    clear = bytearray(octets)
    for part in parts:
        clear = bytearray(x ^ y for x, y in zip(clear, part, strict=True))
    clear = bytearray(oracle.odd(bytes(clear)))
    fields = "".join(oracle.under_lmk("001", part) for part in parts)
    scheme = {8: "Z", 16: "U", 24: "T"}[octets]
    expected = oracle.under_lmk("001", bytes(clear)) + oracle.check_value(bytes(clear))
    assert ask(f"A4{count}001{scheme}{fields}") == "00" + expected


def test_gy_forms_a_zmk_in_both_forms(ask: Ask) -> None:
    parts = [oracle.key(), oracle.key(), oracle.key()]
    clear = oracle.odd(bytes(a ^ b ^ c for a, b, c in zip(*parts, strict=True)))
    bare = "".join(oracle.under(oracle.lmk("000"), part, "X")[1:] for part in parts)
    kept = oracle.under(oracle.lmk("000"), clear, "X")
    assert ask(f"GY3{bare}") == f"00{kept[1:]}{oracle.check_value(clear, 8)}"
    assert ask(f"GY3{bare};0U1") == f"00{oracle.under_lmk('000', clear)}{oracle.check_value(clear)}"
    tagged = "".join(oracle.under_lmk("000", part) for part in parts)
    assert ask(f"GY3{tagged};0X1") == f"00{kept}{oracle.check_value(clear)}"


def test_components_that_cancel_or_do_not_fit_are_refused(ask: Ask) -> None:
    one, half = oracle.key(), oracle.key(8)
    twice = oracle.under_lmk("001", one) * 2
    assert ask(f"A42001U{twice}") == "75"
    assert ask(f"A42001U{oracle.under_lmk('001', one)}{oracle.under_lmk('001', half)}") == "27"
    assert ask(f"A42001T{twice}") == "26"
    assert ask(f"A42402Z{oracle.under_lmk('402', half)}{oracle.under_lmk('402', oracle.key(8))}") == "27"


@pytest.mark.parametrize(
    ("scheme", "other", "octets"), [("U", "X", 16), ("X", "U", 16), ("T", "Y", 24), ("Y", "T", 24)]
)
def test_b0_changes_the_scheme_alone(scheme: str, other: str, octets: int, ask: Ask) -> None:
    clear = oracle.key(octets)
    before, after = (oracle.under(oracle.lmk("001"), clear, kind) for kind in (scheme, other))
    assert ask(f"B0001{before}{other}") == "00" + after
    assert ask(f"B0001{before}{'T' if octets == 16 else 'U'}") == "26"


@pytest.mark.parametrize("code", ["001", "002", "003", "009"])
def test_bw_brings_keys_from_the_lmk_before(code: str) -> None:
    before = asking(lmks={"00": VariantLmk.of_old_test_keys()}, random=lambda count: bytes(range(1, 1 + count)))
    made = before(f"A00{code}U")
    kept, check_value = made[2:35], made[35:]
    ask = asking(old_lmk=True)
    moved = ask(f"BW{code[1:]}1{kept}")
    assert moved[:2] == "00"
    assert oracle.check_value(oracle.clear_of(oracle.lmk(code), moved[2:])) == check_value
    assert ask(f"BWFF1{kept};{code};0X0")[:3] == "00X"
    assert ask(f"BWFF1{kept}") == "28"
    assert asking()(f"BW{code[1:]}1{kept}") == "33"


def test_keys_of_a_wrong_kind_or_shape_are_refused(ask: Ask) -> None:
    weak, posing, single = b"\x01" * 8 + oracle.key(8), oracle.key(8) * 2, oracle.key(8)
    for command, error in (
        (f"A6001{UNDER_LMK_ZMK}{oracle.under(ZMK, weak, 'U')}U", "11"),
        (f"A6001{UNDER_LMK_ZMK}{oracle.under(ZMK, posing, 'U')}U", "75"),
        (f"A6001{UNDER_LMK_ZMK}{oracle.under(ZMK, single, '')}U", "26"),
        (f"A6402{UNDER_LMK_ZMK}{oracle.under(ZMK, single, '')}Z", "27"),
        (f"A6999{UNDER_LMK_ZMK}{oracle.under(ZMK, oracle.key(), 'U')}U", "28"),
        (f"A6000{UNDER_LMK_ZMK}{oracle.under(ZMK, oracle.key(), 'U')}U", "29"),
        (f"A8000{UNDER_LMK_ZMK}{UNDER_LMK_ZMK}U", "29"),
        (f"A6001{oracle.under_lmk('000', single)}{oracle.under(ZMK, oracle.key(), 'U')}U", "27"),
        (f"A6001{UNDER_LMK_ZMK}K123U", "26"),
        (f"A6001K123{oracle.under(ZMK, oracle.key(), 'U')}U", "12"),
        (f"A8001{UNDER_LMK_ZMK}{oracle.under_lmk('001', oracle.key())}S", "26"),
        (f"A8001{UNDER_LMK_ZMK}{oracle.under_lmk('001', oracle.key())}K", "26"),
    ):
        assert ask(command) == error, command[:5]


def test_what_the_policy_permits_or_denies() -> None:
    zmk_under_zmk = f"A6000{UNDER_LMK_ZMK}{oracle.under(ZMK, oracle.key(), 'U')}U"
    assert asking()(zmk_under_zmk) == "29"
    assert asking(transport_key_import=True)(zmk_under_zmk)[:2] == "00"
    x917 = f"A6001{UNDER_LMK_ZMK}{oracle.under(ZMK, oracle.key(), 'X')}U"
    assert asking(x917_import=False)(x917) == "26"
    assert asking(x917_export=False)(f"A8001{UNDER_LMK_ZMK}{oracle.under_lmk('001', oracle.key())}X") == "26"
    assert asking(unauthenticated_transport=False)(x917.replace("X", "U", 1)) == "29"
    single = oracle.under_lmk("000", oracle.key(8))
    assert asking(single_length_transport=True)(f"A8001{single}{oracle.under_lmk('001', oracle.key())}U")[:2] == "00"
    odd = oracle.under(ZMK, bytes(octet ^ 1 for octet in oracle.key()), "U")
    assert asking()(f"A6001{UNDER_LMK_ZMK}{odd}U") == "11"
    assert asking(correct_parity=True)(f"A6001{UNDER_LMK_ZMK}{odd}U")[:2] == "01"
    short = asking(short_check_values=True)
    assert short(f"FA{UNDER_LMK_ZMK}{oracle.under(ZMK, ZMK, 'U')}")[-16:] == oracle.check_value(ZMK) + "0" * 10
    assert short(f"BU001{UNDER_LMK_ZMK};000") == "29"
