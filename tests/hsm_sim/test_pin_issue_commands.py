# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""PINs under the LMK, PVVs, offsets and PIN change, as psec computes them; and what an issuer's unit refuses."""

from collections.abc import Callable

import pytest

from hsm_sim.engine.wrapping import VariantLmk
from protocols.hsm.codes import ErrorCode
from tests.hsm_sim import oracle
from tests.hsm_sim.asking import Ask, asking

ACCOUNT, OTHER = "550000025321", "550000025322"
TABLE, VALIDATION = "0123456789012345", "5500000253N9"
SPREAD = VALIDATION.replace("N", ACCOUNT[-5:])
TPK, ZPK, PVK = oracle.key(), oracle.key(), oracle.key()
BDK, KSN = oracle.key(), "FFFF9876543210E00007"
UNDER_LMK = {"TPK": oracle.under_lmk("002", TPK), "ZPK": oracle.under_lmk("001", ZPK)}
PVK_FIELD, BDK_FIELD = oracle.under_lmk("002", PVK), oracle.under_lmk("009", BDK)
PINS = ["1234", "86041", "123456789012"]


@pytest.fixture(scope="module")
def ask() -> Ask:
    return asking(clear_pins=True, encrypted_tables=False, account_change=True)


def kept(ask: Ask, pin: str, account: str = ACCOUNT) -> str:
    answer = ask(f"BA{pin.ljust(13, 'F')}{account}")
    assert answer[:2] == "00"
    return answer[2:]


@pytest.mark.parametrize("pin", PINS)
def test_a_clear_pin_goes_in_and_comes_out(pin: str, ask: Ask) -> None:
    under_lmk = kept(ask, pin)
    assert len(under_lmk) == 13
    assert under_lmk.isdigit()
    assert ask(f"NG{ACCOUNT}{under_lmk}") == "00" + pin.ljust(13, "F")
    assert ask(f"NG{OTHER}{under_lmk}") != "00" + pin.ljust(13, "F")
    shut = asking()
    assert shut(f"BA{pin.ljust(13, 'F')}{ACCOUNT}") == "17"
    assert shut(f"NG{ACCOUNT}{under_lmk}") == "17"


@pytest.mark.parametrize("pin", PINS)
@pytest.mark.parametrize(("command", "key", "clear"), [("JC", "TPK", TPK), ("JE", "ZPK", ZPK)])
@pytest.mark.parametrize(("make", "form"), [(oracle.block_0, "01"), (oracle.block_3, "47")])
def test_a_block_goes_under_the_lmk_and_back(
    command: str, key: str, clear: bytes, make: Callable[[bytes, str, str], str], form: str, pin: str, ask: Ask
) -> None:
    under_lmk = ask(f"{command}{UNDER_LMK[key]}{make(clear, pin, ACCOUNT)}{form}{ACCOUNT}")
    assert under_lmk == "00" + kept(ask, pin)
    sent = ask(f"JG{UNDER_LMK['ZPK']}01{ACCOUNT}{under_lmk[2:]}")
    assert sent == "00" + oracle.block_0(ZPK, pin, ACCOUNT)
    to_3 = ask(f"JG{UNDER_LMK['ZPK']}47{ACCOUNT}{under_lmk[2:]}")
    assert oracle.pin_of_block_3(ZPK, to_3[2:], ACCOUNT) == pin
    assert ask(f"JG{UNDER_LMK['ZPK']}05{ACCOUNT}{under_lmk[2:]}") == "69"


@pytest.mark.parametrize("length", range(4, 13))
def test_random_pins_have_the_length_asked_for(length: int, ask: Ask) -> None:
    made = {ask(f"NG{ACCOUNT}{ask(f'JA{ACCOUNT}{length:02}')[2:]}") for _ in range(20)}
    assert all(answer[:2] == "00" and len(answer[2:].rstrip("F")) == length for answer in made)
    assert len(made) > 10


