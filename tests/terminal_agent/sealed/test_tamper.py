# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Tamper inputs: every key is gone at once and for good, whoever says so, whatever phase, whatever follows."""

import contextlib
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from device_profiles.serve.hwmon import ChassisSwitch
from protocols.vault import (
    Challenge,
    Done,
    Inventory,
    Load,
    Mac,
    Refused,
    Renew,
    Reply,
    Request,
    Result,
    Status,
    Tamper,
    approval_message,
)
from terminal_agent.sealed.phases import Phase
from tests.patience import PATIENCE_S
from tests.terminal_agent.sealed.inside import Machine
from tests.terminal_agent.sealed.vaults import (
    TRANSPORT,
    Asker,
    block,
    component_files,
    keypad_pair,
    load_all,
    made,
    made_key,
    running,
    settings,
)

WITHIN_S = 0.1  # the promise: zeroised within 100 ms of the input


def wait_for(asker: Asker, name: str) -> float:
    """Seconds until an event of that name was told."""
    began = time.monotonic()
    while name not in [event.name for event in asker.events]:
        asker.status()
    return time.monotonic() - began


def assert_tampered(asker: Asker, source: str) -> None:
    status = asker.status()
    assert status["phase"] == ["tampered"]
    assert status["tampered"][0].endswith(source)
    assert asker.ask(Inventory()) == Done("")
    assert isinstance(asker.ask(Mac(bytes(16), b"x")), Refused)


@pytest.mark.parametrize("how", ["a line that says something", "a line that is cut"])
def test_a_tamper_line_destroys_every_key_for_good(tmp_path: Path, how: str) -> None:
    line, link = keypad_pair(tmp_path)
    wanted = made(tmp_path, tamper=str(link))
    with running(wanted, components=component_files(tmp_path)) as asker:
        load_all(asker)
        assert asker.status()["phase"] == ["ready"]
        if how == "a line that says something":
            os.write(line, b"!")
        else:
            for descriptor in list(Path("/proc/self/fd").iterdir()):
                if os.path.realpath(descriptor) == os.path.realpath(link):
                    os.close(int(descriptor.name))
            os.close(line)
        took = wait_for(asker, "vault.tampered")
        assert_tampered(asker, "tamper input")
        assert took < 20 * WITHIN_S  # on a busy machine; bench_vault measures the promise
    link.unlink()
    (tmp_path / "keypad").symlink_to("/dev/null")
    with running(wanted) as asker:
        assert_tampered(asker, "tamper input")


def test_a_tamper_line_that_is_not_there_counts_as_cut(tmp_path: Path) -> None:
    wanted = made(tmp_path, tamper=str(tmp_path / "nowhere"))
    with running(wanted) as asker:
        assert_tampered(asker, "the tamper line cannot be opened")


def test_the_agent_may_say_so_in_every_phase(tmp_path: Path) -> None:
    wanted = made(tmp_path)
    with running(wanted) as asker:
        assert asker.status()["phase"] == ["loading"]
        assert isinstance(asker.ask(Tamper("pad: housing opened")), Done)
        assert_tampered(asker, "pad: housing opened")
        asker.ask(Tamper("again"))
        assert_tampered(asker, "pad: housing opened")
        assert [event.name for event in asker.events] == ["vault.tampered"]


def test_a_locked_vault_that_is_tampered_with_overwrites_its_store(tmp_path: Path) -> None:
    wanted = made(tmp_path)
    with running(wanted, components=component_files(tmp_path)) as asker:
        load_all(asker)
    (tmp_path / "passphrase").write_text("another passphrase altogether\n")
    with running(wanted) as asker:
        assert asker.status()["phase"] == ["locked"]
        asker.ask(Tamper("integrity alarm"))
    (tmp_path / "passphrase").write_text("six words that open nothing else\n")
    assert wanted.store.read_bytes()[8192:] == bytes(2 * 16384)
    with running(wanted) as asker:
        assert asker.status()["phase"] == ["locked"]


def test_the_mark_is_on_the_disk_even_if_power_goes_right_after() -> None:
    machine = Machine()
    vault = machine.start()
    vault.tampered("test")
    machine.cut()
    assert machine.start().phase.value == "tampered"
    assert not any(machine.ring.serving.values())


def test_keys_are_gone_even_where_the_disk_fails() -> None:
    machine = Machine()
    vault = machine.start()

    def broken(offset: int, octets: bytes) -> None:
        raise OSError(5, "Input/output error")

    machine.store_disk.write = broken  # type: ignore[method-assign]
    with pytest.raises(Exception, match="Input/output"):
        vault.tampered("test")
    assert vault.phase.value == "tampered"
    assert not any(machine.ring.serving.values())


def test_an_agent_that_does_not_read_cannot_hold_the_vault_up(tmp_path: Path) -> None:
    """Its answers are dropped; the tamper input is heard all the same."""
    line, link = keypad_pair(tmp_path)
    wanted = made(tmp_path, tamper=str(link))
    with running(wanted, components=component_files(tmp_path)) as asker:
        load_all(asker)
        for _ in range(3_000):
            asker.send(Status())
        os.write(line, b"!")
        asker.child.pipe.setblocking(False)
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            with contextlib.suppress(BlockingIOError):
                asker.child.pipe.recv(65_536)
                continue
            break
        asker.child.pipe.settimeout(20)
        assert_tampered(asker, "tamper input")


