# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: a key comes into a pad in an authentic key block, or in clear past two officers."""

import pydukpt
import pytest

from device_profiles.twins.pinpad import BOOT_S, IDLE_WORDS
from device_profiles.twins.pinpad_cardholder import Key
from protocols.secret import ClearKey
from protocols.serial.framer import Envelope, Packet
from protocols.serial.ipp import CheckKey, KeyPresence, PinBlock, ReadSerial, RequestPin, SerialNumber
from protocols.serial.ipp_keys import (
    InitialKeyResult,
    KeySerialNumber,
    LoadInitialKey,
    LoadMasterKey,
    MasterKeyEcho,
    MasterKeyRefusal,
    ReadKsn,
    SelectEngine,
)
from terminal_agent.pad.ipp import IppPad, open_pad
from terminal_agent.pad.port import PadRefused
from tests.device_profiles.twins.master_pads import ACK, EOT, Bench, block, key_of, with_loading_key
from tests.device_profiles.twins.pads import PROFILE, TEST_PAN, TEST_PIN
from tests.terminal_agent.line.twin_line import TwinLine
from tests.virtual_time import run

NEW, OTHER = key_of("NEW"), key_of("OTHER")
KSN = bytes.fromhex("FFFF9876543260E00000")


def held(bench: Bench, slot: str) -> str | None:
    reply = bench.ask(CheckKey(slot))
    assert isinstance(reply, KeyPresence)
    return reply.attributes if reply.present else None


@pytest.mark.parametrize(
    ("slot", "usage", "mode"),
    [("1", "P0", "E"), ("2", "K0", "B"), ("C", "M3", "C"), ("D", "M1", "G"), ("G", "D0", "E")],
)
@pytest.mark.parametrize("version", ["A", "B", "C"])
def test_a_key_block_is_taken(slot: str, usage: str, mode: str, version: str) -> None:
    bench = Bench()
    assert isinstance(bench.ask(LoadMasterKey(slot, block(NEW, usage, mode, version=version))), MasterKeyEcho)
    assert held(bench, slot) == usage + mode
    bench.power_cycle()
    assert held(bench, slot) == usage + mode


# UIC PP791 user's manual, key block examples; recomputed with psec.
@pytest.mark.parametrize(
    ("protection", "text", "clear"),
    [
        (
            "19191919191919195B5B5B5B5B5B5B5B",
            "B0080P0TE00N00003C4F5024C59C182F7165BC870FCB7F63456AAE07DB736C32EA391E5834C1AA0C",
            "AA55AA55AA55AA553434343434343434",
        ),
        (
            "19191919191919195B5B5B5B5B5B5B5B",
            "A0072K0TD00N00007D2D21FC9ECD3EECBB0A2615BD8F05605722120BDFF2CCAC319C3918",
            "AA55AA55AA55AA553434343434343434",
        ),
        (
            "0123456789ABCDEFFEDCBA9876543210",
            "A0072K0TD00N0000D078A2657E5B57972CD3D308E05E1FE519B316309AA6354A668071B5",
            "89E88CF7931444F334BD7547FC3F380C",
        ),
    ],
)
def test_the_manuals_key_blocks(protection: str, text: str, clear: str) -> None:
    bench = Bench(load=with_loading_key(bytes.fromhex(protection)))
    assert isinstance(bench.ask(LoadMasterKey("1", text)), MasterKeyEcho)
    master = bench.keys.masters.get("1")
    assert master is not None
    assert master.key == ClearKey(bytes.fromhex(clear))


