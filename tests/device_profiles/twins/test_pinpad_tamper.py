# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: a pad that was opened holds no secret and does nothing but diagnostics, for ever."""

import asyncio

import pytest

from device_profiles.model import PinpadProfile
from device_profiles.twins.pinpad import BOOT_S, BROKEN_WORDS, TAMPERED_WORDS
from device_profiles.twins.pinpad_cardholder import Behaviour
from protocols.secret import Pin
from protocols.serial.ipp import Cancel, CheckKey, ReadSerial, RequestMac, RequestPin, ShowText
from protocols.serial.ipp_keys import Diagnose, Diagnosis, LoadMasterKey, ReadKsn
from terminal_agent.pad.ipp import TAMPERED, open_pad
from terminal_agent.pad.port import PadRefused
from tests.device_profiles.twins.master_pads import ACK, EOT, Bench, block, key_of
from tests.device_profiles.twins.pads import PROFILE, TEST_PAN, TEST_PIN, VERIFONE
from tests.terminal_agent.line.twin_line import TwinLine
from tests.virtual_time import run

DIALECTS = pytest.mark.parametrize("profile", [PROFILE, VERIFONE], ids=lambda profile: profile.model)


def test_only_diagnostics_answer_whatever_is_switched_off_and_on() -> None:
    bench = Bench()
    bench.twin.tamper(0.0)
    for _ in range(3):
        for request in (
            ReadSerial(),
            CheckKey("0"),
            ShowText("1.00"),
            RequestPin(TEST_PAN),
            ReadKsn(),
            RequestMac(True, 0, bytes(16), bytes(8)),
            LoadMasterKey("1", block(key_of("NEW"), "P0", "E")),
        ):
            assert bench.say(request) == ACK + EOT
        assert bench.say(Cancel()) == ACK
        assert bench.ask(Diagnose("01")) == Diagnosis("01", "1")
        assert bench.ask(Diagnose("00")) == Diagnosis("00", "0")
        bench.officers()
        assert not bench.twin.injection.active
        assert bench.twin.drain_shown()[-1].text == TAMPERED_WORDS
        bench.power_cycle()


def test_nothing_is_left() -> None:
    bench = Bench()
    pin = Pin.from_text(TEST_PIN)
    assert bench.keys.encipher_pin(pin, TEST_PAN) is not None
    bench.twin.tamper(0.0)
    assert bench.keys.encipher_pin(pin, TEST_PAN) is None
    assert list(bench.keys.masters.items()) == []
    assert [one.text for one in bench.twin.drain_noted()] == ["tampered with: all secrets erased"]


def test_a_whole_pad_says_so() -> None:
    bench = Bench()
    assert bench.ask(Diagnose("01")) == Diagnosis("01", "0")
    assert bench.ask(Diagnose("00")) == Diagnosis("00", "0")
    assert bench.ask(Diagnose("02")) == Diagnosis("02", "TILLGUARD TWIN")
    assert bench.say(Diagnose("77")) == ACK + EOT


def test_a_failed_self_test(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    monkeypatch.setattr("device_profiles.twins.pinpad_keys.KNOWN_CIPHER", bytes(8))
    bench.twin.power_on(0.0)
    bench.twin.tick(BOOT_S)
    assert bench.twin.drain_shown()[-1].text == BROKEN_WORDS
    assert bench.say(RequestPin(TEST_PAN)) == ACK + EOT
    assert bench.ask(Diagnose("00")) == Diagnosis("00", "1")


@DIALECTS
def test_the_driver_says_it_in_words(profile: PinpadProfile) -> None:
    async def main() -> None:
        bench = Bench(Behaviour.SILENT, profile)
        line = TwinLine(bench.twin)
        driver = await open_pad(profile if not profile.dialect.mac_select else VERIFONE_UNSELECTED, line)
        entry = asyncio.create_task(driver.enter_pin(TEST_PAN, "EUR 42.00", 30.0))
        await asyncio.sleep(1.0)
        line._answer(bench.twin.tamper(1.0))
        with pytest.raises(PadRefused) as caught:
            await entry
        assert caught.value.what == TAMPERED
        assert "out of service" in caught.value.hint
        for ask in (driver.enter_pin(TEST_PAN, "EUR 42.00", 30.0), driver.mac(bytes(16), b"data")):
            with pytest.raises(PadRefused, match="tampered"):
                await ask
        with pytest.raises(PadRefused, match="tampered"):
            await open_pad(profile, TwinLine(bench.twin))

    run(main())


def _without_selection() -> PinpadProfile:
    import dataclasses

    return dataclasses.replace(VERIFONE, dialect=dataclasses.replace(VERIFONE.dialect, mac_select=""))


VERIFONE_UNSELECTED = _without_selection()
