# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: a twin fits its profile, another one differs with a line to correct, no PIN is asked for unbidden."""

import asyncio
import dataclasses
from typing import Any

import pytest

from device_profiles.model import PadProfile, PinpadProfile
from device_profiles.twins.pinpad_cardholder import Behaviour
from protocols.serial.ipp import Display
from terminal_agent.pad.inspection import Finding, Verdict, inspect
from tests.device_profiles.twins.pads import ABECS, PROFILE, VERIFONE, abecs_pad, any_pad, pad, recorded_pad
from tests.terminal_agent.line.twin_line import TwinLine
from tests.virtual_time import run


def changed(profile: PinpadProfile = PROFILE, **knobs: Any) -> PinpadProfile:
    return dataclasses.replace(profile, dialect=dataclasses.replace(profile.dialect, **knobs))


def walked(twin: Any, profile: PadProfile = PROFILE, pin_s: float = 0.0) -> dict[str, Finding]:
    async def main() -> list[Finding]:
        line = TwinLine(twin)
        findings = await inspect(profile, line, pin_s=pin_s)
        assert not line.plugged
        return findings

    return {finding.subject: finding for finding in run(main())}


@pytest.mark.parametrize("profile", [PROFILE, VERIFONE, ABECS], ids=lambda profile: profile.model)
def test_a_twin_fits_its_own_profile(profile: PadProfile) -> None:
    twin, engine = any_pad(profile)
    findings = walked(twin, profile)
    assert {name: finding.verdict for name, finding in findings.items()} == {
        "line": Verdict.FITS,
        "identity": Verdict.FITS,
        "display": Verdict.FITS,
        "MAC": Verdict.FITS,
        "PIN entry": Verdict.UNTRIED,
    } | ({"proof": Verdict.FITS} if profile is ABECS else {})
    assert engine.made == []
    assert "TG" in findings["identity"].words


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [(Behaviour.RIGHT_PIN, "KSN FFFF9876543210E00001"), (Behaviour.CANCEL, "cancelled"), (Behaviour.SILENT, "in time")],
)
def test_a_pin_is_asked_for_when_told_to(behaviour: Behaviour, words: str) -> None:
    finding = walked(pad(behaviour), pin_s=20.0)["PIN entry"]
    assert finding.verdict is Verdict.FITS
    assert words in finding.words
    assert "7391" not in finding.words


def test_another_pad_differs_with_the_line_to_correct() -> None:
    findings = walked(pad(profile=changed(mac_slot="C")), changed(mac_slot="C"), pin_s=20.0)
    assert findings["MAC"].verdict is Verdict.DIFFERS
    assert "mac-slot" in findings["MAC"].cure
    findings = walked(pad(profile=VERIFONE), PROFILE, pin_s=20.0)
    assert findings["PIN entry"].verdict is Verdict.DIFFERS
    assert findings["PIN entry"].cure
    findings = walked(pad(profile=VERIFONE), changed(VERIFONE, mac_select="7"))
    assert findings["identity"].verdict is Verdict.DIFFERS
    assert "mac-select" in findings["identity"].cure


def test_a_display_that_is_not_ours_is_left_alone() -> None:
    assert walked(pad(), changed(display=Display.NOTHING))["display"].verdict is Verdict.UNTRIED


def test_nobody_there() -> None:
    class Silent:
        due = None

        def feed(self, octets: bytes, now: float) -> bytes:
            return b""

        def tick(self, now: float) -> bytes:
            return b""

    (finding,) = walked(Silent()).values()
    assert (finding.subject, finding.verdict) == ("line", Verdict.DIFFERS)
    assert "cable" in finding.cure


def test_a_pad_that_was_tampered_with() -> None:
    twin = pad()
    twin.tamper(0.0)
    finding = walked(twin)["identity"]
    assert finding.verdict is Verdict.DIFFERS
    assert "tampered" in finding.words
    assert "out of service" in finding.cure


@pytest.mark.parametrize("profile", [PROFILE, ABECS], ids=lambda profile: profile.model)
def test_a_cable_that_is_pulled_blames_no_line_of_the_profile(profile: PadProfile) -> None:
    async def main() -> list[Finding]:
        twin, _ = abecs_pad(None) if profile is ABECS else recorded_pad(Behaviour.SILENT)
        line = TwinLine(twin)
        asyncio.get_running_loop().call_later(5.0, line.unplug)
        return await inspect(profile, line, pin_s=30.0)

    found = {finding.subject: finding for finding in run(main())}
    assert "PIN entry" not in found
    assert found["MAC"].verdict is Verdict.FITS
    assert found["line"].words == "the pad was lost when it was asked for: PIN entry"
    assert "cable" in found["line"].cure