def test_random_pins_leave_out_the_excluded_ones(ask: Ask) -> None:
    few = "".join(f"{number:04}" for number in range(20))
    drawn = asking(random=_counting(), clear_pins=True)
    made = drawn(f"JA{ACCOUNT}04*2004{few}")
    assert made[:2] == "00"
    assert drawn(f"NG{ACCOUNT}{made[2:]}")[2:6] not in [few[start : start + 4] for start in range(0, 80, 4)]
    assert ask(f"JA{ACCOUNT}03") == "24"
    assert ask(f"JA{ACCOUNT}13") == "24"


def _counting() -> Callable[[int], bytes]:
    """Octets that give the PINs 0000, 0001, 0002, …"""
    numbers = iter(range(10_000))

    def random(count: int) -> bytes:
        return bytes(map(int, f"{next(numbers):0{count}}")) if count == 4 else bytes(count)

    return random


def test_a_pin_moves_to_another_account_only_where_that_is_permitted(ask: Ask) -> None:
    under_lmk = kept(ask, "1234")
    moved = ask(f"QK{under_lmk}{ACCOUNT}{OTHER}")
    assert moved == "00" + kept(ask, "1234", OTHER)
    assert asking()(f"QK{under_lmk}{ACCOUNT}{OTHER}") == "29"


def test_a_pin_comes_from_under_the_lmk_before() -> None:
    ask = asking(old_lmk=True, clear_pins=True)

    before = asking(lmks={"00": VariantLmk.of_old_test_keys()}, clear_pins=True)
    assert ask(f"BG{ACCOUNT}{kept(before, '1234')}") == "00" + kept(ask, "1234")
    assert asking()(f"BG{ACCOUNT}{kept(before, '1234')}") == "33"


@pytest.mark.parametrize(("command", "key", "clear"), [("BC", "TPK", TPK), ("BE", "ZPK", ZPK)])
def test_comparison(command: str, key: str, clear: bytes, ask: Ask) -> None:
    block = oracle.block_0(clear, "86041", ACCOUNT)
    assert ask(f"{command}{UNDER_LMK[key]}{block}01{ACCOUNT}{kept(ask, '86041')}") == "00"
    assert ask(f"{command}{UNDER_LMK[key]}{block}01{ACCOUNT}{kept(ask, '8604')}") == "01"
    assert ask(f"{command}{UNDER_LMK[key]}{block}01{ACCOUNT}{kept(ask, '86042')}") == "01"
    assert ask(f"{command}{UNDER_LMK[key]}{oracle.key(8).hex()}01{ACCOUNT}{kept(ask, '86041')}") == "20"


@pytest.mark.parametrize("pin", PINS)
def test_offsets_of_pins(pin: str, ask: Ask) -> None:
    for digits in range(4, len(pin) + 1):
        right = oracle.ibm_offset(PVK, TABLE, SPREAD, pin[:digits])
        scheme = f"{digits:02}{ACCOUNT}{TABLE}{VALIDATION}"
        assert ask(f"DE{PVK_FIELD}{kept(ask, pin)}{scheme}") == "00" + right.ljust(12, "F")
        block = oracle.block_0(ZPK, pin, ACCOUNT)
        assert ask(f"BK001{UNDER_LMK['ZPK']}{PVK_FIELD}{block}01{scheme}") == "00" + right.ljust(12, "F")
        assert ask(f"EE{PVK_FIELD}{right.ljust(12, 'F')}{scheme}") == "00" + kept(ask, pin[:digits])
        natural = oracle.ibm_pin(PVK, TABLE, SPREAD, "0" * digits)
        assert ask(f"EE{PVK_FIELD}{('0' * digits).ljust(12, 'F')}{scheme}") == "00" + kept(ask, natural)


