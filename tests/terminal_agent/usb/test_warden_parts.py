# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The warden's parts, each alone: what is handed over, its chain, its listeners, storms, what lies around the ports."""

import json
import os
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from device_profiles import catalog
from protocols.audit_chain import genesis
from protocols.errors import DecodeError
from terminal_agent.audit import AuditBroken, AuditLog, verify_file
from terminal_agent.errors import AgentError
from terminal_agent.usb.document_text import parse_exception, parse_policy
from terminal_agent.usb.handover import pack, unpack
from terminal_agent.usb.ledger import Ledger, LedgerError
from terminal_agent.usb.policy import Granted, Now, Policy
from terminal_agent.usb.radios import CHANGE_ALL, KINDS, switch_off
from terminal_agent.usb.storms import MOST_APPEARANCES, OFF_S, WITHIN_S, Storm, StormWatch
from terminal_agent.usb.surroundings import Way, look_around
from terminal_agent.usb.telling import MOST_LISTENERS, Telling
from tests.patience import PATIENCE_S

PROFILES = sorted(catalog.folder("usb").glob("*.toml"))
EXCEPTION = "reason = 'ticket'\nrules = '''allow id 0781:5567'''\nwindows = ['service']\n"


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_a_policy_is_whole_after_it_was_handed_over(path: Path) -> None:
    text = parse_policy(path.read_text(), path)
    granted = Granted("visit", parse_exception(EXCEPTION, path), 10, 20)
    document = unpack(pack({"text": text, "granted": (granted,), "digest": text.rules.digest, "alarms": ("x",)}))
    assert document["text"] == text
    assert document["granted"] == (granted,)
    assert document["text"].rules.digest == document["digest"] == text.rules.digest
    assert document["text"].rules.ids == text.rules.ids
    at = Now(utc_s=15)
    assert Policy(document["text"], document["granted"]).next_change(at) == Policy(text, (granted,)).next_change(at)


def test_nothing_else_is_handed_over() -> None:
    with pytest.raises(TypeError):
        pack(object())
    whole = pack((1, "two", b"three", None, 4.0, True))
    assert unpack(whole) == (1, "two", b"three", None, 4.0, True)
    for size in range(len(whole)):
        with pytest.raises(DecodeError):
            unpack(whole[:size])


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    found = Ledger(str(tmp_path / "TG000001.warden.jsonl"), genesis("warden/TG000001"))
    yield found
    found.close()


def test_the_chain_is_one_that_audit_verifies(ledger: Ledger, tmp_path: Path) -> None:
    for number in range(5):
        ledger.append(1_000 + number, "usb.verdict", {"port": "1-1", "number": number})
    path = Path(ledger.path)
    assert verify_file(path).head == ledger.head
    assert ledger.head.seq == 5
    with pytest.raises(LedgerError, match="another warden writes it"):
        Ledger(ledger.path, ledger.head)
    lines = path.read_bytes().splitlines(keepends=True)
    assert [ledger.line_at(sum(map(len, lines[:n]))) for n in range(5)] == lines
    assert ledger.line_at(1) == ledger.line_at(path.stat().st_size) == ledger.line_at(-1) == b""
    ledger.close()
    log = AuditLog.open(tmp_path, "TG000001", "warden")
    assert log.head == ledger.head
    log.close()
    path.write_bytes(lines[0] + lines[2])
    with pytest.raises(AuditBroken, match="record 2"):
        verify_file(path)
    path.write_bytes(b"")
    ledger.__init__(ledger.path, ledger.head)  # type: ignore[misc]  # the fixture closes it once more


