# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A unit killed at any moment loses nothing that it acknowledged: keys, their life, master keys, settings, counters.

A nursery process forks one unit after the other over the same folder. Each gives orders to itself, drawn from a seed,
and says every one that was acknowledged; it is killed (SIGKILL) at a drawn moment. What comes next must find all of it,
a whole audit, and at most the one change that was under way beyond it.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hsm_sim.audit import CHAIN, Audit
from hsm_sim.config import Settings
from hsm_sim.engine.counters import Limits
from hsm_sim.engine.vault import About, Kind, Life, Vault
from hsm_sim.engine.vault_seal import seal, unseal
from hsm_sim.simulator import REMEMBERED, Simulator
from protocols.audit_chain import Head, verify
from protocols.secret import ClearKey
from tests import evidence
from tests.hsm_sim import live

KEY = live.lmk("002", live.PVK)
LONGEST_BIRTH_S, LONGEST_WHILE_S = 0.06, 0.004
MOST_LINES = 60  # three for each order
QUICK, MANY = 200, 1000
AREA = "hsm-kills"
COVERS = ("hsm_sim/audit.py", "hsm_sim/engine/counters.py", "hsm_sim/engine/vault.py", "hsm_sim/engine/vault_seal.py")
SEED = 6
RUN = "kills of a unit that changes its vault and audit"


class ByTestKey:
    """Wraps under a fixed TEST key, at no cost: a kill is to meet the vault, not scrypt."""

    def words(self) -> Mapping[str, str | int]:
        return {"method": "test"}

    def wrap(self, key: ClearKey, bound_to: bytes) -> bytes:
        return seal(_test_key(), os.urandom, key.reveal(), bound_to)

    def unwrap(self, wrapped: bytes, bound_to: bytes) -> ClearKey:
        return ClearKey(unseal(_test_key(), wrapped, bound_to, "vault key"))


def _test_key() -> AESGCM:
    return AESGCM(bytes(range(32)))


