# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The console of a running unit: one order, scripts, a prompt on a terminal, and whatever else comes to its socket."""

import json
import os
import pty
import select
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hsm_sim.audit import verify_file
from hsm_sim.console_server import LONGEST_LINE
from tests.hsm_sim import live, oracle
from tests.hsm_sim.conftest import command_line
from tests.hsm_sim.raw_client import RawClient
from tests.hsm_sim.running import Running, running
from tests.patience import PATIENCE_S

WORDS = "TEST passphrase of a unit"
PARTS = [oracle.key().hex().upper() for _ in range(2)]
FORMED = bytes(left ^ right for left, right in zip(*map(bytes.fromhex, PARTS), strict=True))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "words").write_text(WORDS)
    (tmp_path / "words").chmod(0o600)
    return tmp_path


@pytest.fixture
def unit(folder: Path) -> Iterator[Running]:
    with running("--state", str(folder / "s"), "--passphrase-file", str(folder / "words")) as unit:
        yield unit


def console(folder: Path, *words: str, given: str = "", json_too: bool = False) -> "subprocess.CompletedProcess[str]":
    line = command_line("console", "--state", str(folder / "s"), *(["--json"] if json_too else []), *words)
    return subprocess.run(line, input=given, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def test_single_orders_say_what_happened_and_end_in_a_code(unit: Running, folder: Path) -> None:
    assert console(folder, "state", "offline").stdout == "the unit is offline\n"
    status = json.loads(console(folder, "status", json_too=True).stdout)
    assert (status["state"], status["keys"], status["lmks"]["00"]["test"]) == ("offline", 0, True)
    with RawClient(unit.address()) as host:
        assert host.ask(live.COMMANDS["CA"])[2:4] == b"17"
        assert console(folder, "state", "online").returncode == 0
        assert host.ask(live.COMMANDS["CA"])[2:4] == b"00"
    declined = console(folder, "set", "fraud.minute", "3")
    assert declined.returncode == 1
    assert declined.stderr == (
        "hsm-sim: error: set: the unit is not in the state that this takes\n"
        "hint: the unit is online; turn it with: state offline or secure\n"
    )
    assert json.loads(console(folder, "nonsense", json_too=True).stdout)["error"] == "no such order"


def test_a_key_from_components_by_a_script_and_its_first_use(unit: Running, folder: Path) -> None:
    script = "state offline\nstate secure  # components only here\n\nkeys form 002 01A\n"
    script += f"{PARTS[0]}\n{PARTS[1]}\n\nkeys list\nstate offline\nstate online\n"
    done = console(folder, given=script)
    assert done.returncode == 0, done.stderr
    assert f"check value {oracle.check_value(FORMED)}, kept as 00/K01A" in done.stdout
    with RawClient(unit.address()) as host:
        assert host.ask("KAK01A02;001")[2:] == f"00{oracle.check_value(FORMED)}".encode()
    audit = console(folder, "audit", "last", "100")
    assert "key.formed key=00/K01A usage=002" in audit.stdout
    for part in (*PARTS, FORMED.hex().upper()):
        assert part not in done.stdout + done.stderr + audit.stdout
        assert all(part.encode() not in path.read_bytes() for path in (folder / "s").glob("*.*") if path.is_file())
    unit.process.terminate()
    assert unit.process.wait(PATIENCE_S) == 0
    line = ("--state", str(folder / "s"), "--passphrase-file", str(folder / "words"))
    with running(*line) as again, RawClient(again.address()) as host:
        assert host.ask("KAK01A02;001")[2:] == f"00{oracle.check_value(FORMED)}".encode()


def test_the_first_fault_ends_a_script(unit: Running, folder: Path) -> None:
    done = console(folder, given="state offline\nstate online\nkeys form 002 001\nstate offline\n")
    assert (done.returncode, done.stdout) == (1, "the unit is offline\nthe unit is online\n")
    assert "keys form" in done.stderr
    assert console(folder, "status", json_too=True).stdout.startswith('{"state":"online"')
    assert "quotation mark" in console(folder, given='set "policy\n').stderr


def test_components_that_run_out_leave_nothing(unit: Running, folder: Path) -> None:
    done = console(folder, given=f"state offline\nstate secure\nkeys form 002 001\n{PARTS[0]}\n")
    assert done.returncode == 1
    assert "two components or more expected" in done.stderr
    assert console(folder, "keys", "list").stdout == "no keys\n"


def test_input_that_is_no_order(unit: Running, folder: Path) -> None:
    argv = command_line("console", "--state", str(folder / "s"))
    long = subprocess.run(argv, input=b"x" * 3_000_000, capture_output=True, timeout=PATIENCE_S, check=False)
    assert long.returncode == 2
    assert b"longer than 4096 characters" in long.stderr
    empty = subprocess.run(argv, input=b"\n" * 100_000, capture_output=True, timeout=PATIENCE_S, check=False)
    assert (empty.returncode, empty.stderr) == (0, b"")
    binary = subprocess.run(argv, input=b"\xff\xfe\n", capture_output=True, timeout=PATIENCE_S, check=False)
    assert b"Traceback" not in binary.stderr
    closed = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "sh", *argv], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert (closed.returncode, closed.stderr) == (0, "")


