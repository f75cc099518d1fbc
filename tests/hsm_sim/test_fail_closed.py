# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What cannot be recorded or kept is not done and ends all service; fraud counters that no restart forgets."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hsm_sim import audit as audit_module
from hsm_sim.audit import AuditError
from hsm_sim.config import Settings
from hsm_sim.engine.counters import Limits
from hsm_sim.engine.states import State
from hsm_sim.engine.vault import VaultError
from tests.hsm_sim import live
from tests.hsm_sim.console_units import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.simulator.close()


def full(descriptor: int, octets: bytes) -> int:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("words", [("authorise", "components"), ("faults", "clear")])
def test_a_change_that_cannot_be_recorded_is_not_made_and_ends_all_service(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    bench.order("authorise", "key-scheme")
    monkeypatch.setattr(audit_module.os, "write", full)
    with pytest.raises(AuditError):
        bench.order(*words)
    assert bench.simulator.states.authorised() == {}
    assert bench.stops == ["the audit cannot be written: No space left on device"]
    assert bench.ask(live.COMMANDS["CA"]) == "17"
    assert bench.ask("NC")[:2] == "00"
    monkeypatch.undo()


def test_turning_the_switch_unrecorded_turns_nothing_on(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.order("state", "offline")
    monkeypatch.setattr(audit_module.os, "write", full)
    with pytest.raises(AuditError):
        bench.order("state", "online")
    assert bench.simulator.states.state is State.OFFLINE
    monkeypatch.undo()


def _wrong(command: bytes) -> bytes:
    return command[:-1] + b"%d" % ((int(command[-1:]) + 1) % 10)


@pytest.mark.parametrize("broken", ["audit", "vault"])
def test_a_full_disk_is_no_way_to_guess_uncounted(bench: Bench, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    command = live.COMMANDS["DC"]
    assert (bench.ask(command), bench.ask(_wrong(command))) == ("00", "01")
    assert bench.simulator.vault is not None
    if broken == "audit":
        monkeypatch.setattr(audit_module.os, "write", full)
    else:
        monkeypatch.setattr(bench.simulator.vault, "keep", _no_room)
    assert bench.ask(_wrong(command)) == "41"
    assert len(bench.stops) == 1
    assert bench.ask(command) == "17"  # a right guess is not told from a wrong one any more
    bench.simulator.states.state = State.ONLINE
    assert bench.ask(command) == "39"
    monkeypatch.undo()
    bench.restart()
    assert bench.ask(command) == "00"
    assert bench.order("status")["failed_verifications"] in (1, 2)


def _no_room(*_: object) -> None:
    raise VaultError("the vault cannot be written: SQLITE_FULL")


def test_leaving_authorisations_unrecorded_ends_them_too(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.order("authorise", "components")
    monkeypatch.setattr(audit_module.os, "write", full)
    assert bench.ask("RA") == "41"
    assert bench.simulator.states.authorised() == {}
    assert len(bench.stops) == 1
    monkeypatch.undo()


def test_every_failed_guess_is_in_the_audit_before_its_answer(bench: Bench) -> None:
    command = live.COMMANDS["DC"]
    for count in (1, 2, 3):
        assert bench.ask(_wrong(command)) == "01"
        assert bench.simulator.audit.waiting == 0
        (record,) = bench.simulator.audit.last(1)
        assert (record.name, record.fields["total"], record.fields["minute"]) == ("fraud.counted", count, count)
    assert bench.ask(command) == "00"
    assert bench.simulator.audit.last(1)[0].fields["total"] == 3


def test_the_counters_survive_without_a_vault(tmp_path: Path) -> None:
    bench = Bench(tmp_path, with_vault=False, settings=Settings(fraud=Limits(minute=1)))
    command = live.COMMANDS["DC"]
    assert [bench.ask(_wrong(command)) for _ in range(3)] == ["01", "01", "39"]
    bench.restart()
    assert bench.ask(command) == "39"
    bench.order("state", "offline")
    bench.order("fraud", "reset")
    bench.restart()
    assert bench.ask(command) == "00"
    assert bench.order("status")["failed_verifications"] == 2
    bench.simulator.close()


@pytest.mark.parametrize("forgotten", ["audit.jsonl", "vault.db"])
def test_neither_memory_of_the_counters_can_be_put_back(tmp_path: Path, forgotten: str) -> None:
    bench = Bench(tmp_path, settings=Settings(fraud=Limits(minute=1)))
    bench.simulator.close()
    before = (tmp_path / forgotten).read_bytes()
    bench.start()
    assert [bench.ask(_wrong(live.COMMANDS["DC"])) for _ in range(3)] == ["01", "01", "39"]
    bench.simulator.close()
    (tmp_path / forgotten).write_bytes(before)
    bench.start()
    assert bench.ask(live.COMMANDS["DC"]) == "39"
    bench.simulator.close()
