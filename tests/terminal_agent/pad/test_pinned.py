# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: a pad that is not the one the profile names is not opened, and no block of it gets further."""

import dataclasses

import pytest

from device_profiles.model import PadProfile
from terminal_agent.config import PadDevice
from terminal_agent.pad.abecs import AbecsPad
from terminal_agent.pad.drivers import open_pad
from terminal_agent.pad.pinned import PadSwapped, pinned
from terminal_agent.pad.port import PinEntered
from tests.device_profiles.twins.pads import ABECS, IDENTITIES, PROFILE, TEST_PAN, VERIFONE, any_pad
from tests.terminal_agent.line.twin_line import TwinLine
from tests.virtual_time import run

PADS = pytest.mark.parametrize("profile", [PROFILE, VERIFONE, ABECS], ids=lambda profile: profile.model)
SERIALS = {"ipp-uic": "TGUIC0000001", "ipp-verifone": "TGVFI0000001", "abecs": "TGABE0000001"}
KSNS = {"ipp-uic": "FFFF9876543210E00000", "ipp-verifone": "FFFF9876543220E00009", "abecs": "FFFF9876543240E00000"}


@PADS
def test_the_right_pad(profile: PadProfile) -> None:
    async def main() -> None:
        pad = await pinned(
            await open_pad(profile, TwinLine(any_pad(profile)[0]), None, IDENTITIES.get(profile.model, "")),
            SERIALS[profile.model],
            KSNS[profile.model],
        )
        assert isinstance(await pad.enter_pin(TEST_PAN, "EUR 42.00", 30.0), PinEntered)
        assert len(await pad.mac(bytes(range(16)), b"data")) == 8
        await pad.show("EUR 1.00")
        await pad.cancel()
        await pad.close()

    run(main())


@PADS
def test_another_serial_number(profile: PadProfile) -> None:
    async def main() -> None:
        line = TwinLine(any_pad(profile)[0])
        with pytest.raises(PadSwapped, match=r"another pad is connected: serial number TG.*, TGUIC0000009 expected"):
            await pinned(await open_pad(profile, line), "TGUIC0000009", "")
        assert not line.plugged

    run(main())


@PADS
def test_another_key(profile: PadProfile) -> None:
    async def main() -> None:
        twin, engine = any_pad(profile)

        async def used() -> None:
            pad = await pinned(
                await open_pad(profile, TwinLine(twin), None, IDENTITIES.get(profile.model, "")),
                "",
                "FFFF1111111110E00000",
            )
            await pad.enter_pin(TEST_PAN, "EUR 42.00", 30.0)

        with pytest.raises(PadSwapped, match=r"another pad is connected: key FFFF98765432.*expected"):
            await used()
        assert engine.made == [], "a pad is asked for its KSN before a person is for a PIN"

    run(main())


def test_nothing_is_demanded_where_nothing_is_said() -> None:
    async def main() -> None:
        pad = await open_pad(PROFILE, TwinLine(any_pad(PROFILE)[0]))
        assert await pinned(pad, "", "") is pad
        await pad.close()

    run(main())


def test_the_profile() -> None:
    whole = PadDevice("ipp-uic", "/dev/ttyUSB1", "TGUIC0000001", KSNS["ipp-uic"])
    with pytest.raises(ValueError, match="ksn"):
        dataclasses.replace(whole, ksn="1234")


def test_a_pad_that_does_not_tell_its_ksn_is_caught_at_its_first_block(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(self: AbecsPad) -> None:
        return None

    monkeypatch.setattr(AbecsPad, "next_ksn", silent)

    async def main() -> None:
        twin, engine = any_pad(ABECS)
        pad = await pinned(await open_pad(ABECS, TwinLine(twin), None, IDENTITIES["abecs"]), "", "FFFF1111111110E00000")
        with pytest.raises(PadSwapped, match="another pad is connected: key FFFF98765432"):
            await pad.enter_pin(TEST_PAN, "EUR 42.00", 30.0)
        assert len(engine.made) == 1

    run(main())