def test_authorising_for_a_host(unit: Running, folder: Path) -> None:
    with RawClient(unit.address()) as host:
        assert host.ask(live.AUTHORISED["A4"])[2:4] == b"17"
        assert console(folder, "authorise", "components", "5").stdout == "components for 5 minutes\n"
        assert host.ask(live.AUTHORISED["A4"])[2:4] == b"00"
        assert console(folder, "cancel").stdout == "ended: components\n"
        assert host.ask(live.AUTHORISED["A4"])[2:4] == b"17"


def test_the_audit_on_the_line_and_at_rest(unit: Running, folder: Path) -> None:
    with RawClient(unit.address()) as host:
        host.ask(live.COMMANDS["A0"])
    verified = json.loads(console(folder, "audit", "verify", json_too=True).stdout)
    records = json.loads(console(folder, "audit", "last", json_too=True).stdout)["records"]
    assert records[-1]["name"] == "host.command"
    assert records[-1]["fields"] == {"code": "A0", "error": "00", "peer": "127.0.0.1"}
    unit.process.terminate()
    assert unit.process.wait(PATIENCE_S) == 0
    line = command_line("audit", str(folder / "s" / "audit.jsonl"), "--remembered", verified["head"])
    assert subprocess.run(line, capture_output=True, timeout=PATIENCE_S, check=False).returncode == 0


def test_what_hosts_did_is_on_the_disk_soon_and_survives_a_kill(unit: Running, folder: Path) -> None:
    path = folder / "s" / "audit.jsonl"
    with RawClient(unit.address()) as host:
        for _ in range(20):
            host.ask(live.COMMANDS["A0"])
    end = time.monotonic() + PATIENCE_S
    while path.read_bytes().count(b'"host.command"') < 20:  # no order asks for it: the unit's own timer writes it
        assert time.monotonic() < end
    unit.process.kill()
    unit.process.wait()
    assert verify_file(path).records == 21


class Terminal:
    """A person at a terminal: what the console shows, and what is typed."""

    def __init__(self, folder: Path) -> None:
        self._own, other = pty.openpty()
        line = command_line("console", "--state", str(folder / "s"))
        self.process = subprocess.Popen(line, stdin=other, stdout=other, stderr=other, start_new_session=True)
        os.close(other)
        self.shown = ""

    def see(self, words: str) -> None:
        """Wait until the terminal shows these words, behind what was seen before."""
        seen, end = "", time.monotonic() + PATIENCE_S
        while words not in seen:
            assert select.select([self._own], [], [], max(0, end - time.monotonic()))[0], seen
            try:
                piece = os.read(self._own, 4096).decode()
            except OSError:
                piece = ""
            assert piece, seen
            seen += piece
        self.shown += seen

    def type(self, text: str) -> None:
        os.write(self._own, text.encode())

    def close(self) -> int:
        code = self.process.wait(PATIENCE_S)
        os.close(self._own)
        return code


@pytest.fixture
def terminal(unit: Running, folder: Path) -> Iterator[Terminal]:
    made = Terminal(folder)
    yield made
    if made.process.poll() is None:
        made.process.kill()
        made.close()


def test_a_prompt_goes_on_after_a_fault_and_shows_no_secret(terminal: Terminal, folder: Path) -> None:
    terminal.see("hsm> ")
    for typed, shown in (
        ("keys form 002 001", "turn it with: state secure"),
        ('set "x', "quotation mark"),
        ("", "hsm> "),
        ("state offline", "the unit is offline"),
        ("state secure", "the unit is secure"),
    ):
        terminal.type(typed + "\n")
        terminal.see(shown)
    terminal.type("keys form 002 001\n")
    terminal.see("component 1 (hexadecimal digits): ")
    terminal.type(PARTS[0] + "\n")
    terminal.see(f"component 1 has check value {oracle.check_value(bytes.fromhex(PARTS[0]))}; component 2")
    terminal.type(PARTS[1] + "\n")
    terminal.see("component 3 (hexadecimal digits, empty to end): ")
    terminal.type("\n")
    terminal.see("kept as 00/K001")
    assert not any(part in terminal.shown for part in PARTS)
    terminal.type("quit\n")
    assert terminal.close() == 0