def unit(folder: Path) -> Simulator:
    """A unit over the folder; its vault and audit are made if they are not there."""
    path = folder / "vault.db"
    wrapping = ByTestKey()
    vault = Vault.open(path, lambda _: wrapping, os.urandom) if path.exists() else None
    vault = vault or Vault.create(path, wrapping, os.urandom)
    return Simulator(
        Settings(fraud=Limits(enabled=False)),
        random=os.urandom,
        clock=time.monotonic,
        clock_ms=lambda: time.time_ns() // 1_000_000,
        audit=Audit(lambda: time.time_ns() // 1_000_000, folder / "audit.jsonl", REMEMBERED),
        vault=vault,
    )


def live_on(folder: Path, seed: int, said: int) -> None:
    """Start a unit and give it orders until killed; a line before each order and one when it is acknowledged."""
    chance = random.Random(seed)

    def say(*words: object) -> None:
        os.write(said, json.dumps(words).encode() + b"\n")

    say("starting")
    simulator = unit(folder)
    say("started", simulator.audit.head.text())
    assert simulator.vault is not None
    alive = [entry.reference for entry in simulator.vault.entries() if entry.about.life is Life.ACTIVE]
    number = simulator.vault.count(Kind.KEY)
    while True:
        say("head", simulator.audit.head.text())
        what = chance.choice(("keep", "keep", "keep", "move", "set", "guess", "lmk"))
        if what == "keep":
            number += 1
            reference = f"00/K{number:X}"
            say("try", what, reference)
            simulator.keep_key("key.kept", reference, About("002", "00", "ABCDEF"), KEY)
            alive.append(reference)
            say("done", what, reference)
        elif what == "move" and alive:
            reference = alive.pop(chance.randrange(len(alive)))
            life = chance.choice((Life.DEACTIVATED, Life.DESTROYED))
            say("try", what, reference, life)
            simulator.move_key(reference, life)
            say("done", what, reference, life)
        elif what == "set":
            value = str(chance.randrange(4, 13))
            say("try", what, value)
            simulator.set("policy.pin-length", value)
            say("done", what, value)
        elif what == "guess":
            say("try", what, simulator.counters.counts.total + 1)
            simulator.counters.failed()
            say("done", what, simulator.counters.counts.total)
        elif what == "lmk":
            say("try", what)
            say("done", what, simulator.make_master_key("07", "aes-blocks").check_value().hex())


class Reckoning:
    """What was acknowledged over all lives, and what each life may have left undone."""

    def __init__(self) -> None:
        self.lives: dict[str, str] = {}
        self.pin_length = "12"
        self.guesses = 0
        self.lmk = ""
        self.head = ""
        self.under_way: list[Any] = []

    def hear(self, lines: list[list[Any]]) -> None:
        self.under_way = []
        for kind, *words in lines:
            if kind in ("started", "head"):
                self.head = words[0]
            elif kind == "try":
                self.under_way = words
            elif kind == "done":
                self.under_way = []
                self._done(*words)

    def _done(self, what: str, *words: Any) -> None:
        if what == "keep":
            self.lives[words[0]] = Life.ACTIVE
        elif what == "move":
            self.lives[words[0]] = words[1]
        elif what == "set":
            self.pin_length = words[0]
        elif what == "guess":
            self.guesses = words[0]
        elif what == "lmk":
            self.lmk = words[0]

    def compare_audit(self, path: Path) -> None:
        """Every record of what was acknowledged is on the disk; a torn line behind them may be."""
        if self.head:
            with path.open("rb") as lines:
                verify(CHAIN, (line for line in lines if line.endswith(b"\n")), Head.from_text(self.head))

    def compare(self, simulator: Simulator) -> None:
        """All that was acknowledged is there; beyond it at most what was under way, and that whole."""
        assert simulator.vault is not None
        under_way, self.under_way = self.under_way, []
        found = {entry.reference: entry.about.life.value for entry in simulator.vault.entries()}
        length = str(simulator.operating.policy.pin_length)
        lmk = simulator.lmks["07"].check_value().hex() if "07" in simulator.lmks else ""
        beyond = {
            "keep": found != self.lives,
            "move": found != self.lives,
            "set": length != self.pin_length,
            "guess": simulator.counters.counts.total != self.guesses,
            "lmk": lmk != self.lmk,
        }
        allowed = under_way[0] if under_way else None
        assert {what for what, is_so in beyond.items() if is_so} <= (
            {"keep", "move"} if allowed in ("keep", "move") else {allowed}
        )
        if allowed == "keep" and beyond["keep"]:
            self.lives[under_way[1]] = Life.ACTIVE
        elif allowed == "move" and beyond["move"]:
            self.lives[under_way[1]] = under_way[2]
        assert found == self.lives
        if beyond["set"]:
            assert length == under_way[1]
        if beyond["guess"]:
            assert simulator.counters.counts.total == self.guesses + 1
        self.pin_length, self.guesses, self.lmk = length, simulator.counters.counts.total, lmk
        for reference, life in found.items():
            assert simulator.vault.get(reference)[1] == (b"" if life == Life.DESTROYED else KEY.encode())
        simulator.audit.verify()


def killed(folder: Path, times: int, seed: int) -> int:
    """Kill so many units, each at a moment of its own; gives how many orders were acknowledged in all."""
    chance, reckoning, orders = random.Random(seed), Reckoning(), 0
    for number in range(times):
        hearing, saying = os.pipe()
        child = os.fork()
        if not child:
            os.close(hearing)
            try:
                live_on(folder, seed * 1_000_003 + number, saying)
            except BaseException as fault:  # whatever it is, the parent must see that it was no kill
                os.write(2, f"{type(fault).__name__}: {fault}\n".encode())
            os._exit(1)
        os.close(saying)
        # The moment of the kill is any: a while after its birth, or a while after it has said so many lines.
        awaited, while_s = (
            (0, LONGEST_BIRTH_S) if number % 4 == 0 else (chance.randrange(2, MOST_LINES), LONGEST_WHILE_S)
        )
        with os.fdopen(hearing, "rb") as heard:
            said = [heard.readline() for _ in range(awaited)]
            time.sleep(chance.random() * while_s)
            os.kill(child, signal.SIGKILL)
            said += heard.read().splitlines(keepends=True)
        lines = [json.loads(line) for line in said if line.endswith(b"\n")]
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        reckoning.hear(lines)
        orders += sum(line[0] == "done" for line in lines)
        reckoning.compare_audit(folder / "audit.jsonl")
        simulator = unit(folder)
        reckoning.compare(simulator)
        simulator.close()
    return orders


def in_a_nursery(folder: Path, times: int, seed: int) -> int:
    """As :func:`killed`, in a process of one thread of its own, from which it is safe to fork."""
    line = [sys.executable, "-m", "tests.hsm_sim.test_kills", str(folder), str(times), str(seed)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=600 + times, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_kills_at_any_moment_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    assert in_a_nursery(tmp_path, QUICK, SEED) > 5 * QUICK


@pytest.mark.long
def test_many_kills(tmp_path: Path) -> None:
    with evidence.run(AREA, COVERS, RUN, cases=MANY, seed=SEED):
        assert in_a_nursery(tmp_path, MANY, SEED) > 5 * MANY


def test_the_evidence_of_many_kills_is_there() -> None:
    assert evidence.faults(AREA, {RUN: MANY}) == []


if __name__ == "__main__":
    print(killed(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
