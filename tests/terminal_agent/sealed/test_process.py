# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The vault's process from outside: its fences hold against itself, against its own user, and, as far as said, root."""

import errno
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from protocols.vault import Inventory, Refused, Result, Status, Stop, Verify, encode
from terminal_agent.processes import vault_child
from tests.patience import PATIENCE_S
from tests.terminal_agent.sealed import probed_vault
from tests.terminal_agent.sealed.vaults import Asker, made, running

HERE = Path(__file__).parent
PROBED = (str(HERE / "probed_vault.py"),)
SLEEPER = """
import ctypes, sys
sys.path[:0] = [sys.argv[1]]
from prober import give_up_capabilities
give_up_capabilities()
ctypes.CDLL(None).prctl(4, 1)  # dumpable, as every process is that does not say otherwise
print(flush=True)
sys.stdin.read()
"""


def lines(process: int) -> dict[str, str]:
    """/proc/PID/status."""
    pairs = (line.split(":\t", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    return {pair[0]: pair[1].strip() for pair in pairs if len(pair) == 2}


def mapping(process: int, pattern: str) -> int:
    """Where a mapping starts whose line has ``pattern``; as root, who may look."""
    for line in Path(f"/proc/{process}/maps").read_text().splitlines():
        if re.search(pattern, line):
            return int(line.split("-")[0], 16)
    raise AssertionError(f"no mapping like {pattern}")


def probe(process: int, address: int, *, keep: bool = False) -> dict[str, str]:
    """What a thief finds."""
    done = subprocess.run(
        [sys.executable, str(HERE / "prober.py"), str(process), str(address), str(int(keep))],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    with running(made(tmp_path_factory.mktemp("probed")), PROBED) as asker:
        asker.status()
        yield asker


def test_every_fence_stands_here(probed: Asker) -> None:
    fences = probed.status()["fence"]
    assert [line.split()[0] for line in fences] == [
        *("arena", "core", "dumpable", "privileges", "capabilities", "landlock", "seccomp")
    ]
    assert [line for line in fences if line.split()[1] != "up"] == []


@pytest.mark.parametrize("what", probed_vault.TRIES)
def test_the_vault_itself_cannot(probed: Asker, what: str) -> None:
    reply = probed.ask(Verify(what, b""))
    assert isinstance(reply, Result)
    assert errno.errorcode.get(bytes(reply.value)[0]) == "EPERM"


def test_what_it_tries_works_without_fences(tmp_path: Path) -> None:
    """Else a try that never works would prove nothing."""
    program = "import sys; sys.path[:0] = [sys.argv[1]]\nfrom tests.terminal_agent.sealed.probed_vault import TRIES\n"
    program += "import ctypes, os\nfor name in ('open for reading', 'socket, TCP', 'socket, local', 'memory to run',"
    program += " 'fork', 'memfd_create', 'kill', 'dumpable again'):\n"
    program += "    outcome = TRIES[name]()\n    if name == 'fork' and outcome == 0: os._exit(0)\n"
    program += "    print(name, outcome != -1)\n"
    root = HERE.parents[2]
    done = subprocess.run([sys.executable, "-c", program, str(root)], capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == 8
    assert all(line.endswith("True") for line in done.stdout.splitlines()), done.stdout


def test_the_kernel_says_the_same(probed: Asker) -> None:
    status = lines(probed.child.process.pid)
    assert status["Seccomp"] == "2"
    assert status["NoNewPrivs"] == "1"
    for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(status[kind], 16) == 0, kind
    limits = Path(f"/proc/{probed.child.process.pid}/limits").read_text()
    assert re.search(r"Max core file size +0 +0", limits)


def test_its_own_user_gets_nothing(probed: Asker) -> None:
    address = mapping(probed.child.process.pid, r"\[heap\]")
    found = probe(probed.child.process.pid, address)
    assert found.keys() == {"memory", "vector", "maps", "environment", "descriptors", "ptrace"}
    assert set(found.values()) <= {"EPERM", "EACCES"}, found


def test_the_same_thief_gets_into_any_other_process() -> None:
    program = [sys.executable, "-c", SLEEPER, str(HERE)]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        other.stdout.readline()
        found = probe(other.pid, mapping(other.pid, r"\[heap\]"))
        other.stdin.close()
    assert set(found.values()) == {"in"}, found


def test_not_even_root_reads_the_arena(probed: Asker) -> None:
    """Root reads the heap of any process: what rests in the arena he does not."""
    process = probed.child.process.pid
    assert probe(process, mapping(process, r"\[heap\]"), keep=True)["memory"] == "in"
    found = probe(process, mapping(process, "secretmem"), keep=True)
    assert found["memory"] in ("EIO", "EFAULT"), found
    assert found["vector"] == "EFAULT", found


def test_an_order_to_stop_a_hang_up_and_a_signal_end_it_cleanly(tmp_path: Path) -> None:
    wanted = made(tmp_path)
    for way in ("stop", "hang up", "signal"):
        child = vault_child.start(wanted)
        asker = Asker(child)
        asker.status()
        if way == "stop":
            asker.ask(Stop())
        elif way == "signal":
            child.process.send_signal(signal.SIGTERM)
        else:
            child.pipe.close()
        assert child.process.wait(PATIENCE_S) == 0, way
        child.pipe.close()


def test_garbage_on_the_pipe_is_refused_and_survived(probed: Asker) -> None:
    for packet in (b"\7", b"\7\xff", b"\7\x04\xff\xff", encode(7, Status()) + b"\0", b"\7\x04\0\2\xff\xff\0\0"):
        probed.child.pipe.send(packet)
        assert isinstance(probed.answer(7), Refused)
    assert probed.status()["phase"] == ["loading"]


def test_a_second_vault_does_not_get_the_store(tmp_path: Path) -> None:
    wanted = made(tmp_path)
    with running(wanted) as first:
        first.status()
        with running(wanted) as second:
            assert second.status()["phase"] == ["locked"]
            assert "another vault" in second.status()["why"][0]
            assert isinstance(second.ask(Inventory()), Refused)


def test_without_a_store_it_is_locked_and_says_the_cure(tmp_path: Path) -> None:
    wanted = made(tmp_path)
    wanted.store.unlink()
    with running(wanted) as asker:
        status = asker.status()
        assert status["phase"] == ["locked"]
        assert "keys init" in status["why"][0]


def test_it_is_made_of_the_standard_library_and_cryptography() -> None:
    program = "import sys, terminal_agent.processes.vault as _; print(*sorted({n.split('.')[0] for n in sys.modules}))"
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    foreign = set(done.stdout.split()) - sys.stdlib_module_names - {"__main__", "sitecustomize"}
    assert {name for name in foreign if not name.startswith(("_", "cython"))} <= {
        *("cryptography", "protocols", "terminal_agent", "tillguard")
    }
    loaded = set(done.stdout.split())
    assert not loaded & {"asyncio", "ssl", "http", "urllib", "msgspec", "sqlite3", "logging", "subprocess"}


def test_a_stranger_at_the_pipe_is_refused(tmp_path: Path) -> None:
    wanted = made(tmp_path)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    order = {**wanted.document(), "pipe": theirs.fileno(), "users": [os.getuid() + 1]}
    done = subprocess.run(
        [sys.executable, "-I", *vault_child.PROGRAM, json.dumps(order)],
        pass_fds=(theirs.fileno(),),
        capture_output=True,
        text=True,
        check=False,
    )
    ours.close()
    theirs.close()
    assert done.returncode == 4
    assert "at the other end" in done.stderr