def test_a_person_can_give_up(terminal: Terminal, folder: Path) -> None:
    console(folder, given="state offline\nstate secure\n")
    terminal.see("hsm> ")
    for _ in range(2):
        terminal.type("keys form 002 001\n")
        terminal.see("component 1 (hexadecimal digits): ")
        terminal.type("\x04")
        terminal.see("given up")
    terminal.type("keys list\n")
    terminal.see("no keys")


def test_the_end_of_input_leaves_the_prompt(terminal: Terminal) -> None:
    terminal.see("hsm> ")
    terminal.type("\x04")
    assert terminal.close() == 0


def test_a_unit_that_stops_says_so_to_its_console(terminal: Terminal, unit: Running) -> None:
    terminal.see("hsm> ")
    unit.process.terminate()
    assert unit.process.wait(PATIENCE_S) == 0
    terminal.type("status\n")
    terminal.see("the unit closed the console")
    assert terminal.close() == 1


def at_the_socket(folder: Path) -> socket.socket:
    line = socket.socket(socket.AF_UNIX)
    line.settimeout(10)
    line.connect(str(folder / "s" / "console.sock"))
    return line


@pytest.mark.parametrize(
    "nonsense",
    [
        b"",
        b"\n",
        b"not json\n",
        b"[]\n",
        b"3\n",
        b"{}\n",
        b'{"words":"status"}\n',
        b'{"words":[3]}\n',
        b'{"words":["status"]',
        b"\xff\xfe\n",
        b"x" * (2 * LONGEST_LINE) + b"\n",
        b'{"secret":"00"}\n',
        b'{"words":["keys","form","002","001"]}\n{"words":["status"]}\n',
        b'{"words":["' + b'"' * 100 + b"\n",
        b"[" * 5000 + b"\n",
    ],
)
def test_whatever_else_comes_to_the_socket(unit: Running, folder: Path, nonsense: bytes) -> None:
    console(folder, given="state offline\nstate secure\n")
    with at_the_socket(folder) as line:
        with_answer = b""
        try:
            line.sendall(nonsense)
            line.shutdown(socket.SHUT_WR)
            while piece := line.recv(65536):
                with_answer += piece
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert b'"bug' not in with_answer
    assert console(folder, "status").returncode == 0
    unit.process.terminate()
    assert unit.process.wait(PATIENCE_S) == 0
    assert unit.process.stderr is not None
    assert "bug" not in unit.process.stderr.read()


def test_many_consoles_and_one_that_walks_away(unit: Running, folder: Path) -> None:
    console(folder, given="state offline\nstate secure\n")
    lines = [at_the_socket(folder) for _ in range(50)]
    for line in lines:
        line.sendall(b'{"words":["keys","form","002","001"]}\n')
    assert all(b'"ask"' in line.recv(65536) for line in lines)
    for line in lines[1:]:
        line.close()
    for secret, key in ((PARTS[0], b'"ask"'), (PARTS[1], b'"ask"'), ("", b'"done"')):
        lines[0].sendall(json.dumps({"secret": secret}).encode() + b"\n")
        assert key in lines[0].recv(65536)
    lines[0].close()
    assert "00/K001" in console(folder, "keys", "list").stdout


def test_a_full_disk_stops_the_running_unit(folder: Path) -> None:
    """The kernel keeps the unit's files from growing (RLIMIT_FSIZE): it answers no more and says why."""
    (folder / "hsm.toml").write_text("[fraud]\nenabled = false\n")
    words = command_line("serve", "--port", "0", "--json", "--state", f"{folder}/s", "--config", f"{folder}/hsm.toml")
    shell = ["bash", "-c", 'ulimit -f 40; exec "$@"', "bash", *words]
    with subprocess.Popen(shell, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        host, _, port = json.loads(process.stdout.readline())["address"].rpartition(":")
        answers: list[bytes] = []
        with RawClient((host, int(port))) as client:
            wrong = live.COMMANDS["DC"][:-4] + b"0000"
            for _ in range(2000):
                try:
                    answers.append(client.ask(wrong)[2:4])
                except (OSError, EOFError, AssertionError):
                    break
        try:
            assert process.wait(PATIENCE_S) == 1
        finally:
            process.kill()
        said = process.stderr.read()
    assert "the audit cannot be written: File too large" in said
    assert "hint: free space on the disk of the state folder" in said
    assert len(answers) > 50
    assert set(answers[:-1]) == {b"01"}
    assert answers[-1] in (b"01", b"41", b"")