def _altered(text: str) -> str:
    return text[:-1] + ("0" if text[-1] != "0" else "1")


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (LoadMasterKey("1", block(NEW, "P0", "E", key_of("another"))), "C"),
        (LoadMasterKey("1", _altered(block(NEW, "P0", "E"))), "C"),
        (LoadMasterKey("1", block(NEW, "P0", "E").replace("P0TE", "M3TE")), "C"),
        (LoadMasterKey("1", block(NEW, "M3", "G")), "6"),
        (LoadMasterKey("B", block(NEW, "P0", "E")), "6"),
        (LoadMasterKey("F", block(NEW, "P0", "E")), "6"),
        (LoadMasterKey("Z", block(NEW, "P0", "E")), "6"),
        (LoadMasterKey("1", block(key_of("TMK-MAC"), "P0", "E")), "8"),
        (LoadMasterKey("1", block(key_of("KLK"), "P0", "E")), "8"),
        (LoadMasterKey("1", block(key_of("NEW", 24), "P0", "E")), "B"),
        (LoadMasterKey("1", block(NEW[:8] * 2, "P0", "E")), "9"),
        (LoadMasterKey("1", "B0080P0TE00N0000" + "0" * 60), "A"),
        (LoadMasterKey("1", "", ClearKey(NEW), "P0E"), "1"),
    ],
)
def test_what_is_refused(request_: LoadMasterKey, code: str) -> None:
    bench = Bench()
    before = bench.keys.memory()
    assert bench.ask(request_) == MasterKeyRefusal(code)
    assert bench.keys.memory() == before


def test_without_a_loading_key() -> None:
    bench = Bench()
    bench.keys.wipe_masters()
    assert bench.ask(LoadMasterKey("1", block(NEW, "P0", "E"))) == MasterKeyRefusal("D")


def test_a_host_that_does_not_commit() -> None:
    bench = Bench()
    assert bench.say(LoadMasterKey("1", block(NEW, "P0", "E"))).startswith(ACK)
    assert bench.twin.feed(EOT, 0.0) == b""
    assert held(bench, "1") is None


def test_clear_keys_past_two_officers() -> None:
    bench = Bench()
    bench.officers()
    assert bench.twin.drain_shown()[-1].text == "KEY INJECTION"
    assert isinstance(bench.ask(LoadMasterKey("1", "", ClearKey(NEW), "P0E")), MasterKeyEcho)
    assert bench.keys.masters.get("0") is None, "the keys of before are gone"
    assert isinstance(bench.ask(LoadMasterKey("C", "", ClearKey(OTHER))), MasterKeyEcho)
    assert bench.ask(LoadMasterKey("D", "", ClearKey(OTHER))) == MasterKeyRefusal("8")
    assert bench.ask(LoadInitialKey(0, "", ClearKey(key_of("IPEK")), KSN)) == InitialKeyResult(0)
    assert held(bench, "1") == "P0E"
    assert held(bench, "C") == "M3B"


@pytest.mark.parametrize(
    "passwords", [("1234567", "1234567"), ("7654321", "1234567"), ("1234567", "7654320"), ("0000000", "7654321")]
)
def test_a_wrong_password(passwords: tuple[str, ...]) -> None:
    bench = Bench()
    bench.officers(*passwords)
    assert bench.ask(LoadMasterKey("1", "", ClearKey(NEW), "P0E")) == MasterKeyRefusal("1")


def _any_message(bench: Bench) -> None:
    assert bench.ask(ReadSerial()) == SerialNumber("TGUIC0000002")


def _garbage(bench: Bench) -> None:
    bench.twin.feed(Packet(Envelope.TRANSACTION, b"99").encode(), bench.now)


def _a_minute(bench: Bench) -> None:
    assert bench.twin.due == bench.now + 60
    bench.now += 60
    bench.twin.tick(bench.now)


def _a_quarter_of_an_hour(bench: Bench) -> None:
    opened = bench.now
    while bench.now < opened + 900:
        assert bench.twin.injection.open
        bench.twin.injection.loaded(bench.now)
        bench.now += 50
    bench.twin.tick(bench.now)


def _cancel_key(bench: Bench) -> None:
    bench.twin.press(Key.CANCEL, bench.now)