def verifications(pin: str, offset: str, digits: int, tail: str = "") -> dict[str, str]:
    """The four commands that check a PIN by its offset."""
    scheme = f"{ACCOUNT}{TABLE}{VALIDATION}{offset.ljust(12, 'F')}"
    dukpt = oracle.dukpt_block(BDK, bytes.fromhex(KSN), pin, ACCOUNT)
    zone, terminal = oracle.block_0(ZPK, pin, ACCOUNT), oracle.block_0(TPK, pin, ACCOUNT)
    return {
        "DA": f"DA{UNDER_LMK['TPK']}{PVK_FIELD}12{terminal}01{digits:02}{scheme}",
        "EA": f"EA{UNDER_LMK['ZPK']}{PVK_FIELD}12{zone}01{digits:02}{scheme}",
        "CK": f"CK{BDK_FIELD}{PVK_FIELD}605{KSN}{dukpt}{digits:02}{scheme}",
        "GO": f"GO0{BDK_FIELD}{PVK_FIELD}605{KSN}{dukpt}01{digits:02}{scheme}",
    }


@pytest.mark.parametrize("command", ["DA", "EA", "CK", "GO"])
@pytest.mark.parametrize("pin", PINS)
def test_verification_by_offset(command: str, pin: str, ask: Ask) -> None:
    for digits in range(4, len(pin) + 1):
        right = oracle.ibm_offset(PVK, TABLE, SPREAD, pin[:digits])
        wrong = f"{(int(right) + 1) % 10**digits:0{digits}}"
        assert ask(verifications(pin, right, digits)[command]) == "00"
        assert ask(verifications(pin, wrong, digits)[command]) == "01"
    assert ask(verifications(pin, "0" * 12, 12)[command]) == "01"


def test_pvvs_of_pins(ask: Ask) -> None:
    for pin in PINS:
        for index in "1239":
            right = oracle.pvv(PVK, index, pin[:4], ACCOUNT)
            block = oracle.block_0(TPK, pin, ACCOUNT)
            assert ask(f"DG{PVK_FIELD}{kept(ask, pin)}{ACCOUNT}{index}") == "00" + right
            assert ask(f"FW002{UNDER_LMK['TPK']}{PVK_FIELD}{block}01{ACCOUNT}{index}") == "00" + right
            dukpt = oracle.dukpt_block(BDK, bytes.fromhex(KSN), pin, ACCOUNT)
            start = f"GQ0{BDK_FIELD}{PVK_FIELD}605{KSN}{dukpt}01{ACCOUNT}"
            assert ask(f"{start}{index}{right}") == "00"
            assert ask(f"{start}{index}{(int(right) + 1) % 10_000:04}") == "01"
            of_other = oracle.pvv(PVK, index, pin[:4], OTHER)
            assert ask(f"{start};{OTHER}{index}{of_other}") == "00"


def test_a_change_needs_the_current_pin(ask: Ask) -> None:
    current, new = oracle.block_0(ZPK, "1234", ACCOUNT), oracle.block_0(ZPK, "987654", ACCOUNT)
    old_pvv, new_pvv = (oracle.pvv(PVK, "1", pin, ACCOUNT) for pin in ("1234", "9876"))
    start = f"CU001{UNDER_LMK['ZPK']}{PVK_FIELD}{current}01{ACCOUNT}1"
    assert ask(f"{start}{old_pvv}{new}") == "00" + new_pvv
    assert ask(f"{start}{(int(old_pvv) + 1) % 10_000:04}{new}") == "01"
    assert ask(f"{start}{old_pvv}{oracle.key(8).hex()}") == "20"
    old_offset, new_offset = (oracle.ibm_offset(PVK, TABLE, SPREAD, pin) for pin in ("1234", "9876"))
    start = f"DU001{UNDER_LMK['ZPK']}{PVK_FIELD}{current}0104{ACCOUNT}{TABLE}{VALIDATION}"
    assert ask(f"{start}{old_offset}FFFFFFFF{new}") == f"00{new_offset}FFFFFFFF"
    assert ask(f"{start}{(int(old_offset) + 1) % 10_000:04}FFFFFFFF{new}") == "01"


@pytest.mark.parametrize("pins", ["0112349876", "1"])
def test_excluded_pins_of_a_request(pins: str, ask: Ask) -> None:
    start = f"DE{PVK_FIELD}{kept(ask, '1234')}04{ACCOUNT}{TABLE}{VALIDATION}"
    assert ask(f"{start}*02041234{'9876'}") == "86"
    assert ask(f"{start}*01049876")[:2] == "00"
    assert ask(f"{start}*{pins}") in {"03", "15", "24"}


