# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Tamper inputs: every key is gone at once and for good, whoever says so, whatever phase, whatever follows."""

import contextlib
import os
import time
from pathlib import Path

import pytest

from protocols.vault import Done, Inventory, Mac, Refused, Status, Tamper
from tests.terminal_agent.sealed.inside import Machine
from tests.terminal_agent.sealed.vaults import Asker, component_files, keypad_pair, load_all, made, running

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
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with contextlib.suppress(BlockingIOError):
                asker.child.pipe.recv(65_536)
                continue
            break
        asker.child.pipe.settimeout(20)
        assert_tampered(asker, "tamper input")
