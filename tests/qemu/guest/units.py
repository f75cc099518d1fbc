# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Under systemd as on a terminal: the units that are shipped, and what their processes may do. Tells findings."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.lib.stations import command
from tests.qemu.guest.around import as_it_is
from tests.qemu.guest.gadgets import Gadget
from tests.qemu.guest.stage import TERMINAL, Host, attribute, by_id, until

KEYBOARD = ("0627", "0001")
KEYPAD = ("0525", "a4a7")
LINE = Path("/dev/ttyACM0")
STATE = Path(f"/var/lib/tillguard/state/{TERMINAL}.audit.jsonl")
CHAIN = Path(f"/var/lib/tillguard-warden/audit/{TERMINAL}.warden.jsonl")


def units(host: Host) -> Mapping[str, Any]:
    """Warden, agent; then a keypad that the warden lets in, and behind the agent the vault that has it."""
    until(lambda: _is("tillguard-warden") == "active")
    port = until(lambda: by_id(*KEYBOARD))[0]
    until(lambda: _verdicts(port))
    until(lambda: _is("tillguard-agent") == "active")
    Gadget(KEYPAD, "keypad", "K1", {"acm.usb0": as_it_is}).plug()
    until(LINE.exists)
    shutil.chown(LINE, group="dialout")  # as udev does
    LINE.chmod(0o660)
    try:
        keys = until(_keys)
    except AssertionError:
        subprocess.run(["journalctl", "-u", "tillguard-agent", "-n", "40", "--no-pager"], check=False)
        print(STATE.read_text()[-3000:], flush=True)
        raise
    agent = int(_show("tillguard-agent", "MainPID"))
    return {
        "warden": {"state": _is("tillguard-warden"), "restarts": _show("tillguard-warden", "NRestarts"),
                   "process": _process(int(_show("tillguard-warden", "MainPID"))), "started": _started(),
                   "verdicts": _verdicts(port), "authorized": attribute(port, "authorized")},
        "agent": {"state": _is("tillguard-agent"), "restarts": _show("tillguard-agent", "NRestarts"),
                  "process": _process(agent)},
        "behind": {name: _process(process) for process, name in _children(agent)},
        "keys": keys,
    }  # fmt: skip


def _is(unit: str) -> str:
    return _show(unit, "ActiveState")


def _show(unit: str, name: str) -> str:
    asked = ["systemctl", "show", "--value", "-p", name, unit]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


def _keys() -> Any:
    """What the vault says of itself to who asks the agent; nothing before it serves."""
    words = ["keys", "status", "--json", "--socket", "/run/tillguard/agent.sock"]
    done = subprocess.run([command("terminal-agent"), *words], capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr, flush=True)
    return json.loads(done.stdout) if done.returncode == 0 else None


def _process(number: int) -> dict[str, str]:
    """Who it is and what it may still do, as the kernel says."""
    lines = Path(f"/proc/{number}/status").read_text().splitlines()
    named = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return {name: named[name].split()[0] for name in ("Uid", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp", "VmRSS")}


def _children(of: int) -> list[tuple[int, str]]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        fields = (process / "stat").read_text().rpartition(")")[2].split()
        if int(fields[1]) == of:
            words = (process / "cmdline").read_text().split("\0")
            found.append((int(process.name), " ".join(words[1:4])))
    return found


def _records() -> list[dict[str, Any]]:
    return [json.loads(line) for line in CHAIN.read_text().splitlines()] if CHAIN.exists() else []


def _started() -> list[str]:
    return [one["fields"]["fences"] for one in _records() if one["name"] == "warden.started"]


def _verdicts(port: str) -> list[str]:
    fields = [one["fields"] for one in _records() if one["name"] == "usb.verdict"]
    return [f"{one['target']} {one['rule']}" for one in fields if one["port"] == port]
