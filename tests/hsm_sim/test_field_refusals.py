# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What every command answers to a PIN block format, a table, a serial number or an account that it does not take."""

import pytest

from protocols.hsm.commands import COMMANDS
from protocols.hsm.layout import layout_of
from tests.hsm_sim.key_fields import sample
from tests.hsm_sim.trials import TRIALS, load
from tests.hsm_sim.world import VARIANT

load()
UNKNOWN_FORMATS = ("00", "06", "46", "49", "99")
KNOWN_FORMATS = ("02", "03", "04", "34", "35", "41", "42", "48")
"""Formats that exist, and that no TDES key may carry between hosts."""


def commands_with(*names: str) -> list[tuple[str, str]]:
    """Commands and fields of these names."""
    slots = ((code, slot.name) for code in sorted(TRIALS) for slot in layout_of(COMMANDS[code].request).slots)
    return [(code, name) for code, name in slots if name in names]


def answer(code: str, name: str, value: object) -> str:
    """What a command answers with another value in a field."""
    found = sample(code, VARIANT, ())
    command = found.with_fields({(name,): value})
    assert command is not None
    return found.world.ask(command)


@pytest.mark.parametrize(("code", "name"), commands_with("format", "source_format", "destination_format"))
def test_pin_block_formats(code: str, name: str) -> None:
    assert {answer(code, name, form) for form in UNKNOWN_FORMATS} == {"23"}
    assert {answer(code, name, form) for form in KNOWN_FORMATS} == {"69"}


@pytest.mark.parametrize(("code", "name"), [pair for pair in commands_with("table") if pair[0] != "LO"])
def test_tables_that_this_unit_did_not_encipher(code: str, name: str) -> None:
    assert {answer(code, name, table) for table in ("0123456789012345", "0" * 16, "FEDCBA9876543210")} == {"25"}


@pytest.mark.parametrize(("code", "name"), commands_with("ksn"))
def test_serial_numbers_that_no_device_sends(code: str, name: str) -> None:
    for counter in (0, 0x7FF, 0x1FFFFF):  # none, eleven and all bits of the counter set
        number = (0xFFFF << 64 | 0x1234 << 21 | counter).to_bytes(10, "big")
        assert answer(code, name, number) == "15", counter


@pytest.mark.parametrize(("code", "name"), commands_with("account", "pvv_account", "new_account"))
def test_accounts_are_decimal(code: str, name: str) -> None:
    found = sample(code, VARIANT, (), {"mode": "3"} if code == "RY" else {name: ""} if name == "pvv_account" else {})
    whole = found.with_fields({})
    right = getattr(found.request.fields, name)
    assert whole is not None
    assert right.encode() in whole
    place = whole.rindex(right.encode())
    assert found.world.ask(whole[:place] + b"A" + whole[place + 1 :]) == "15"
