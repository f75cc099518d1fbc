# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``terminal-agent keys`` as a person types it, on a terminal whose agent is stopped: transcripts and exit codes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.growing import records
from tests.terminal_agent.sealed.vaults import PIN_KSN, block, component_files, made_key

COMMAND = Path(sys.executable).with_name("terminal-agent")
PROFILE = """
[terminal]
id = "TG000001"
merchant = "TILLGUARD000001"
state = "state"
socket = "agent.sock"
[reader]
model = "pn532"
line = "reader"
[pad]
model = "software"
line = "keypad"
[emv]
country = "276"
currency = "978"
serial-number = "TG000001"
[[emv.aids]]
aid = "A0000000031010"
kernel = 3
application-version = "0096"
transaction-limit = 500000
cvm-limit = 2500
floor-limit = 0
[acquirer]
address = "127.0.0.1:9"
dialect = "ascii-1987"
[report]
broker = "127.0.0.1:9"
ca = "file"
certificate = "file"
key = "file"
[vault]
store = "vault/store"
counter = "elsewhere/counter"
passphrase = "passphrase"
"""


class Desk:
    """A folder with a profile, and the command."""

    def __init__(self, folder: Path, more: str = "") -> None:
        self.folder = folder
        (folder / "file").write_text("")
        (folder / "passphrase").write_text("six words that open nothing else\n")
        (folder / "terminal.toml").write_text(PROFILE + more)

    def keys(self, *words: str) -> subprocess.CompletedProcess[str]:
        argv = [str(COMMAND), "keys", *words, "--profile", str(self.folder / "terminal.toml")]
        return subprocess.run(argv, capture_output=True, text=True, check=False)

    def said(self, *words: str) -> Any:
        done = self.keys(*words, "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def block(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text + "\n")
        return str(self.folder / name)

    def events(self) -> list[str]:
        return [record["name"] for record in records(self.folder / "state" / "TG000001.audit.jsonl")]


def components(desk: Desk) -> list[str]:
    return [word for path in component_files(desk.folder) for word in ("--component", path)]


def test_a_vault_from_nothing_to_rotated_and_destroyed(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    done = desk.keys("init")
    assert done.returncode == 0, done.stderr
    assert "a passphrase gives its key" in done.stdout
    again = desk.keys("init")
    assert again.returncode == 4
    assert "is there already" in again.stderr
    done = desk.keys("load", "transport", *components(desk))
    assert done.returncode == 0, done.stderr
    assert "of 2 components" in done.stdout
    for slot, usage, mode, ksn in (("pin", "B1", "X", PIN_KSN), ("mac-master", "K0", "B", b"")):
        path = desk.block(slot, block(usage, "T", mode, made_key(slot), ksn))
        assert "serves" in desk.keys("load", slot, "--block", path).stdout
    found = {key["slot"]: key for key in desk.said("list")["keys"]}
    assert set(found) == {"transport", "pin", "mac-master"}
    assert found["pin"]["ksn"].startswith("FFFF111111")
    assert f"pin         serves  B1 T  {found['pin']['check_value']}" in desk.keys("list").stdout
    value = found["mac-master"]["check_value"]
    assert desk.keys("verify", "mac-master", value).returncode == 0
    assert desk.keys("verify", "mac-master", "123456").returncode == 4
    path = desk.block("next", block("K0", "T", "B", made_key("next")))
    assert "waits" in desk.keys("load", "mac-master", "--block", path).stdout
    assert f"{value} destroyed" in desk.keys("rotate", "mac-master").stdout
    assert "phase ready" in desk.keys("status").stdout
    assert desk.keys("zeroise").returncode == 2
    assert "destroyed" in desk.keys("zeroise", "--all").stdout
    assert desk.said("list") == {"keys": []}
    events = desk.events()
    assert events.count("key.loaded") == 4
    assert events.count("key.destroyed") == 4


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (("list",), 0, "no keys"),
        (("load", "pin", "--block", "{folder}/none"), 2, "cannot be read as a key block"),
        (("load", "pin"), 2, "a key block is missing"),
        (("rotate", "pin"), 4, "no key waits"),
        (("rotate", "nowhere"), 4, "no slot of that name"),
        (("verify", "pin", "zz"), 2, "hexadecimal digits expected"),
    ],
)
def test_faults_say_the_cure(tmp_path: Path, words: tuple[str, ...], code: int, expected: str) -> None:
    desk = Desk(tmp_path)
    desk.keys("init")
    done = desk.keys(*(word.format(folder=tmp_path) for word in words))
    assert done.returncode == code, done.stdout + done.stderr
    assert expected in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_files_that_are_none_are_told_by_name_and_leave_the_vault_as_it_was(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    assert desk.keys("init").returncode == 0
    first, second = component_files(tmp_path)
    (tmp_path / "huge").write_bytes(bytes(3_000_000))
    (tmp_path / "noise").write_bytes(bytes(range(256)))
    here = str(tmp_path)
    for words, code, expected in (
        (("load", "pin", "--block", f"{here}/huge"), 2, "longer than a key block can be"),
        (("load", "pin", "--block", f"{here}/noise"), 2, "cannot be read as a key block"),
        (("load", "pin", "--token", f"{here}/huge"), 2, "larger than any token or certificate"),
        (("load", "pin", "--token", f"{here}/noise", "--block", f"{here}/noise"), 2, "one of them"),
        (("load", "pin", "--block", first, "--approve", f"{here}/none"), 2, "none: cannot be read: No such file"),
        (("load", "pin", "--block", first, "--approve", f"{here}/noise"), 2, "no custodian's key"),
        (("load", "pin", "--component", first, "--component", second), 2, "only the transport key comes in components"),
        (("load", "transport", "--component", here, "--component", second), 4, "cannot be read: Is a directory"),
        (("load", "transport", "--component", first, "--component", first), 4, "cancel one another out"),
        (("load", "transport", "--component", first), 4, "1 component: 2 at least"),
        (("credential", "--subject", "CN=x", "--out", here), 2, "cannot be written"),
        (("list",), 0, "no keys"),
    ):
        done = desk.keys(*words)
        assert done.returncode == code, done.stdout + done.stderr
        assert expected in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


def custodians(folder: Path) -> list[str]:
    """Alice's and Bob's keys in ``folder``; the words by which both approve."""
    for name in ("alice", "bob"):
        for argv in (
            ["openssl", "genpkey", "-algorithm", "ed25519", "-out", f"{name}.pem"],
            ["openssl", "pkey", "-in", f"{name}.pem", "-pubout", "-out", f"{name}.pub"],
        ):
            subprocess.run(argv, cwd=folder, check=True, capture_output=True)
    return [word for name in ("alice", "bob") for word in ("--approve", str(folder / f"{name}.pem"))]


def test_two_custodians_where_the_vault_knows_some(tmp_path: Path) -> None:
    both = custodians(tmp_path)
    desk = Desk(tmp_path, 'custodians = ["alice.pub", "bob.pub"]\n')
    assert desk.keys("init").returncode == 0
    assert desk.keys("load", "transport", *components(desk)).returncode == 0
    path = desk.block("mac", block("K0", "T", "B", made_key("mac-master")))
    words = ("load", "mac-master", "--block", path)
    alone = desk.keys(*words)
    assert alone.returncode == 4
    assert "2 custodians must sign" in alone.stderr
    assert "--approve" in alone.stderr
    one = desk.keys(*words, "--approve", str(tmp_path / "alice.pem"))
    assert one.returncode == 4
    assert desk.keys(*words, *both).returncode == 0
    assert "approved" in (tmp_path / "state" / "TG000001.audit.jsonl").read_text().splitlines()[-1]
    assert desk.keys("zeroise", "--all").returncode == 4
    assert desk.keys("zeroise", "--all", *both).returncode == 0


def test_two_custodians_lead_out_of_tampered(tmp_path: Path) -> None:
    both = custodians(tmp_path)
    switch = tmp_path / "switch"
    desk = Desk(tmp_path, f'custodians = ["alice.pub", "bob.pub"]\ntamper = "{switch}"\n')
    assert desk.keys("init").returncode == 0  # there is no switch: whoever starts this vault finds it cut off
    assert "phase tampered" in desk.keys("status").stdout
    ours, theirs = os.openpty()
    switch.symlink_to(os.ttyname(theirs))
    renewed = desk.keys("renew", *both[:2])
    assert renewed.returncode == 4
    done = desk.keys("renew", *both)
    assert done.returncode == 0, done.stderr
    assert "renewed after the tamper line cannot be opened" in done.stdout
    assert "phase loading" in desk.keys("status").stdout
    assert desk.events().count("vault.renewed") == 1
    again = desk.keys("renew", *both)
    assert again.returncode == 4
    assert "the vault is loading" in again.stderr
    os.close(ours)
    os.close(theirs)


def test_help_has_examples_first() -> None:
    command = [str(Path(sys.executable).with_name("terminal-agent")), "keys", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "examples:" in done.stdout
    verbs = (
        "init",
        "list",
        "load",
        "rotate",
        "zeroise",
        "verify",
        "status",
        "credential",
        "certify",
        "bind",
        "ask",
        "renew",
    )
    for verb in verbs:
        assert verb in done.stdout