@pytest.mark.parametrize("end", [_any_message, _garbage, _a_minute, _a_quarter_of_an_hour, _cancel_key])
def test_the_injection_mode_ends(end: object) -> None:
    assert callable(end)
    bench = Bench()
    bench.officers()
    end(bench)
    assert bench.twin.drain_shown()[-1].text == IDLE_WORDS
    assert bench.ask(LoadMasterKey("1", "", ClearKey(NEW), "P0E")) == MasterKeyRefusal("1")
    assert bench.keys.masters.get("0") is not None


def test_a_pad_without_officers_has_no_injection_mode() -> None:
    import dataclasses

    from device_profiles.pinpad_load import load_pinpad

    bench = Bench(load=dataclasses.replace(load_pinpad("test-bank-masters"), test_passwords=()))
    bench.officers()
    assert bench.ask(LoadMasterKey("1", "", ClearKey(NEW), "P0E")) == MasterKeyRefusal("1")


def test_a_second_dukpt_engine() -> None:
    bench = Bench()
    initial = pydukpt.derive_ipek(key_of("BDK"), KSN)
    assert bench.ask(SelectEngine(1)) == ACK + EOT
    assert bench.ask(LoadInitialKey(1, block(initial, "B1", "X", KS=KSN.hex().upper()))) == InitialKeyResult(1)
    assert bench.ask(ReadKsn()) == KeySerialNumber(bytes.fromhex("FFFF9876543250E00001"))
    assert bench.ask(SelectEngine(1)) == ACK
    assert bench.ask(ReadKsn()) == KeySerialNumber(bytes.fromhex("FFFF9876543260E00001"))
    bench.power_cycle()
    answer = bench.ask(RequestPin(TEST_PAN))
    assert isinstance(answer, PinBlock)
    assert answer.ksn == bytes.fromhex("FFFF9876543260E00001")
    assert pydukpt.decrypt_pin(pydukpt.derive_key(initial, answer.ksn), answer.block, TEST_PAN.digits) == TEST_PIN


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (LoadInitialKey(0, block(NEW, "B1", "X")), "A"),
        (LoadInitialKey(0, block(NEW, "B0", "X", KS=KSN.hex().upper())), "6"),
        (LoadInitialKey(0, block(NEW, "B1", "X", KS="FFFF9876543260E00001")), "F"),
        (LoadInitialKey(1, block(NEW, "B1", "X", key_of("another"), KS=KSN.hex().upper())), "C"),
        (LoadInitialKey(1, "", ClearKey(NEW), KSN), "1"),
    ],
)
def test_initial_keys_that_are_refused(request_: LoadInitialKey, code: str) -> None:
    bench = Bench()
    before = bench.keys.memory()
    assert bench.ask(request_) == InitialKeyResult(request_.engine, code)
    assert bench.keys.memory() == before


def test_the_driver_loads_key_blocks() -> None:
    async def main() -> None:
        bench = Bench()
        driver = await open_pad(PROFILE, TwinLine(bench.twin))
        assert isinstance(driver, IppPad)
        await driver.load_key_block("1", block(NEW, "P0", "E"))
        assert bench.keys.masters.get("1") is not None
        with pytest.raises(PadRefused, match="the pad has that key already"):
            await driver.load_key_block("2", block(NEW, "P0", "E"))
        await driver.load_initial_key(0, block(OTHER, "B1", "X", KS=KSN.hex().upper()))
        assert await driver.next_ksn() == bytes.fromhex("FFFF9876543260E00001")
        with pytest.raises(PadRefused, match="not authentic"):
            await driver.load_initial_key(0, block(OTHER, "B1", "X", NEW, KS=KSN.hex().upper()))
        await driver.close()

    run(main())


def test_a_pad_that_boots_answers_what_it_heard_meanwhile() -> None:
    bench = Bench()
    bench.twin.power_on(0.0)
    assert bench.twin.due == BOOT_S
    assert bench.say(ReadSerial()) == b""
    said = bench.twin.tick(BOOT_S)
    assert said.startswith(ACK)
    assert [one.text for one in bench.twin.drain_shown()] == [IDLE_WORDS, "SELF TEST", IDLE_WORDS]