def test_a_full_disk_leaves_the_chain_as_it_was(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.append(1, "a", {})
    head, whole = ledger.head, Path(ledger.path).read_bytes()
    real = os.fdatasync

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fdatasync", full)
    with pytest.raises(LedgerError, match="not recorded"):
        ledger.append(2, "b", {})
    monkeypatch.setattr(os, "fdatasync", real)
    assert (ledger.head, Path(ledger.path).read_bytes()) == (head, whole)
    ledger.append(3, "c", {})
    assert verify_file(Path(ledger.path)).head.seq == 2


class Listener:
    """Somebody at the warden's socket."""

    def __init__(self, path: Path) -> None:
        self.link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.link.settimeout(PATIENCE_S)
        self.link.connect(str(path))

    def got(self) -> list[tuple[int, int]]:
        """What came: where the next record begins, and the number of this one."""
        self.link.setblocking(False)
        found = []
        try:
            while packet := self.link.recv(20_000):
                place, _, line = packet.partition(b" ")
                found.append((int(place), json.loads(line)["seq"]))
        except BlockingIOError:
            pass
        return found


Listen = Callable[[], Listener]


@pytest.fixture
def listen(tmp_path: Path) -> Iterator[Callable[[], Listener]]:
    """Makes listeners, and lets them go at the end."""
    made: list[Listener] = []

    def one() -> Listener:
        made.append(Listener(tmp_path / "sock"))
        return made[-1]

    yield one
    for listener in made:
        listener.link.close()


def turn(telling: Telling) -> None:
    telling.turn(set(telling.descriptors()))


def test_listeners_get_every_record_once_from_where_they_say(ledger: Ledger, tmp_path: Path, listen: Listen) -> None:
    telling = Telling(str(tmp_path / "sock"), [os.getuid()], ledger, lambda: b'{"head": "x"}')
    try:
        ledger.append(1, "a", {})
        ledger.append(2, "b", {})
        first = listen()
        first.link.send(b"0")
        for _ in range(3):
            turn(telling)
        heard = first.got()
        assert [number for _, number in heard] == [1, 2]
        ledger.append(3, "c", {})
        turn(telling)
        assert [number for _, number in first.got()] == [3]
        second = listen()
        second.link.send(b"%d" % heard[0][0])  # it knew the first already
        third = listen()
        third.link.send(b"7")  # no record begins there: all of them, rather than none
        asks = listen()
        asks.link.send(b"status")
        for _ in range(6):
            turn(telling)
        assert [number for _, number in second.got()] == [2, 3]
        assert [number for _, number in third.got()] == [1, 2, 3]
        assert asks.link.recv(100) == b'{"head": "x"}'
    finally:
        telling.close()


def test_who_does_not_read_is_left_behind_and_costs_nothing(ledger: Ledger, tmp_path: Path, listen: Listen) -> None:
    telling = Telling(str(tmp_path / "sock"), [os.getuid()], ledger, lambda: b"")
    try:
        stuck = listen()
        stuck.link.send(b"0")
        for number in range(300):
            ledger.append(number, "usb.verdict", {"why": "x" * 3_000})
            turn(telling)
        assert any(telling.descriptors().values())  # it waits until it can be written, with nothing in memory
        got: list[tuple[int, int]] = []
        while more := stuck.got():
            got += more
            turn(telling)
        assert [number for _, number in got] == list(range(1, 301))
    finally:
        telling.close()


def test_strangers_and_nonsense_are_turned_away(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listen: Listen
) -> None:
    telling = Telling(str(tmp_path / "sock"), [], ledger, lambda: b"")
    try:
        monkeypatch.setattr(telling, "_users", frozenset({os.getuid() + 1}))
        stranger = listen()
        turn(telling)
        assert stranger.link.recv(10) == b""
        monkeypatch.setattr(telling, "_users", frozenset({os.getuid()}))
        crowd = [listen() for _ in range(MOST_LISTENERS)]
        for _ in crowd:
            turn(telling)
        one_more = listen()
        turn(telling)
        assert one_more.link.recv(10) == b""
        for one, words in zip(crowd, (b"allow", b"-1", b"9" * 30, b" 0", b"0x1", b"\0"), strict=False):
            one.link.send(words)
        for _ in range(2):
            turn(telling)
        assert [one.link.recv(10) for one in crowd[:6]] == [b""] * 6
        assert len(telling.descriptors()) == 1 + MOST_LISTENERS - 6
    finally:
        telling.close()


def test_a_storm_switches_a_port_off_and_on_again() -> None:
    watch = StormWatch()
    slow = WITHIN_S / (MOST_APPEARANCES - 1) + 0.01
    assert {watch.appeared("1-1", n * slow) for n in range(200)} == {Storm.NONE}
    found = [watch.appeared("1-2", n * 0.1) for n in range(MOST_APPEARANCES + 5)]
    assert found == [Storm.NONE] * (MOST_APPEARANCES - 1) + [Storm.BEGINS] + [Storm.GOES_ON] * 5
    began = (MOST_APPEARANCES - 1) * 0.1
    assert watch.over(began + OFF_S - 0.1) == []
    assert watch.over(began + OFF_S) == ["1-2"]
    assert watch.appeared("1-2", 200.0) is Storm.NONE


def test_radios_are_switched_off_but_those_that_stay(tmp_path: Path) -> None:
    switch = tmp_path / "rfkill"
    switch_off((), str(switch))  # a machine without radios
    assert not switch.exists()
    switch.write_bytes(b"")
    switch_off(("wlan", "wwan"), str(switch))
    events = list(struct.iter_unpack("=IBBBB", switch.read_bytes()))
    kinds = [KINDS[name] for name in ("bluetooth", "uwb", "wimax", "gps", "fm", "nfc")]
    assert events == [(0, kind, CHANGE_ALL, 1, 0) for kind in kinds]
    with pytest.raises(AgentError):
        switch_off((), str(tmp_path))


def test_what_lies_around_the_ports_is_found(tmp_path: Path) -> None:
    assert look_around(str(tmp_path), str(tmp_path)) == ()
    for number, (kind, state) in enumerate((("bluetooth", "1"), ("wlan", "0"), ("wwan", "2"))):
        folder = tmp_path / f"class/rfkill/rfkill{number}"
        folder.mkdir(parents=True)
        for name, text in (("type", kind), ("name", f"radio{number}"), ("state", state)):
            (folder / name).write_text(text + "\n")
    (tmp_path / "cmdline").write_text("quiet console=tty0 console=ttyS0,115200 root=/dev/sda1\n")
    (tmp_path / "sys/kernel").mkdir(parents=True)
    (tmp_path / "sys/kernel/sysrq").write_text("438\n")
    found = look_around(str(tmp_path), str(tmp_path))
    assert [one.way for one in found] == [Way.RADIO, Way.CONSOLE, Way.SYSRQ]
    assert "bluetooth" in found[0].words
    assert "rfkill block 0" in found[0].words
    assert "ttyS0" in found[1].words
