# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Profiles of readers: each can be read, says what it rests on, and is found by the name that its reader has."""

import pytest

from device_profiles import catalog
from device_profiles.model import CardInterface, LineSettings, ReaderProfile, ReaderProtocol, Tier

NAMES = {
    "ACS ACR122U PICC Interface 00 00": "acr122u",
    "ACS ACR1252 1S CL Reader [ACR1252 Dual Reader PICC] 00 00": "acr1252u",
    "ACS ACR1252 1S CL Reader [ACR1252 Dual Reader SAM] 01 00": None,
    "ACS ACR39U ICC Reader 00 00": "acr39u",
    "HID Global OMNIKEY 5022 Smart Card Reader [OMNIKEY 5022 Smart Card Reader] (KD0123) 00 00": "omnikey-5022",
    "HID Global OMNIKEY 3x21 Smart Card Reader [OMNIKEY 3x21 Smart Card Reader] 00 00": "omnikey-3x21",
    "Identiv uTrust 3700 F CL Reader [uTrust 3700 F CL Reader] (5500) 00 00": "utrust-3700f",
    "SCM Microsystems Inc. SCR 3310 [CCID Interface] (53311) 00 00": "scr3310",
    "Gemalto PC Twin Reader (70D7E2EE) 00 00": "gempc-twin",
    "Gemalto GemPC Pinpad Smart Card Reader (3F1) 00 00": "gempc-pinpad",
    "Gemplus GemCore POS Pro Smart Card Reader 00 00": "gemcore-pos-pro",
    "Gemplus GemCore POS Pro Smart Card Reader 00 03": None,
    "Unheard Of Reader 00 00": None,
}


@pytest.mark.parametrize(("name", "model"), NAMES.items())
def test_a_reader_is_known_by_its_name(name: str, model: str | None) -> None:
    found = catalog.reader_of(name)
    assert (found.model if found else None) == model


@pytest.mark.parametrize("model", catalog.names("readers"))
def test_every_profile_says_what_it_rests_on(model: str) -> None:
    profile = catalog.reader(model)
    assert profile.tier is not Tier.SEEN  # nobody has, so far
    if profile.tier is not Tier.GENERIC:
        assert profile.usb
        assert profile.quirks
    if profile.pcsc.interface is CardInterface.CONTACTLESS:
        assert [one.value for one in profile.pcsc.protocols] == ["T=1"]


def test_numbers_and_escapes_are_checked() -> None:
    for wrong in ({"usb": ("072f:2200",)}, {"escapes": {"led": "FF0"}}):
        with pytest.raises(ValueError):
            ReaderProfile("own", "own", ReaderProtocol.PN532, LineSettings(115200), **wrong)  # type: ignore[arg-type]