@pytest.mark.parametrize("how", ["another level", "nothing to read"])
def test_a_level_that_is_not_quiet_destroys_every_key(tmp_path: Path, how: str) -> None:
    switch = ChassisSwitch(tmp_path / "hwmon0")
    wanted = made(tmp_path, tamper_levels=(switch.setting,))
    with running(wanted, components=component_files(tmp_path)) as asker:
        load_all(asker)
        assert asker.status()["phase"] == ["ready"]
        switch.open_housing() if how == "another level" else switch.cut()
        assert wait_for(asker, "vault.tampered") < 20 * WITHIN_S
        assert_tampered(asker, "tamper level intrusion0_alarm")
    switch.close_housing()
    with running(wanted) as asker:
        assert_tampered(asker, "tamper level intrusion0_alarm")


@pytest.mark.parametrize("how", ["opened without power", "switch taken away"])
def test_a_level_is_looked_at_before_anything_is_served(tmp_path: Path, how: str) -> None:
    switch = ChassisSwitch(tmp_path / "hwmon0")
    wanted = made(tmp_path, tamper_levels=(switch.setting,))
    with running(wanted, components=component_files(tmp_path)) as asker:
        load_all(asker)
    switch.open_housing() if how == "opened without power" else switch.take_away()
    with running(wanted) as asker:
        assert_tampered(asker, "intrusion0_alarm" if how == "opened without power" else "alarm missing")


@pytest.mark.parametrize(("alarms", "phase"), [(("rollback",), "tampered"), (("pad",), "locked")])
def test_an_old_image_of_the_store_is_a_tamper_input_where_the_profile_says_so(
    tmp_path: Path, alarms: tuple[str, ...], phase: str
) -> None:
    wanted = made(tmp_path, tamper_on=alarms)
    with running(wanted, components=component_files(tmp_path)) as asker:
        load_all(asker)
    image = wanted.store.read_bytes()
    for _ in range(2):
        with running(wanted) as asker:
            asker.status()
    wanted.store.write_bytes(image)
    with running(wanted) as asker:
        assert asker.status()["phase"] == [phase]
    assert (wanted.store.read_bytes()[8192:] == bytes(2 * 16384)) == (phase == "tampered")


class Custodians:
    """Two persons with keys, and a vault's machine that knows them."""

    def __init__(self) -> None:
        self.keys = [Ed25519PrivateKey.generate() for _ in range(2)]
        self.machine = Machine(custodians=tuple(key.public_key().public_bytes_raw() for key in self.keys))
        self.vault = self.machine.start()

    def ask(self, request: Request, signers: int = 2) -> Reply:
        challenge = self.vault.ask(Challenge())
        assert isinstance(challenge, Result)
        message = approval_message(request, bytes(challenge.value))
        signed = b"".join(bytes((place,)) + key.sign(message) for place, key in enumerate(self.keys[:signers]))
        return self.vault.ask(replace(request, approvals=signed))  # type: ignore[type-var]  # all these have approvals


def test_only_two_custodians_lead_out_and_no_key_that_was_here_comes_back() -> None:
    two = Custodians()
    served, waited = (block("K0", "T", "B", made_key(name)) for name in ("mac-master", "next"))
    for text in (served, waited):
        assert isinstance(two.ask(Load("mac-master", text)), Done)
    generation = two.machine.ring.generation
    two.vault.tampered("housing opened")
    assert isinstance(two.vault.ask(Renew()), Refused)
    alone = two.ask(Renew(), signers=1)
    assert isinstance(alone, Refused)
    assert two.vault.phase is Phase.TAMPERED
    reply = two.ask(Renew())
    assert isinstance(reply, Done)
    assert reply.words.startswith("renewed after housing opened approved-by ")
    assert two.vault.phase is Phase.LOADING
    two.vault = two.machine.start()
    assert two.vault.phase is Phase.LOADING
    assert two.machine.ring.generation > generation, "the counter goes on"
    assert [gone.why for gone in two.machine.ring.destroyed] == ["tamper"] * 3, "the evidence stays"
    two.machine.ring.serving["transport"].put(bytearray(TRANSPORT))  # as its components would
    two.machine.ring.serving["transport"].algorithm = "A"
    for text in (served, waited):
        refused = two.ask(Load("mac-master", text))
        assert isinstance(refused, Refused)
        assert "does not come back" in refused.words
    assert isinstance(two.ask(Load("mac-master", block("K0", "T", "B", made_key("fresh")))), Done)


def test_what_cannot_be_written_down_did_not_happen() -> None:
    two = Custodians()
    two.vault.tampered("housing opened")

    def broken(offset: int, octets: bytes) -> None:
        raise OSError(5, "Input/output error")

    two.machine.store_disk.write = broken  # type: ignore[method-assign]
    refused = two.ask(Renew())
    assert isinstance(refused, Refused)
    assert "Input/output" in refused.words
    assert two.vault.phase is Phase.TAMPERED
    assert two.machine.ring.tampered == "housing opened"


def test_without_custodians_nobody_can_approve_it() -> None:
    vault = Machine().start()
    vault.tampered("housing opened")
    refused = vault.ask(Renew())
    assert isinstance(refused, Refused)
    assert "keys init" in refused.words
    assert vault.phase is Phase.TAMPERED


@pytest.mark.parametrize(
    "wrong",
    [{"tamper_levels": ("intrusion0_alarm=0",)}, {"tamper_levels": ("/sys/x=",)}, {"tamper_on": ("weather",)}],
)
def test_settings_that_name_no_input_are_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected"):
        settings(tmp_path, **wrong)
