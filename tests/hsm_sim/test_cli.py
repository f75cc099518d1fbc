# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The command as a person or a script meets it: transcripts, warnings, exit codes."""

import json
import socket
import subprocess

import pytest

from hsm_sim.cli import main
from protocols.hsm.commands import COMMANDS
from tests.hsm_sim.conftest import command_line
from tests.patience import PATIENCE_S

WARNING = "hsm-sim: WARNING: the master keys are the public TEST set"


def ran(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command_line(*arguments), capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def test_commands_for_a_person(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["commands"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "CM → CN  verify a PIN block under DUKPT by its PVV  (single source)\n" in out
    assert "    request   bdk key (or 32H pair), pvk key (or 32H pair), descriptor 3H, ksn 20H, block 16H" in out
    assert "    note      " in out
    assert [line[:2] for line in out.splitlines() if not line.startswith(" ")] == sorted(COMMANDS)


def test_commands_for_a_script(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["commands", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["commands"]
    assert {row["code"] for row in rows} == set(COMMANDS)
    labels = {row["code"]: row["evidence"] for row in rows}
    assert (labels["KQ"], labels["CM"], labels["HA"], labels["NC"]) == (
        "vector",
        "single source",
        "2 sources",
        "8 sources",
    )
    assert all(row["request_layout"] and row["response_layout"] for row in rows)
    assert all(bool(row["sources"]) == (row["evidence"] != "own") for row in rows)


def test_one_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["commands", "kq"]) == 0
    assert capsys.readouterr().out.startswith("KQ → KR  verify an ARQC, make an ARPC  (vector)\n")
    assert main(["commands", "ZZ"]) == 2
    assert capsys.readouterr().err == "hsm-sim: error: no such command\nhint: run: hsm-sim commands\n"


def test_help_begins_the_work_of_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "hsm-sim serve --trace" in capsys.readouterr().out
    loaded = "import sys, hsm_sim.cli; print([name for name in sys.modules if 'crypto' in name or name == 'asyncio'])"
    done = subprocess.run(
        [*command_line()[:1], "-c", loaded], capture_output=True, text=True, timeout=PATIENCE_S, check=True
    )
    assert done.stdout == "[]\n"


def test_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = ran("serve", "--port", str(port))
        assert done.returncode == 1
        assert done.stdout == ""
        assert done.stderr == (
            f"hsm-sim: error: 127.0.0.1 port {port} is in use\n"
            "hint: stop what listens there, or choose another with --port (0: any free one)\n"
        )
        assert json.loads(ran("serve", "--port", str(port), "--json").stdout)["exit"] == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--port", "70000"), "port: 0 to 65535 expected"),
        (("--header-octets", "256"), "header_octets: 0 to 255 expected"),
        (("--listen", "somewhere"), "listen: an IP address expected"),
        (("--config", "/nowhere.toml"), "/nowhere.toml: no such file"),
    ],
)
def test_settings_that_cannot_be(arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", *arguments]) == 2
    assert f"hsm-sim: error: {words}\n" in capsys.readouterr().err


def test_an_address_of_another_machine() -> None:
    done = ran("serve", "--port", "0", "--listen", "192.0.2.1")
    assert done.returncode == 1
    assert "192.0.2.1 is no address of this machine" in done.stderr


@pytest.mark.parametrize("arguments", [(), ("--json",), ("--json", "--trace")])
@pytest.mark.parametrize(("address", "beyond"), [("127.0.0.1", False), ("127.0.0.2", False), ("0.0.0.0", True)])
def test_warnings_that_no_option_silences(arguments: tuple[str, ...], address: str, beyond: bool) -> None:
    line = command_line("serve", "--port", "0", "--listen", address, *arguments)
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        ready = process.stdout.readline()
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
        said = process.stderr.read()
    assert ("ready" in ready) is True
    assert "TEST" in ready
    assert said.startswith(WARNING)
    assert ("listens beyond this machine" in said) is beyond
    if "--json" in arguments:
        document = json.loads(ready)
        assert (document["event"], document["lmk"]) == ("ready", "TEST")
    else:
        assert ready.startswith(f"ready {address}:")
