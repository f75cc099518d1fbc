# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""`device-twin pcscd` and `device-twin ccid` as commands: what they say, obey, refuse and leave behind; 64 readers."""

import contextlib
import os
import signal
import socket
import struct
import subprocess
from pathlib import Path

import pytest

from scripts.lib.stations import Station, StationFailed, command
from tests.patience import PATIENCE_S
from tests.twin_pcscd import READER, TwinPcscd

TWIN = command("device-twin")
AGENT = command("terminal-agent")


def test_ready_says_all_that_a_client_needs(tmp_path: Path) -> None:
    words = ("--reader", "One=test-visa-contact", "--keypad", "Two", "--reader", "Three (S1)")
    with TwinPcscd(*words, folder=tmp_path / "p") as twin:
        ready = twin.station.ready
        assert (ready["twin"], ready["kind"]) == ("pcscd", "twin")
        assert ready["socket"] == str(tmp_path / "p/pcscd.comm")
        assert ready["pid"] == twin.station.process.pid
        assert ready["readers"] == ["One 00 00", "Three (S1) 01 00", "Two 02 00"]


def test_needs_no_rights_at_all(tmp_path: Path) -> None:
    poor = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"] if os.geteuid() == 0 else []
    argv = [*poor, TWIN, "pcscd", "--json", "--dir", str(tmp_path / "p"), "--reader", "One=test-visa-contact"]
    station = Station("pcscd", argv, lambda name, line: None)
    try:
        station.wait_ready()
        environment = os.environ | {"PCSCLITE_CSOCK_NAME": station.ready["socket"]}
        argv = ["opensc-tool", "-a"]
        said = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert said.stdout.strip() == "3b:e0:00:00:81:31:fe:45:eb"
    finally:
        station.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stops_cleanly_and_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    argv = [TWIN, "pcscd", "--json"]
    with subprocess.Popen(argv, env=os.environ | {"TMPDIR": str(tmp_path)}, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert b"ready" in process.stdout.readline()
        assert len(list(tmp_path.iterdir())) == 1
        process.send_signal(number)
        assert process.wait(PATIENCE_S) == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", [(), ("--kind", "real")])
def test_a_folder_that_cannot_be_says_so(kind: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in ("/proc/nowhere", str(tmp_path / "file")):
        argv = [TWIN, "pcscd", *kind, "--dir", folder]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 2, done.stderr
        assert "hint: give another --dir" in done.stderr


def test_a_second_service_leaves_the_first_alone(tmp_path: Path) -> None:
    with TwinPcscd("--reader", "One", folder=tmp_path / "p") as twin:
        argv = [TWIN, "pcscd", "--dir", str(tmp_path / "p")]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1, done.stderr
        assert "a service listens there already" in done.stderr
        assert "One 00 00" in twin.client(AGENT, "reader", "list").stdout
        twin.kill()
        twin.start()
        assert "One 00 00" in twin.client(AGENT, "reader", "list").stdout


def test_orders_in_a_file(tmp_path: Path) -> None:
    orders = tmp_path / "orders"
    orders.write_text("insert One=test-visa-cda\nremove One\nstop")
    with orders.open() as file:
        argv = [TWIN, "pcscd", "--reader", "One"]
        done = subprocess.run(argv, stdin=file, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1:] == ["card.inserted One", "card.removed One"]


def test_orders(tmp_path: Path) -> None:
    with TwinPcscd("--reader", "One", folder=tmp_path / "p") as twin:
        said = [
            twin.order(words)["event"]
            for words in (
                "insert One=test-visa-contact", "remove one", "insert ONE", "turn One", "plug Two=test-visa-contact",
                "plug-keypad Three", "unplug Two", "kill", "start", "insert One=test-visa-contact;after-use=leave",
            )
        ]  # fmt: skip
        assert said == [
            "card.inserted", "card.removed", "card.inserted", "card.turned", "reader.plugged",
            "reader.plugged", "reader.unplugged", "daemon.killed", "daemon.started", "card.inserted",
        ]  # fmt: skip
        assert "One 00 00" in twin.client("opensc-tool", "-l").stdout
        assert twin.client(AGENT, "card", "apdu", "--reader", "One", "00A40400").returncode == 0
        assert twin.until("card.removed")["reader"] == "One"
        os.kill(twin.station.process.pid, signal.SIGUSR1)
        twin.until("daemon.killed")
        os.kill(twin.station.process.pid, signal.SIGUSR2)
        twin.until("daemon.started")


@pytest.mark.parametrize(
    ("order", "why"),
    [
        ("insert Nowhere=test-visa-contact", "no reader"),
        ("insert One", "which card"),
        ("insert One=no-such-card", "no model"),
        ("insert One=test-visa-contact;fault=x", "no fault"),
        ("insert One=test-visa-contact;colour=red", "behind a card's name"),
        ("insert One=test-visa-contact;transmission=t2", "behind a card's name"),
        ("plug One", "of that name"),
        ("plug /etc", "letters"),
        ("dance", "orders are"),
    ],
)
def test_orders_that_are_refused(order: str, why: str, tmp_path: Path) -> None:
    with TwinPcscd("--reader", "One", folder=tmp_path / "p") as twin:
        said = twin.order(order)
        assert said["event"] == "order.refused"
        assert why in said["why"]
        assert twin.order("plug Two")["event"] == "reader.plugged"


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--reader", "bad/name"], "letters"),
        (["--reader", "A", "--reader", "a"], "different names"),
        ([word for number in range(17) for word in ("--reader", f"R{number}")], "1 to 16"),
        (["--reader", "A=no-such-card"], "no model"),
        (["--serial", "A=/dev/null:GemPCTwin"], "only the real pcscd"),
        (["--kind", "real", "--keypad", "A"], "no PIN pad"),
        (["--kind", "real", "--serial", "A=/nowhere:GemPCTwin"], "NAME=PATH:KIND"),
        (["--dir", "/tmp/" + "long" * 40], "too long for a socket"),
    ],
)
def test_wrong_words_are_usage_errors(words: list[str], what: str) -> None:
    done = subprocess.run([TWIN, "pcscd", *words], capture_output=True, text=True, timeout=60, check=False)
    assert not Path("/tmp/" + "long" * 40).exists()
    assert done.returncode == 2, done.stderr
    assert what in done.stderr
    assert "Traceback" not in done.stderr


