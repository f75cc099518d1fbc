# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: whatever octets a host sends, and in whatever pieces, every whole frame that is a command gets exactly one
answer, in order, with its header, its response code and an error code that exists; nothing raises, nothing is answered
41, and a frame that is no command ends its own conversation, nobody else's.

CI runs ten thousand messages; ``-m long`` runs a million, each octet by itself, and two hundred thousand on a socket.
"""

import os
import random
import socket
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from hsm_sim.audit import Audit
from hsm_sim.config import PolicySettings, Settings
from hsm_sim.engine.counters import Limits
from hsm_sim.engine.rsa_keys import EXPONENT, RsaKeys
from hsm_sim.payshield.session import Session
from hsm_sim.simulator import ACTIVITIES, Simulator
from protocols.hsm.codes import ErrorCode
from protocols.hsm.commands import COMMANDS
from protocols.hsm.frame import frame
from tests import evidence
from tests.fuzz.host_frames import CODES, HEADER, SEEDS, messages
from tests.hsm_sim.raw_client import RawClient
from tests.hsm_sim.running import running
from tests.hsm_sim.units import Clock
from tests.hsm_sim.wire_evidence import AREA, CASES, COVERS, FRAMES, SOCKET
from tests.patience import PATIENCE_S

SEED = 1500
CI_CASES, CI_SOCKET_CASES = 10_000, 2_000
ERRORS = frozenset(map(str, ErrorCode))
PERMITTED = {
    "policy.clear-pins": "yes",
    "policy.account-change": "yes",
    "policy.transport-key-import": "yes",
    "policy.single-length-transport": "yes",
}
HOUR = 3600.0


class OnePairOfEachLength(RsaKeys):
    """Making RSA keys by the thousand would be all that a run does."""

    def __init__(self) -> None:
        super().__init__()
        self._pairs: dict[int, rsa.RSAPrivateKey] = {}

    def take(self, bits: int) -> rsa.RSAPrivateKey:
        if bits not in self._pairs:
            self._pairs[bits] = rsa.generate_private_key(EXPONENT, bits)
        return self._pairs[bits]


class Asked:
    """A whole unit, everything in it permitted and authorised, and one conversation with it after the other."""

    def __init__(self) -> None:
        self.told: list[str] = []
        draw = random.Random(SEED)
        self.simulator = Simulator(
            Settings(policy=PolicySettings(settings=PERMITTED, old_test_lmk=True), fraud=Limits(enabled=False)),
            random=draw.randbytes,
            clock=Clock(),
            clock_ms=lambda: 0,
            audit=Audit(lambda: 0),
            vault=None,
            tell=self.told.append,
        )
        self.simulator.unit.rsa_keys = OnePairOfEachLength()
        self.simulator.unit.set(self.simulator.under("00"), self.simulator.unit.rules)
        self.answered: Counter[tuple[str, str]] = Counter()

    def conversation(self) -> Session:
        for activity in ACTIVITIES:
            self.simulator.states.authorise(activity, HOUR)
        return Session(self.simulator.unit)


def is_command(message: bytes) -> bool:
    """Whether a message has header and code, said here once more and not by our code."""
    code = message[len(HEADER) : len(HEADER) + 2]
    return len(code) == 2 and code.isalnum()


def judged(message: bytes, answer: bytes) -> tuple[str, str]:
    """Command and error code of an answer that is one to that message."""
    code, error = answer[4:6], answer[6:8].decode("latin-1")
    assert answer[:4] == HEADER
    assert code == bytes((message[4], message[5] + 1)), message
    assert error in ERRORS, message
    assert error != ErrorCode.INTERNAL, message
    return message[4:6].decode(), error


def ask_each_octet_by_itself(cases: int) -> Asked:
    asked = Asked()
    session = asked.conversation()
    for message in messages(SEED, cases):
        framed = frame(message)
        answer, feed = session.answer, session.feed
        for place in range(len(framed) - 1):
            feed(framed[place : place + 1])
            assert answer(64) == (b"", False), message
        feed(framed[-1:])
        octets, more = answer(64)
        assert not more
        if not is_command(message):
            assert session.ended
            assert not octets
            session = asked.conversation()
            continue
        assert len(octets) == 2 + int.from_bytes(octets[:2], "big")
        asked.answered[judged(message, octets[2:])] += 1
        if message[4:6] == b"RA":
            session = asked.conversation()
    assert asked.told == []
    return asked


def check_reach(asked: Asked, least: int) -> None:
    """The run came through to every command, and to more than its first check."""
    by_command: Counter[str] = Counter()
    errors: dict[str, set[str]] = {}
    for (code, error), count in asked.answered.items():
        by_command[code] += count
        errors.setdefault(code, set()).add(error)
    assert set(CODES) == set(COMMANDS) == set(SEEDS)
    for code in CODES:
        assert by_command[code] >= least, code
        assert "00" in errors[code], code
        assert len(errors[code]) >= 2 or code in ("NC", "RA"), code
    assert any(error == "68" and code not in COMMANDS for code, error in asked.answered)


def test_ten_thousand_messages_each_octet_by_itself() -> None:
    check_reach(ask_each_octet_by_itself(CI_CASES), 30)


@pytest.mark.long
def test_a_million_messages_each_octet_by_itself() -> None:
    with evidence.run(AREA, COVERS, FRAMES, cases=CASES[FRAMES], seed=SEED):
        check_reach(ask_each_octet_by_itself(CASES[FRAMES]), 3_000)


SETTINGS = """
[policy]
old-test-lmk = true
[policy.settings]
"""


def send_in_pieces(line: socket.socket, draw: random.Random, octets: bytes) -> None:
    place = 0
    while place < len(octets):
        size = draw.choice((1, 2, 3, 50, 500, 5000, 50_000))
        line.sendall(octets[place : place + size])
        place += size


def converse(address: tuple[str, int], draw: random.Random, batch: Sequence[bytes]) -> int:
    """Send messages over one connection until one of them ends it; gives how many were sent."""
    commands = 0
    while commands < len(batch) and is_command(batch[commands]):
        commands += 1
    sent = batch[: commands + 1]
    with RawClient(address, b"") as host:
        host.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        send_in_pieces(host.socket, draw, b"".join(host.framed(message) for message in sent))
        for message in sent[:commands]:
            judged(message, host.receive())
        if commands < len(sent):
            assert host.receive() == b""
    return len(sent)


def ask_through_a_socket(folder: Path, cases: int) -> tuple[int, int]:
    """Resident memory after half of the messages and after all, in KiB; a bystander is answered all along.

    What is remembered of keys is bounded and full by then.
    """
    draw = random.Random(SEED)
    settings = SETTINGS + "\n".join(f'"{name}" = "{text}"' for name, text in PERMITTED.items())
    found: list[bytes] = []
    half = 0
    with running(settings=settings + "\n[fraud]\nenabled = false\n", folder=folder) as unit:
        with RawClient(unit.address()) as bystander:
            done = 0
            source = messages(SEED + 1, cases)
            while True:
                while len(found) < 40 and (message := next(source, None)) is not None:
                    found.append(message)
                if not found:
                    break
                sent = converse(unit.address(), draw, found)
                del found[:sent]
                done += sent
                assert bystander.ask("NC")[:4] == b"ND00"
                if not half and done >= cases // 2:
                    half = unit.resident_kib
            assert done == cases
            whole = unit.resident_kib
        unit.process.terminate()
        assert unit.process.wait(PATIENCE_S) == os.EX_OK
        assert unit.process.stderr is not None
        assert "bug" not in unit.process.stderr.read()
    return half, whole


def test_two_thousand_messages_through_a_socket(tmp_path: Path) -> None:
    ask_through_a_socket(tmp_path, CI_SOCKET_CASES)


@pytest.mark.long
def test_two_hundred_thousand_messages_through_a_socket_and_memory_stays_flat(tmp_path: Path) -> None:
    with evidence.run(AREA, COVERS, SOCKET, cases=CASES[SOCKET], seed=SEED + 1):
        half, whole = ask_through_a_socket(tmp_path, CASES[SOCKET])
        assert whole - half < 2048
