# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A bound terminal pays, every part its own process: the proof comes from the vault, by way of the agent, to the bank.

Each refusal by itself is in tests/terminal_agent/flows/test_proving.py.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from protocols.identity.binding import Binding
from protocols.identity.life import Life
from terminal_agent.identity.folder import Folder
from tests.flows.stage import TERMINAL
from tests.flows.vault_stage import VaultStage
from tests.secrets.twins import planted_profiles
from tests.terminal_agent.sealed.vaults import block

KEY = bytes(range(16))  # TEST
BINDING = Binding("123456", "TILLGUARD000001", "LIC-2026-77", "SN-00042", "+52.5200+013.4050")
BOUND = f'\n[[bindings]]\nterminal = "{TERMINAL}"\nserial = "SN-00042"\nversion = 2\ntest-key = "{KEY.hex()}"\n'


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[VaultStage]:
    planted = planted_profiles()
    planted.acquirer.write_text(planted.acquirer.read_text() + BOUND)
    with VaultStage(tmp_path, planted) as built:
        built.load()
        built.reader()
        built.keypad()
        built.acquirer()
        yield built


def bound(stage: VaultStage, version: int, serial: str = "SN-00042") -> None:
    """The terminal's identity, as its enrolment leaves it."""
    folder = Folder(stage.folder / "state" / "identity", TERMINAL)
    found = replace(folder.read(), life=Life.ACTIVE, binding=replace(BINDING, serial=serial), version=version)
    folder.write(found)


def test_a_bound_terminal_proves_it_in_each_payment_and_a_moved_one_is_refused(stage: VaultStage) -> None:
    stage.agent()

    def told() -> tuple[object, object]:
        stage.pay()
        decision = stage.decisions()[-1]
        return decision["code"], decision["reasons"]

    bound(stage, 2)
    assert told() == ("58", ["this terminal must prove its binding"])  # its vault has no key for it
    text = block("M6", "A", "C", KEY)
    (stage.folder / "binding.keyblock").write_text(text + "\n")
    stage.keys("load", "binding", "--block", str(stage.folder / "binding.keyblock"), offline=False)
    assert told() == ("00", [])
    assert told() == ("00", [])
    bound(stage, 1)
    assert told() == ("58", ["the proof is of binding 1, 2 is in force"])
    bound(stage, 2, serial="SN-00666")
    assert told() == ("58", ["the binding proof is wrong: another machine, or another key"])
    bound(stage, 2)
    assert told() == ("00", [])
