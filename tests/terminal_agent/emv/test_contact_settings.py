# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The contact part of the profile's section [emv]: defaults that deny, what each mistake is told, what is claimed."""

from pathlib import Path

import pytest

from protocols.emv.bits import Tvr
from terminal_agent.emv import ContactApplication, EmvTerminal
from tests.terminal_agent.emv.contact_session import VISA, application, terminal
from tests.terminal_agent.emv.test_terminal import TOML
from tillguard.settings import load
from tillguard.voice import Fault

CONTACT = """
[[contact]]
aid = "A0000000031010"
application-version = "0096"
partial = true
floor-limit = 5000
cvm-limit = 0
tac-denial = "0010000000"
tac-online = "DC4004F800"
tac-default = "DC4000A800"
random-percent = 20
random-most-percent = 60
random-threshold = 1000
default-tdol = "9F0206"
"""


def read(folder: Path, text: str) -> EmvTerminal:
    path = folder / "emv.toml"
    path.write_text(text)
    return load(path, EmvTerminal)


def test_a_profile_without_contact_is_as_before(tmp_path: Path) -> None:
    assert read(tmp_path, TOML).contact == ()


def test_a_profile_is_read(tmp_path: Path) -> None:
    (listed,) = read(tmp_path, TOML + CONTACT).contact
    assert listed.name.hex().upper() == VISA
    assert listed.denial.hex == "0010000000"
    assert (listed.online.hex, listed.default.hex) == ("DC4004F800", "DC4000A800")


def test_defaults_let_nothing_pass_without_the_issuer() -> None:
    strict = ContactApplication(VISA)
    assert strict.denial == Tvr(0)
    assert strict.online.hex == strict.default.hex == "FFFFFFFFFF"
    assert (strict.floor_limit, strict.cvm_limit) == (0, 0)


@pytest.mark.parametrize(
    ("line", "change", "said"),
    [
        ('aid = "A0000000031010"\napp', 'aid = "A0"\napp', "aid: 10 to 32 hexadecimal digits"),
        ('tac-denial = "0010000000"', 'tac-denial = "00"', "tac-denial: 10 hexadecimal digits"),
        ('tac-online = "DC4004F800"', 'tac-online = "XX4004F800"', "tac-online: 10 hexadecimal digits"),
        ('tac-default = "DC4000A800"', 'tac-default = ""', "tac-default: 10 hexadecimal digits"),
        ("floor-limit = 5000", "floor-limit = -1", "floor-limit: 0 to"),
        ("cvm-limit = 0\ntac", "cvm-limit = -1\ntac", "cvm-limit: 0 to"),
        ("random-percent = 20", "random-percent = 61", "random-percent: 0 to random-most-percent"),
        ("random-most-percent = 60", "random-most-percent = 100", "random-percent: 0 to random-most-percent"),
        ("random-threshold = 1000", "random-threshold = 5001", "random-threshold: no more than the floor limit"),
        ('default-tdol = "9F0206"', 'default-tdol = "9F02"', "default-tdol"),
        ('default-tdol = "9F0206"', 'default-tdol = "9"', "default-tdol: 0 to 504 hexadecimal digits"),
        ("partial = true", "partially = true", "unknown key"),
        ("partial = true", "partial = 1", "a whole number found"),
    ],
)
def test_a_mistake_names_its_place(tmp_path: Path, line: str, change: str, said: str) -> None:
    assert line in TOML + CONTACT
    with pytest.raises(Fault) as caught:
        read(tmp_path, (TOML + CONTACT).replace(line, change))
    assert "contact[0]" in caught.value.what
    assert said in caught.value.what


def test_an_application_is_listed_once(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="contact: an application is listed twice"):
        read(tmp_path, TOML + CONTACT + CONTACT)
    with pytest.raises(ValueError, match="additional-capabilities"):
        terminal(additional_capabilities="60")


@pytest.mark.parametrize(
    ("claimed", "changes", "left"),
    [
        ("E04008", {}, "E04008"),
        ("E0F8E8", {"signature": True}, "E068E8"),
        ("E0F8E8", {}, "E048E8"),
        ("E0F8E8", {"online_pin": False}, "E008E8"),
        ("E0F8E8", {"offline_pin": True}, "E0C8E8"),
        ("E0F8E8", {"enciphered_pin": True}, "E058E8"),
    ],
)
def test_no_more_is_claimed_at_contact_than_is_there(claimed: str, changes: dict[str, object], left: str) -> None:
    assert terminal(capabilities=claimed, **changes).contact_capabilities.hex().upper() == left


@pytest.mark.parametrize(
    ("kind", "unattended", "cash_machine", "online"),
    [("22", False, False, True), ("23", False, False, False), ("25", True, False, True), ("14", True, True, True)],
)
def test_kinds_of_terminal(kind: str, unattended: bool, cash_machine: bool, online: bool) -> None:
    made = terminal(terminal_type=kind, additional_capabilities="E000F0A001", contact=(application(),))
    assert (made.unattended, made.cash_machine, made.can_go_online) == (unattended, cash_machine, online)
