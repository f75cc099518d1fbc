# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""`device-twin pcscd` and `device-twin card` as commands: what they say, obey and leave behind."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from device_profiles.serve import real_pcscd
from scripts.lib.stations import command
from tests.patience import PATIENCE_S
from tests.private_pcscd import READER, PrivatePcscd

TWIN = command("device-twin")
REAL = ("pcscd", "--kind", "real", "--json")


def run(*argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [TWIN, *argv], env=os.environ | environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_ready_says_all_that_a_client_needs() -> None:
    with PrivatePcscd("One", "Two") as pcscd:
        ready = pcscd.daemon.ready
        assert ready["twin"] == "pcscd"
        assert ready["socket"].endswith("/run/pcscd.comm")
        assert ready["readers"] == [
            {"name": "One", "address": "127.0.0.1:35963"},
            {"name": "Two", "address": "127.0.0.1:35965"},
        ]
        assert ready["pid"] == pcscd.daemon.process.pid
        assert Path(f"/proc/{ready['daemon']}/comm").read_text().strip() == "pcscd"


def test_nothing_is_to_be_seen_outside() -> None:
    with PrivatePcscd() as pcscd:
        listening = Path("/proc/net/tcp").read_text()
        assert ":8C7B 00000000:0000 0A" not in listening
        assert not Path("/run/pcscd/pcscd.comm").exists() or pcscd.socket != "/run/pcscd/pcscd.comm"
        mounts = Path("/proc/self/mounts").read_text()
        assert "/run/pcscd" not in mounts
        assert "/usr/lib/pcsc/drivers" not in mounts


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stops_cleanly_and_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [TWIN, *REAL], env=os.environ | {"TMPDIR": str(tmp_path)}, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        process.send_signal(number)
        assert process.wait(PATIENCE_S) == 0
    assert not Path(f"/proc/{ready['daemon']}").exists()
    assert list(tmp_path.iterdir()) == []


def test_the_daemon_dies_with_it(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [TWIN, *REAL], env=os.environ | {"TMPDIR": str(tmp_path)}, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        daemon = Path(f"/proc/{json.loads(process.stdout.readline())['daemon']}")
        process.kill()
        process.wait(PATIENCE_S)
    assert gone(daemon)


def gone(process: Path, within_s: float = 30.0) -> bool:
    """Whether it ended; a zombie that nobody reaps has ended too."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            if (process / "stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.01)
    return False


def test_a_daemon_that_ends_by_itself_is_a_fault() -> None:
    process = subprocess.Popen([TWIN, *REAL], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        os.kill(json.loads(process.stdout.readline())["daemon"], signal.SIGKILL)
        _, talk = process.communicate(timeout=60)
        assert process.returncode == 1
    assert "device-twin: error: pcscd ended" in talk


def test_orders_on_stdin(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [TWIN, *REAL, "--dir", str(tmp_path / "p")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        said: list[dict[str, Any]] = [json.loads(process.stdout.readline())]
        for order in ("kill", "start"):
            process.stdin.write(f"{order}\n")
            process.stdin.flush()
            said.append(json.loads(process.stdout.readline()))
        process.stdin.write("stop\n")
        process.stdin.flush()
        assert process.wait(PATIENCE_S) == 0
    assert [line["event"] for line in said] == ["ready", "daemon.killed", "daemon.started"]
    assert said[0]["daemon"] != said[2]["daemon"]


def test_a_long_folder_gets_a_short_socket(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 20)
    with PrivatePcscd(folder=folder) as pcscd:
        assert len(pcscd.socket) <= 107
        assert f"{READER} 00 00" in pcscd.client("opensc-tool", "-l").stdout
        pcscd.kill()
        pcscd.start()
        assert f"{READER} 00 00" in pcscd.client("opensc-tool", "-l").stdout


def test_card_says_ready_and_obeys() -> None:
    with PrivatePcscd() as pcscd:
        card = pcscd.card("--out")
        assert card.ready | {"event": "ready"} == {
            "event": "ready", "twin": "card", "card": "test-visa-contact",
            "address": "127.0.0.1:35963", "atr": "3BE000008131FE45EB",
        }  # fmt: skip
        card.insert()
        card.remove()
        card.insert()
        card.process.terminate()
        assert card.process.wait(PATIENCE_S) == 0


def test_card_traces_are_masked() -> None:
    with PrivatePcscd() as pcscd:
        card = pcscd.card("--trace")
        waiting = time.monotonic() + 60
        while "Yes" not in pcscd.client("opensc-tool", "-l").stdout:
            assert time.monotonic() < waiting
        aid = "00:A4:04:00:07:A0:00:00:00:03:10:10:00"
        pcscd.client("opensc-tool", "-s", aid, "-s", "80:A8:00:00:02:83:00:00", "-s", "00:B2:01:0C:00")
        traffic: list[str] = []
        while not any("400000******0057" in text for text in traffic):  # the record is what the card answers last
            assert time.monotonic() < waiting
            traffic = [line["text"] for line in card.lines if line.get("event") == "traffic"]
        assert any("READ RECORD" in text for text in traffic)
        assert not any("4000009999990057" in text for text in traffic)
        assert f"{READER} 00 00" in pcscd.client("pcsc_scan", "-r", "-n").stdout


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["card", "--vpcd", "nowhere", "--card", "test-visa-contact"], "HOST:PORT expected"),
        (["card", "--vpcd", "127.0.0.1:0", "--card", "test-visa-contact"], "HOST:PORT expected"),
        (["card", "--vpcd", "127.0.0.1:35963", "--card", "no-such-card"], "no model 'no-such-card'"),
        (["card", "--vpcd", "127.0.0.1:35963", "--card", "test-visa-contact", "--fault", "x"], "no fault 'x'"),
        (["card", "--vpcd", "127.0.0.1:35963", "--card", "test-visa-like", "--transmission", "t0"], "contactless"),
        (["pcscd", "--kind", "real", "--reader", 'evil"\nLIBPATH /x'], "--reader"),
        (["pcscd", "--kind", "real", "--reader", "A", "--reader", "A"], "different names"),
        (["pcscd", "--kind", "real", *(word for number in range(9) for word in ("--reader", f"R{number}"))], "1 to 8"),
    ],
)
def test_wrong_words_are_usage_errors(words: list[str], what: str) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert what in done.stderr
    assert "Traceback" not in done.stderr


def test_a_process_without_network_to_enter() -> None:
    done = run("card", "--vpcd", "127.0.0.1:35963", "--card", "test-visa-contact", "--network-of", "4194305")
    assert done.returncode == 1
    assert "process 4194305" in done.stderr


@pytest.mark.parametrize("newer", [False, True])
def test_polkit_is_left_out_where_pcscd_knows_it(tmp_path: Path, newer: bool) -> None:
    program = tmp_path / "pcscd"
    program.write_text(f"#!/bin/sh\necho '  -f, --foreground{' --disable-polkit' if newer else ''}'\n")
    program.chmod(0o755)
    assert real_pcscd.options(str(program)) == ("--foreground", *(["--disable-polkit"] if newer else []))


def test_nothing_installed_says_the_cure() -> None:
    script = (
        "import sys; from device_profiles.serve import real_pcscd; from pathlib import Path;"
        "real_pcscd._VPCD = Path('/nowhere'); from device_profiles.cli import main;"
        "sys.exit(main(['pcscd', '--kind', 'real']))"
    )
    python = str(Path(TWIN).with_name("python"))
    done = subprocess.run([python, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "apt-get install --no-install-recommends pcscd vsmartcard-vpcd" in done.stderr


def test_help_is_quick_and_shows_examples() -> None:
    for twin in ("card", "pcscd"):
        done = run(twin, "--help")
        assert done.returncode == 0
        assert "examples:" in done.stdout


def test_a_user_without_rights_gets_a_namespace_of_his_own() -> None:
    poor = ["setpriv", "--bounding-set", "-sys_admin"] if os.geteuid() == 0 else []
    process = subprocess.Popen([*poor, TWIN, *REAL], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert ready["event"] == "ready"
        assert Path(f"/proc/{ready['pid']}/ns/user").readlink() != Path("/proc/self/ns/user").readlink()
        listed = subprocess.run(
            ["opensc-tool", "-l"],
            env=os.environ | {"PCSCLITE_CSOCK_NAME": ready["socket"]},
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Tillguard Contact 00 00" in listed.stdout
        process.terminate()
        assert process.wait(PATIENCE_S) == 0


REFUSED = """
import ctypes, errno, sys
from device_profiles.serve import namespaces
class Refusing:
    def unshare(self, flags):
        ctypes.set_errno(errno.EPERM)
        return -1
namespaces.ctypes.CDLL = lambda *words, **more: Refusing()
from device_profiles.cli import main
sys.exit(main(["pcscd", "--kind", "real"]))
"""


def test_refused_namespaces_say_the_cure() -> None:
    python = str(Path(TWIN).with_name("python"))
    done = subprocess.run([python, "-c", REFUSED], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 4
    assert "the system refuses private mounts and network: Operation not permitted" in done.stderr
    assert "CAP_SYS_ADMIN" in done.stderr
