# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A whole terminal with a vault, loaded with the planted keys as its key office would do it. Tests nothing."""

import contextlib
import re
import subprocess
from pathlib import Path

from protocols.dukpt.ksn import TdesKsn
from protocols.dukpt.tdes import initial_key
from protocols.secret import ClearKey
from scripts.lib.stations import command
from tests.flows.stage import Stage
from tests.secrets.planted import DATA_KSN, INITIAL_KSN, KEYS
from tests.secrets.twins import PlantedProfiles
from tests.terminal_agent.sealed.vaults import block, component_files

VAULT = """
[vault]
store = "vault/store"
counter = "elsewhere/counter"
passphrase = "vault-passphrase"
pin-burst = 1000 # a slow machine pays on and on while it waits for something else
"""


def initial(name: str, ksn: str) -> bytes:
    """The initial key of a device under one of the planted BDKs."""
    with initial_key(ClearKey(KEYS[name]), TdesKsn.from_hex(ksn)) as key:
        return bytes(key.reveal())


class VaultStage(Stage):
    """A terminal with a vault: in place of a PIN pad, or ``beside`` one; ``enciphers``: account data as well."""

    def __init__(
        self,
        folder: Path,
        planted: PlantedProfiles | None = None,
        *,
        beside: bool = False,
        enciphers: bool = False,
        warden: Path | None = None,
    ) -> None:
        super().__init__(folder, planted, warden=warden)
        self.beside = beside
        self.enciphers = enciphers

    def profile(self) -> Path:
        """With what it has."""
        path = super().profile()
        text = path.read_text() + VAULT
        if not self.beside:
            text = text.replace('model = "ipp-uic"', 'model = "software"')
        if self.enciphers:
            text = text.replace("[acquirer]\n", "[acquirer]\nencipher-account = true\n")
        path.write_text(text)
        return path

    def keypad(self, *options: str) -> None:
        """The keypad twin with the planted cardholder."""
        link = str(self.folder / "pad")
        self.start("keypad", "device-twin", "keypad", "--cardholder", str(self.planted.card), "--link", link, *options)

    def keys(self, *words: str, offline: bool = True) -> str:
        """A key command, on the stopped terminal or the running one."""
        more = ["--profile", str(self.profile())] if offline else ["--socket", str(self.folder / "agent.sock")]
        argv = [command("terminal-agent"), "keys", *words, *more]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def load(self) -> None:
        """A vault with the planted keys."""
        self.keys("init")
        parts = [word for path in component_files(self.folder) for word in ("--component", path)]
        self.keys("load", "transport", *parts)
        for slot in (*(() if self.beside else ("pin", "mac-master")), *(("data",) if self.enciphers else ())):
            self.keys("load", slot, "--block", str(self.write_block(slot)))

    def write_block(self, slot: str) -> Path:
        """The planted key of a slot as a key block in a file."""
        made = {
            "pin": lambda: block("B1", "T", "X", initial("BDK", INITIAL_KSN), bytes.fromhex(INITIAL_KSN)),
            "mac-master": lambda: block("K0", "T", "B", KEYS["TMK-MAC"]),
            "data": lambda: block("B1", "T", "X", initial("BDK-DATA", DATA_KSN), bytes.fromhex(DATA_KSN)),
        }[slot]()
        path = self.folder / f"{slot}.keyblock"
        path.write_text(made + "\n")
        return path

    def processes(self) -> tuple[int, int]:
        """Of the agent and of its vault."""
        agent = self.stations["agent"].process.pid
        for path in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                parent = re.search(r"PPid:\t(\d+)", (path / "status").read_text())
                if parent and int(parent.group(1)) == agent and b"processes.vault" in (path / "cmdline").read_bytes():
                    return agent, int(path.name)
        raise AssertionError("the agent has no vault")
