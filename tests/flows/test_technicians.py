# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Technicians at a terminal whose agent runs: the documented commands, over its socket. No line to head office."""

import json
import time
from pathlib import Path

from protocols.identity.grants import Action, Grant
from tests.flows.stage import TERMINAL, Stage
from tests.flows.test_orders_over_mqtt import IDENTITY, trust_file
from tests.protocols import persons

TESS = Grant("Tess Till", (Action.DIAGNOSTICS,), key=persons.key("tess").public)


class Shop(Stage):
    """A terminal with an identity, whose persons may grant."""

    def profile(self) -> Path:
        path = super().profile()
        path.write_text(path.read_text() + IDENTITY + '[orders]\ntrust = "trust.toml"\n')
        trust_file(self.folder)
        return path

    def grant(self, *names: str) -> str:
        """Tess's grant, signed by these."""
        now = int(time.time())
        path = self.folder / "tess.grant"
        path.write_bytes(persons.sealed(TESS.statement(TERMINAL, 1, now - 60, now + 3600), *names).encode())
        return str(path)

    def told(self, *words: str, code: int = 0) -> str:
        """What ``technician`` says to people."""
        done = self.run("technician", *words)
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr


def test_a_technician_is_let_in_while_the_agent_runs(tmp_path: Path) -> None:
    with Shop(tmp_path) as shop:
        shop.agent()
        key = tmp_path / "tess.key"
        key.write_bytes(persons.private_pem("tess"))
        other = tmp_path / "tom.key"
        other.write_bytes(persons.private_pem("tom"))
        assert "the grant does not hold" in shop.told("take", shop.grant("mallory"), code=4)
        assert json.loads(shop.told("take", shop.grant("anna")))["person"] == "Tess Till"
        assert json.loads(shop.told("list"))["grants"] == [
            {"person": "Tess Till", "actions": ["diagnostics"], "by": "key"}
        ]
        entered = json.loads(shop.told("enter", "Tess Till", "diagnostics", "--key", str(key)))
        assert entered == {"person": "Tess Till", "action": "diagnostics", "granted_by": ["anna"]}
        assert "no grant of that name" in shop.told("enter", "Tess Till", "diagnostics", "--key", str(other), code=4)
        assert "no grant of that name" in shop.told("enter", "Tess Till", "keys", "--key", str(key), code=4)
        assert json.loads(shop.told("tidy")) == {"removed": 0}
        behind = shop.told("list", "--profile", str(tmp_path / "terminal.toml"), code=1)
        assert "audit" in behind  # the agent has the log: nobody is let in behind it
        log = (tmp_path / "state" / f"{TERMINAL}.audit.jsonl").read_text()
        assert [log.count(f'"technician.{what}"') for what in ("granted", "entered", "refused")] == [1, 1, 2]


def test_a_terminal_without_an_identity_has_no_door(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        stage.agent()
        done = stage.run("technician", "list")
        assert done.returncode == 4, done.stderr
        assert "its profile has no [identity]" in done.stderr
