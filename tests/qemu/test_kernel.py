# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""On a real kernel with a real USB stack: no unlisted device is live for a moment, and none of its keys is heard."""

from typing import Any

import pytest

from tests.qemu.conftest import Answers

LOCKED_ROOT = "0 0"  # both defaults of a root hub


def test_the_proof_bites_an_unguarded_machine_is_open(answers: Answers) -> None:
    at_boot, typed = answers("open", "at_boot"), answers("open", "types_unguarded")
    assert at_boot["inputs"] != []
    assert any("Keyboard" in line for line in at_boot["log"])
    assert typed["console"] >= 20
    assert typed["events"] >= 20


def test_without_the_kernel_argument_the_warden_says_so_and_bars_what_lived(answers: Answers) -> None:
    found = answers("open", "at_boot")
    assert any("usbcore.authorized_default=0 is missing" in one for one in found["alarms"])
    assert (found["verdict"], found["after"]) == (["block implicit"], [])


def test_a_keyboard_at_power_on_never_lives(answers: Answers) -> None:
    found = answers("locked", "at_boot")
    assert (found["inputs"], found["log"], found["after"]) == ([], [], [])
    assert found["verdict"] == ["block implicit"]
    assert found["fences"] == ["all stand"]
    assert set(found["roots"]) == {LOCKED_ROOT}
    assert not any("kernel argument" in one for one in found["alarms"])


def unlisted(found: dict[str, Any]) -> None:
    assert (found["verdict"], found["authorized"]) == ("block implicit", "0")
    assert (found["live"], found["inputs"]) == ([], [])
    assert found["hash"].startswith("v2:")
    assert found["policy"]


def test_hot_plug_lets_in_what_a_rule_names_and_nothing_else(answers: Answers) -> None:
    found = answers("locked", "plugged")
    unlisted(found["keyboard"])
    assert (found["mouse"]["verdict"], found["mouse"]["authorized"]) == ("allow mouse", "1")
    assert len(found["mouse"]["inputs"]) == 1
    assert any("/input/" in one for one in found["mouse"]["live"])


def test_a_late_host_controller_is_locked_without_the_argument_too(answers: Answers) -> None:
    found = answers("open", "late_controller")
    assert found["controllers"] >= 1
    assert set(found["roots"]) == {LOCKED_ROOT}


def test_kill_9_opens_nothing_and_the_next_warden_judges(answers: Answers) -> None:
    found = answers("locked", "killed")
    assert (found["meanwhile"]["authorized"], found["meanwhile"]["live"]) == ("0", [])
    assert set(found["meanwhile"]["roots"]) == {LOCKED_ROOT}
    assert found["after"] == {"verdict": "block implicit", "authorized": "0", "live": []}
    assert (found["stopped"]["code"], set(found["stopped"]["roots"])) == (0, {LOCKED_ROOT})


def test_no_listener_delays_or_opens(answers: Answers) -> None:
    found = answers("locked", "agent_dead")
    unlisted(found["stuck"])
    unlisted(found["gone"])


def test_an_overflow_brings_a_look_at_everything(answers: Answers) -> None:
    found = answers("locked", "overflow")
    assert found["lost"] >= 1
    assert (found["verdict"], found["authorized"], found["live"]) == (["block implicit"], "0", [])


def test_a_storm_of_a_hundred_devices(answers: Answers) -> None:
    found = answers("locked", "storm")
    assert found["came"] >= 100
    assert (found["live"], found["allowed"]) == ([], [])
    assert found["records"] <= found["came"]
    assert found["after"]["verdict"] == "allow mouse"


def test_a_disk_that_is_a_keyboard_too(answers: Answers) -> None:
    found = answers("locked", "disk_with_keyboard")
    assert found["whole"] == {"verdict": ["block implicit"], "live": [], "inputs": [], "disks": []}
    assert found["in_part"]["verdict"] == "allow-interface in part"
    assert (len(found["in_part"]["disks"]), found["in_part"]["inputs"], found["input_nodes"]) == (1, [], [])
    assert sorted(found["in_part"]["drivers"].values()) == ["", "usb-storage"]


