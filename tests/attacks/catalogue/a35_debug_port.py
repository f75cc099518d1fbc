# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A35: a terminal goes into production with a debug port open, a password that everybody knows, or a TEST key."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from terminal_agent.processes.self_check import Kind, self_check
from tests.attacks.harness import Attack, Case, Opener
from tests.protocols.persons import public_pem

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
FIT = {
    "etc/shadow": "root:!:20000::::::\n",
    "proc/net/tcp": HEAD,
    "proc/cmdline": "quiet usbcore.authorized_default=0\n",
    "proc/sys/kernel/sysrq": "0\n",
    "etc/tillguard/trust.toml": '[[persons]]\nname = "Anna"\nkey = "anna.pub"\n',
    "etc/tillguard/anna.pub": public_pem("a key of her own"),
}
TOLD = "whoever starts the terminal, and the service manager's log"


class Terminal:
    """A machine about to go into production. ``checks`` is False where nobody looks first."""

    def __init__(self, folder: Path, checks: bool) -> None:
        self._root = folder
        self._checks = checks
        self._told: list[str] = []
        for name, text in FIT.items():
            self.write(name, text)

    async def honest(self) -> bool:
        """A machine that is fit starts."""
        return self.starts()

    def alerts(self) -> Sequence[str]:
        """What the check has said."""
        return self._told

    def write(self, name: str, text: str) -> None:
        """One of the machine's files."""
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def starts(self) -> bool:
        """Power on: does the agent take payments?"""
        found = self_check(self._root, (self._root / "etc/tillguard/trust.toml",)) if self._checks else ()
        self._told += [one.kind for one in found]
        return not found


def terminal(checks: bool) -> Opener[Terminal]:
    """A machine's folder."""

    @contextlib.asynccontextmanager
    async def opened(folder: Path) -> AsyncIterator[Terminal]:
        yield Terminal(folder, checks)

    return opened


async def adb_left_open(target: Terminal) -> bool:
    """Come by the network to the debugger that development left listening."""
    target.write("proc/net/tcp", f"{HEAD}   0: 00000000:15B3 00000000:0000 0A 0:0 00:0 0 0 0 1\n")
    return target.starts()


async def no_password(target: Terminal) -> bool:
    """Log in as root, who has no password."""
    target.write("etc/shadow", "root::20000::::::\n")
    return target.starts()


async def open_until_the_warden(target: Terminal) -> bool:
    """Power the till on with a keyboard plugged in that types before anything guards."""
    target.write("proc/cmdline", "quiet\n")
    return target.starts()


async def published_keys(target: Terminal) -> bool:
    """Sign a policy with the key that everybody can compute from its published sentence."""
    target.write("etc/tillguard/anna.pub", public_pem("Anna"))
    return target.starts()


_WAYS = (
    ("adb left open", adb_left_open, Kind.DEBUG_PORT),
    ("no password", no_password, Kind.PASSWORD),
    ("open until the warden starts", open_until_the_warden, Kind.KERNEL),
    ("published keys", published_keys, Kind.TEST_KEY),
)

ATTACK = Attack(
    id="A35",
    title="Debug ports, default passwords, TEST keys",
    reference="Stennikov and Yunusov, PoSploits, 2020: default passwords and service modes of terminals",
    attacker="comes to a terminal that was set up in haste; wants in by what everybody knows",
    soft="a terminal that starts without looking",
    defence="`terminal-agent check` stands before the agent in its unit and refuses with exit code 4; each finding "
    "says its cure",
    cases=tuple(Case(name, terminal(False), terminal(True), strike, kind, TOLD) for name, strike, kind in _WAYS),
)