def test_tables_bare_enciphered_and_bad() -> None:
    bare, closed = asking(encrypted_tables=False, clear_pins=True), asking(clear_pins=True)
    sealed = closed(f"LO{TABLE}")[2:]
    assert sealed != TABLE
    start = f"DE{PVK_FIELD}{kept(bare, '1234')}04{ACCOUNT}"
    right = bare(f"{start}{TABLE}{VALIDATION}")
    assert closed(f"{start}{sealed}{VALIDATION}") == right
    assert right[:2] == "00"
    assert closed(f"{start}{TABLE}{VALIDATION}") == "25"
    for bad in ("0" * 16, "0000000000000001", "0123456012345601", "0123456711111222", "01234ABCDEF56789"):
        assert closed(f"LO{bad}") == ("25" if bad.isdigit() else "15")
        assert bare(f"{start}{bad}{VALIDATION}") == "25"
    assert closed("LO0123456701234567")[:2] == "00"
    loose = asking(encrypted_tables=False, table_checks=False, clear_pins=True)
    assert loose(f"{start}{'0' * 16}{VALIDATION}")[:2] == "00"


@pytest.mark.parametrize("validation", ["P" + "5500000253219999", "5500000253N9"])
def test_validation_data_in_both_forms(validation: str, ask: Ask) -> None:
    spread = validation[1:] if validation[0] == "P" else SPREAD
    right = oracle.ibm_offset(PVK, TABLE, spread, "1234")
    assert ask(f"DE{PVK_FIELD}{kept(ask, '1234')}04{ACCOUNT}{TABLE}{validation}") == f"00{right}FFFFFFFF"


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (f"BA{'123FFFFFFFFFF'}{ACCOUNT}", "24"),
        (f"BA{'1234567890123'}{ACCOUNT}", "24"),
        (f"BA{'12F4FFFFFFFFF'}{ACCOUNT}", "15"),
        (f"NG{ACCOUNT}{'0' * 12}A", "15"),
        (f"DE{PVK_FIELD}{'0' * 13}03{ACCOUNT}{TABLE}{VALIDATION}", "15"),
        (f"DE{PVK_FIELD}{'0' * 13}04{ACCOUNT}{TABLE}{'5' * 12}", "15"),
        (f"BK003{UNDER_LMK['ZPK']}{PVK_FIELD}{'0' * 16}0104{ACCOUNT}{TABLE}{VALIDATION}", "28"),
        (f"BK001{UNDER_LMK['ZPK']}{PVK_FIELD}{'0' * 16}9904{ACCOUNT}{TABLE}{VALIDATION}", "23"),
        (f"BK001{UNDER_LMK['ZPK']}{PVK_FIELD}{'0' * 16}0204{ACCOUNT}{TABLE}{VALIDATION}", "69"),
        (f"JC{UNDER_LMK['TPK']}{'0' * 16}01{ACCOUNT}", "20"),
    ],
)
def test_refusals(command: str, error: str, ask: Ask) -> None:
    assert ErrorCode(error)
    assert ask(command) == error


def test_most_texts_are_no_pin_under_the_lmk(ask: Ask) -> None:
    answers = [ask(f"NG{ACCOUNT}{number:013}")[:2] for number in range(200)]
    assert set(answers) <= {"14", "00"}
    assert answers.count("00") < 40


@pytest.mark.parametrize("length", [4, 6, 12])
def test_units_with_other_pin_lengths(length: int) -> None:
    ask = asking(clear_pins=True, pin_length=length)
    pin = "1234567890123"[:length]
    made = ask(f"BA{pin.ljust(length + 1, 'F')}{ACCOUNT}")
    assert len(made) == 2 + length + 1
    assert ask(f"NG{ACCOUNT}{made[2:]}") == "00" + pin.ljust(length + 1, "F")
    assert ask(f"JA{ACCOUNT}{length + 1:02}") == "24"