@pytest.mark.parametrize("proof", ["network_stick", "debug_port"])
def test_an_unlisted_network_stick_or_serial_port_makes_no_device(answers: Answers, proof: str) -> None:
    found = answers("locked", proof)
    assert found["barred"] == {"verdict": ["block implicit"], "live": [], "made": [], "authorized": "0"}
    assert found["named"]["verdict"] == "allow named"
    assert len(found["named"]["made"]) == 1  # its driver is there, and was kept from it
    assert found["after"] == []


@pytest.mark.parametrize("proof", ["types_unlisted", "types_on_probation"])
def test_no_key_of_one_that_types_at_once_is_heard(answers: Answers, proof: str) -> None:
    found = answers("locked", proof)
    assert (found["console"], found["events"], found["inputs"]) == (0, 0, [])
    if proof == "types_on_probation":
        assert found["typed"] >= 15  # it did type, into the warden's hands
        assert (found["verdict"], found["authorized"]) == (["allow keyboard", "block implicit"], "0")
    else:
        assert found["typed"] == 0  # nobody ever asked it for a report


def test_gaps_of_sixty_milliseconds_end_in_a_block(answers: Answers) -> None:
    found = answers("locked", "types_regularly")
    assert (found["verdict"], found["authorized"]) == (["allow keyboard", "block implicit"], "0")
    assert found["inputs"] == []


def test_a_person_and_a_scanner_are_let_through(answers: Answers) -> None:
    person, scanner = answers("locked", "types_as_a_person"), answers("locked", "scans")
    assert (person["verdict"], scanner["verdict"]) == (["allow keyboard"], ["allow scanner"])
    for found in (person, scanner):
        assert len(found["released"]) == 1
        assert found["held"] >= 15
        assert found["console"] >= 5
        assert found["events"] >= 5


def test_an_exception_ends_with_its_device_within_a_second(answers: Answers) -> None:
    found = answers("locked", "expiry")
    assert len(found["lived"]) == 1
    assert 0 <= found["late_s"] <= 1
    assert found["authorized"] == "0"
    allowed = found["verdicts"].index("allow exception visit, mouse")
    assert found["verdicts"][allowed + 1] == "block implicit"


def test_from_the_plug_of_a_reader_to_an_apdu(answers: Answers) -> None:
    found = answers("locked", "to_an_apdu")
    assert found["verdict"] == ["allow reader"]
    assert "SW1=0x90, SW2=0x00" in found["said"]
    assert found["exchanges"] > 5


def test_a_port_is_switched_off_and_on(answers: Answers) -> None:
    found = answers("locked", "port_off")
    assert found["off"] == []
    assert len(found["came"]) == 1
    assert set(found["verdicts"]) == {"allow mouse"}


def test_radios_are_switched_off(answers: Answers) -> None:
    found = answers("locked", "radios")
    assert len(found["before"]) == 2
    assert found["after"] == []


def test_the_units_start_under_systemd_and_let_the_vault_raise_every_fence(answers: Answers) -> None:
    found = answers("units", "units")
    warden, agent, keys = found["warden"], found["agent"], found["keys"]
    assert (warden["state"], warden["restarts"], warden["started"]) == ("active", "0", ["all stand"])
    assert (warden["verdicts"], warden["authorized"]) == (["block implicit"], "0")
    assert (agent["state"], agent["restarts"]) == ("active", "0")
    for process in (warden["process"], agent["process"], *found["behind"].values()):
        assert (int(process["CapEff"], 16), int(process["CapBnd"], 16)) == (0, 0)
        assert (process["NoNewPrivs"], process["Seccomp"]) == ("1", "2")
    assert "keypad up" in keys["lines"]  # on a USB line that the warden let in
    fences = [line for line in keys["lines"] if line.startswith("fence ")]
    assert len(fences) == 7
    assert [line for line in fences if " up " not in line] == []