def test_whoever_does_not_speak_the_protocol_is_dropped(tmp_path: Path) -> None:
    with TwinPcscd("--reader", "One=test-visa-contact", folder=tmp_path / "p") as twin:
        for garbage in (b"GET / HTTP/1.0\r\n\r\n", struct.pack("<II", 1 << 31, 9), os.urandom(64) + b"\xff" * 64):
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(PATIENCE_S)
                client.connect(twin.socket)
                client.sendall(garbage)
                assert client.recv(10) == b""
        assert twin.client("opensc-tool", "-a").stdout.strip() == "3b:e0:00:00:81:31:fe:45:eb"


def test_sixty_four_readers_with_sixty_four_cards(tmp_path: Path) -> None:
    """Four services of sixteen; every card is read by a program of its own service."""
    with contextlib.ExitStack() as stack:
        services = []
        for number in range(4):
            names = [f"Till {number}-{place}" for place in range(16)]
            words = [word for name in names for word in ("--reader", f"{name}=test-visa-contact")]
            services.append(stack.enter_context(TwinPcscd(*words, folder=tmp_path / str(number))))
        answered = 0
        for number, twin in enumerate(services):
            done = twin.client(AGENT, "reader", "list", "--json")
            assert done.stdout.count("3BE000008131FE45EB") == 16
            for place in range(16):
                said = twin.client("opensc-tool", "-r", str(place), "-s", "00:A4:04:00:07:A0:00:00:00:03:10:10")
                assert "SW1=0x90" in said.stdout, (number, place, said.stderr)
                answered += 1
        assert answered == 64


def test_ccid_orders(tmp_path: Path) -> None:
    link = tmp_path / "line"
    argv = [TWIN, "ccid", "--kind", "GemCorePOSPro", "--link", str(link), "--json"]
    station = Station("ccid", argv, lambda name, line: None, obeys=True)
    try:
        assert station.wait_ready()["kind"] == "GemCorePOSPro"
        assert link.is_symlink()
        said = []
        for order in ("insert 4=test-visa-contact;transmission=t0", "remove 4", "insert 4", "turn 0", "insert 2",
                      "insert 5=test-visa-contact", "insert 1=test-visa-contact;colour=red", "dance"):  # fmt: skip
            station.order(order)
            line = station.next_line(PATIENCE_S)
            assert line is not None
            said.append(line["event"])
        refused = ["order.refused"] * 4
        assert said == ["card.inserted", "card.removed", "card.inserted", "card.turned", *refused]
    finally:
        station.stop()
    assert not link.is_symlink()


def test_ccid_without_a_card_of_that_name(tmp_path: Path) -> None:
    argv = [TWIN, "ccid", "--card", "no-such-card", "--link", str(tmp_path / "line"), "--json"]
    station = Station("ccid", argv, lambda name, line: None)
    try:
        with pytest.raises(StationFailed, match="no model"):
            station.wait_ready()
    finally:
        station.stop()


def test_a_reader_of_the_default_name() -> None:
    with TwinPcscd() as twin:
        assert twin.station.ready["readers"] == [f"{READER} 00 00"]
