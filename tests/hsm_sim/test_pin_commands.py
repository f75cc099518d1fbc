# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""CA, CC, CM, DC, EC: values as psec and pydukpt compute them, refusals, and one answer for every bad PIN block."""

import pytest

from tests.hsm_sim import oracle
from tests.hsm_sim.conftest import Ask

ACCOUNT, OTHER_ACCOUNT = "550000025321", "550000025322"
TPK, ZPK, ZPK_2, PVK, BDK = (oracle.key() for _ in range(5))
TPK_1, ZPK_3 = oracle.key(8), oracle.key(24)
PVV = oracle.pvv(PVK, "1", "1234", ACCOUNT)


def tpk(clear: bytes = TPK) -> str:
    return oracle.under_lmk("002", clear)


def zpk(clear: bytes = ZPK) -> str:
    return oracle.under_lmk("001", clear)


def pvk(clear: bytes = PVK) -> str:
    return oracle.under_lmk("002", clear)


def bdk(clear: bytes = BDK) -> str:
    return oracle.under_lmk("009", clear)


@pytest.mark.parametrize("pin", ["1234", "98765", "123456789012"])
@pytest.mark.parametrize("destination", [ZPK, ZPK_3])
@pytest.mark.parametrize(
    ("command", "source_type", "source"),
    [("CA", "002", TPK), ("CA", "002", TPK_1), ("CC", "001", ZPK_2), ("CC", "001", ZPK_3)],
)
def test_translation(command: str, source_type: str, source: bytes, destination: bytes, pin: str, ask: Ask) -> None:
    keys = oracle.under_lmk(source_type, source) + zpk(destination)
    moved = ask(f"{command}{keys}12{oracle.block_0(source, pin, ACCOUNT)}0101{ACCOUNT}")
    assert moved == f"00{len(pin):02}{oracle.block_0(destination, pin, ACCOUNT)}01"
    to_3 = ask(f"{command}{keys}12{oracle.block_0(source, pin, ACCOUNT)}0147{ACCOUNT}")
    assert to_3[:4] + to_3[20:] == f"00{len(pin):02}47"
    assert oracle.pin_of_block_3(destination, to_3[4:20], ACCOUNT) == pin
    from_3 = ask(f"{command}{keys}12{oracle.block_3(source, pin, ACCOUNT)}4701{ACCOUNT}")
    assert from_3 == moved


@pytest.mark.parametrize(
    ("formats", "error"),
    [
        ("0105", "69"),
        ("4705", "69"),
        ("0134", "69"),
        ("3401", "69"),
        ("0301", "69"),
        ("4801", "69"),
        ("0100", "23"),
        ("9901", "23"),
    ],
)
def test_formats_that_lose_the_account_or_are_not_enabled(formats: str, error: str, ask: Ask) -> None:
    assert ask(f"CA{tpk()}{zpk()}12{oracle.block_0(TPK, '1234', ACCOUNT)}{formats}{ACCOUNT}") == error


def test_translation_refusals(ask: Ask) -> None:
    block = oracle.block_0(TPK, "1234", ACCOUNT)
    assert ask(f"CA{zpk()}{zpk()}12{block}0101{ACCOUNT}") == "10"
    assert ask(f"CA{tpk()}{tpk()}12{block}0101{ACCOUNT}") == "11"
    assert ask(f"CA{tpk(oracle.key(8) * 2)}{zpk()}12{block}0101{ACCOUNT}") == "75"
    assert ask(f"CA{tpk()}{zpk()}11{block}0101{ACCOUNT}") == "15"
    assert ask(f"CA{tpk()}{zpk()}12{block}0101{ACCOUNT[:-1]}A") == "15"
    assert ask(f"CA{tpk()}{zpk()}12{block[:-1]}Z0101{ACCOUNT}") == "15"
    assert ask(f"CA{tpk()}{zpk()}12{block}0101{ACCOUNT}0") == "15"


def test_every_bad_pin_block_has_one_answer(ask: Ask) -> None:
    blocks = {oracle.block_0(TPK, "1234", OTHER_ACCOUNT[::-1]), oracle.key(8).hex().upper(), "0" * 16}
    blocks |= {oracle.block_3(TPK, "1234", ACCOUNT)}
    for block in blocks:
        assert ask(f"CA{tpk()}{zpk()}12{block}0101{ACCOUNT}") == "20"
        assert ask(f"DC{tpk()}{pvk()}{block}01{ACCOUNT}1{PVV}") == "20"


