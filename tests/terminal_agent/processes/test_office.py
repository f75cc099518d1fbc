# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Whom a profile lets give orders: a list that nobody may rely on is a fault that names its cure."""

from pathlib import Path

import pytest

from protocols.signed import Floor
from protocols.telemetry.orders import trust_statement
from terminal_agent.orders.ledger import Ledger
from terminal_agent.processes.persons import at_rest, by_profile, ledger_path
from terminal_agent.processes.profile import TerminalProfile, load_text
from tests.flows.stage import PROFILE, TERMINAL
from tests.protocols.persons import public_pem
from tests.protocols.telemetry.test_orders import FRESH
from tillguard.voice import Fault

VALUES = {
    "terminal": TERMINAL, "reader": "/dev/null", "pad": "/dev/zero", "acquirer": "127.0.0.1:9",
    "broker": "127.0.0.1:9", "tls": "", "card_s": 3.0, "pin_s": 3.0, "acquirer_s": 2.0,
}  # fmt: skip
MAY = '["order", "order-grave", "trust"]'


def profile(folder: Path, more: str) -> TerminalProfile:
    (folder / "pki").mkdir(exist_ok=True)
    for name in ("ca.pem", f"{TERMINAL}.pem", f"{TERMINAL}.key"):
        (folder / "pki" / name).touch()
    return load_text(PROFILE.format(**VALUES) + more, folder / "terminal.toml")


def trust_file(folder: Path, thresholds: str, *names: str) -> None:
    for name in names:
        (folder / f"{name}.pem").write_text(public_pem(name))
    persons = "".join(f'[[persons]]\nname = "{name}"\nkey = "{name}.pem"\nmay = {MAY}\n' for name in names)
    (folder / "trust.toml").write_text(f"{persons}[thresholds]\n{thresholds}")


def test_nobody_by_default(tmp_path: Path) -> None:
    bare = profile(tmp_path, "")
    assert by_profile(bare) is None
    assert at_rest(bare) is None
    assert not ledger_path(bare).exists()


def test_persons_of_the_profile(tmp_path: Path) -> None:
    trust_file(tmp_path, "order = 1\norder-grave = 2\ntrust = 2\n", "anna", "bernd")
    found = by_profile(profile(tmp_path, '[orders]\ntrust = "trust.toml"\n'))
    assert found is not None
    assert [person.name for person in found.persons] == ["anna", "bernd"]


@pytest.mark.parametrize(
    ("thresholds", "words"),
    [
        ("order = 1\norder-grave = 1\ntrust = 2\n", "2 or more"),
        ("order = 1\norder-grave = 2\ntrust = 1\n", "2 or more"),
        ("order = 1\norder-grave = 2\n", "thresholds for order, order-grave and trust"),
        ("order = 1\norder-grave = 3\ntrust = 2\n", "3 for a kind that 2 may sign"),
    ],
)
def test_a_list_that_nobody_may_rely_on(thresholds: str, words: str, tmp_path: Path) -> None:
    trust_file(tmp_path, thresholds, "anna", "bernd")
    with pytest.raises(Fault, match=words):
        by_profile(profile(tmp_path, '[orders]\ntrust = "trust.toml"\n'))


def test_the_persons_that_were_exchanged_last_count_though_the_agent_is_stopped(tmp_path: Path) -> None:
    trust_file(tmp_path, "order = 1\norder-grave = 2\ntrust = 2\n", "anna", "bernd")
    terminal = profile(tmp_path, '[orders]\ntrust = "trust.toml"\n')
    ledger = Ledger.open(ledger_path(terminal), TERMINAL)
    ledger.keep_trust(trust_statement(FRESH, 1, 0, 1).body, Floor(1, "1" * 64))
    with pytest.raises(Fault, match="cannot be used"):
        at_rest(terminal)  # while an agent has it
    ledger.close()
    found = at_rest(terminal)
    assert found is not None
    assert [person.name for person in found.persons] == ["clara", "doris", "emil"]


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(Fault, match=r"trust\.toml: no such file"):
        profile(tmp_path, '[orders]\ntrust = "trust.toml"\n')
    with pytest.raises(Fault, match="both or none"):
        profile(tmp_path, '[orders]\ntrust = "trust.toml"\nusb = "usb"\n')