@pytest.mark.parametrize(
    ("command", "code", "clear"), [("DC", "002", TPK), ("DC", "002", TPK_1), ("EC", "001", ZPK), ("EC", "001", ZPK_3)]
)
@pytest.mark.parametrize("pin", ["1234", "8604153"])
@pytest.mark.parametrize("index", ["0", "1", "9"])
def test_verification_by_pvv(command: str, code: str, clear: bytes, pin: str, index: str, ask: Ask) -> None:
    reference = oracle.pvv(PVK, index, pin[:4], ACCOUNT)
    wrong = f"{(int(reference) + 1) % 10000:04}"
    key, ecb_pvk = oracle.under_lmk(code, clear), oracle.under(oracle.lmk("002"), PVK, "X")
    for block, form in ((oracle.block_0(clear, pin, ACCOUNT), "01"), (oracle.block_3(clear, pin, ACCOUNT), "47")):
        assert ask(f"{command}{key}{pvk()}{block}{form}{ACCOUNT}{index}{reference}") == "00"
        assert ask(f"{command}{key}{ecb_pvk}{block}{form}{ACCOUNT}{index}{reference}") == "00"
        assert ask(f"{command}{key}{pvk()}{block}{form}{ACCOUNT}{index}{wrong}") == "01"


def test_a_published_pvv_with_a_published_block(ask: Ask) -> None:
    start = "DC0406FBB23A5214DF367930344805B1FAD6146EF4ED7502B3AE7A708F877571A9015500000253211"
    assert ask(start + "4402") == "00"
    assert ask(start + "3969") == "01"


@pytest.mark.parametrize(("command", "key"), [("DC", tpk()), ("EC", zpk())])
def test_verification_refusals(command: str, key: str, ask: Ask) -> None:
    block = oracle.block_0(TPK if command == "DC" else ZPK, "1234", ACCOUNT)
    other = zpk() if command == "DC" else tpk()
    assert ask(f"{command}{other}{pvk()}{block}01{ACCOUNT}1{PVV}") == "10"
    assert ask(f"{command}{key}{bdk()}{block}01{ACCOUNT}1{PVV}") == "11"
    assert ask(f"{command}{key}{pvk(oracle.key(24))}{block}01{ACCOUNT}1{PVV}") == "27"
    assert ask(f"{command}{key}{pvk()}{block}34{ACCOUNT}1{PVV}") == "69"
    assert ask(f"{command}{key}{pvk()}{block}98{ACCOUNT}1{PVV}") == "23"
    assert ask(f"{command}{key}{pvk()}{block}01{ACCOUNT}X{PVV}") == "15"


@pytest.mark.parametrize("counter", [1, 2, 3, 0x3FF, 0x1FF800, 0x10000, 0xFFC00])
@pytest.mark.parametrize("descriptor", ["605", "906"])
def test_cm_as_pydukpt_and_psec_compute_it(counter: int, descriptor: str, ask: Ask) -> None:
    ksn = (0xFFFF9876543210E00000 + counter).to_bytes(10, "big")
    block = oracle.dukpt_block(BDK, ksn, "1234", ACCOUNT)
    start = f"CM{bdk()}{pvk()}{descriptor}{ksn.hex().upper()}"
    assert ask(f"{start}{block}{ACCOUNT}1{PVV}") == "00"
    assert ask(f"{start}{block}{ACCOUNT}2{PVV}") == "01"
    wrong = oracle.dukpt_block(BDK, ksn, "1235", ACCOUNT)
    assert ask(f"{start}{wrong}{ACCOUNT}1{PVV}") == "01"
    assert ask(f"{start}{oracle.key(8).hex()}{ACCOUNT}1{PVV}") == "20"


def test_a_published_dukpt_block(ask: Ask) -> None:
    reference = oracle.pvv(PVK, "1", "1234", "401234567890")
    start = f"CMU8E3D3E2FD5919657F05A1AA90D32A014{pvk()}605FFFF9876543210E000011B9C1845EB993A7A"
    assert ask(f"{start}4012345678901{reference}") == "00"


@pytest.mark.parametrize("counter", [0, 0x7FF, 0x1FFFFF])
def test_a_counter_that_no_device_uses_is_refused(counter: int, ask: Ask) -> None:
    ksn = f"{0xFFFF9876543210E00000 + counter:020X}"
    assert ask(f"CM{bdk()}{pvk()}605{ksn}{'0' * 16}{ACCOUNT}1{PVV}") == "15"


def test_cm_refusals(ask: Ask) -> None:
    ksn = "FFFF9876543210E00001"
    block = oracle.dukpt_block(BDK, bytes.fromhex(ksn), "1234", ACCOUNT)
    assert ask(f"CM{zpk()}{pvk()}605{ksn}{block}{ACCOUNT}1{PVV}") == "10"
    assert ask(f"CM{bdk()}{zpk()}605{ksn}{block}{ACCOUNT}1{PVV}") == "11"
    assert ask(f"CM{bdk(oracle.key(24))}{pvk()}605{ksn}{block}{ACCOUNT}1{PVV}") == "27"
    assert ask(f"CM{bdk()}Z{pvk(oracle.key(8))}605{ksn}{block}{ACCOUNT}1{PVV}") == "27"
    assert ask(f"CM{bdk(oracle.key(8) * 2)}{pvk()}605{ksn}{block}{ACCOUNT}1{PVV}") == "75"
    assert ask(f"CM{bdk()}{pvk()}605{ksn[:-2]}XX{block}{ACCOUNT}1{PVV}") == "15"
    assert ask(f"CM{oracle.under(oracle.lmk('609'), BDK, 'U')}{pvk()}605{ksn}{block}{ACCOUNT}1{PVV}") == "10"
