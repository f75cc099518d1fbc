# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A warden as the process that it is, on a tree of files that stands for sysfs. Holds no test.

Files are not a kernel and send no events: what is plugged in is seen at the start, when a policy changes, and when
time changes a verdict. What events bring is proven on a real kernel (tests/qemu).
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from device_profiles.serve.sysfs import Tree
from device_profiles.twins.usb_descriptors import Model
from device_profiles.twins.usbbus import UsbBus
from protocols.ed25519 import verify
from protocols.signed import Statement
from terminal_agent.processes.warden import boot_id
from terminal_agent.usb.policy import Now
from terminal_agent.usb.store import Store
from tests.growing import records
from tests.protocols.persons import public_pem, sealed, trust

TERMINAL = "TG000001"
PEOPLE = ("anna", "ben")
ROOTS = 'allow id 1d6b:* with-interface 09:00:00 label "roots"\n'
STICK = Model("0781", "5567", (((8, 6, 0x50),),), "Cruzer", "4C53")
KEYBOARD = Model("046d", "c31c", (((3, 1, 1),),), "Keyboard")
WITHIN_S = 20.0


def now() -> Now:
    """This moment, as the warden's own."""
    return Now(int(time.time()), 0, time.clock_gettime(time.CLOCK_BOOTTIME))


def until(true: Callable[[], Any], within_s: float = WITHIN_S) -> Any:
    """Wait for another process: until it holds."""
    end = time.monotonic() + within_s
    while not (found := true()):
        assert time.monotonic() < end, f"in vain for {within_s} s"
        time.sleep(0.02)
    return found


class Shop:
    """One machine's folder: a tree, keys, policies, and the warden over them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bus = UsbBus()
        self.tree = Tree(folder / "sys", self.bus)
        self.tree.show()
        self.process: subprocess.Popen[bytes] | None = None
        for name in PEOPLE:
            (folder / f"{name}.pub").write_text(public_pem(name))
        who = [f'[[persons]]\nname = "{n}"\nkey = "{n}.pub"\nmay = ["usb-policy", "usb-exception"]\n' for n in PEOPLE]
        (folder / "trust.toml").write_text("[thresholds]\nusb-policy = 2\nusb-exception = 2\n" + "".join(who))
        self.settings()
        self.store = Store(folder / "usb", TERMINAL, trust(*PEOPLE), verify, boot_id())

    def settings(self, more: str = "") -> None:
        """The settings file."""
        text = f'terminal = "{TERMINAL}"\ntrust = "trust.toml"\nstate = "usb"\naudit = "audit"\nsocket = "sock"\n{more}'
        (self.folder / "warden.toml").write_text(text)

    def plug(self, port: str, model: Model) -> None:
        """A device is there."""
        self.bus.plug(port, model)
        self.tree.show()

    def keep(self, rules: str, version: int = 1) -> None:
        """A policy of these rules, signed by two, confirmed."""
        body = f"title = 'a shop'\nrules = '''{ROOTS}{rules}'''\n"
        self.store.offer(sealed(Statement("usb-policy", TERMINAL, version, 0, 1 << 33, body), *PEOPLE), now(), 60)
        self.store.confirm(now())

    def start(self) -> "Shop":
        """Start the warden; returns when it judges."""
        command = [sys.executable, "-I", "-m", "terminal_agent.processes.warden"]
        command += [str(self.folder / "warden.toml"), str(self.folder / "sys")]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], WITHIN_S)[0]
        assert self.process.stdout.readline() == b"ready\n", self.stop()
        return self

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """End it; its exit code and what it said."""
        assert self.process is not None
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=WITHIN_S)
        return self.process.returncode, said.decode()

    def authorized(self, port: str) -> str:
        """What stands in the device's file."""
        return (self.folder / "sys/bus/usb/devices" / port / "authorized").read_text().strip()

    def records(self, name: str = "") -> list[dict[str, Any]]:
        """What stands in its chain."""
        written = records(self.folder / f"audit/{TERMINAL}.warden.jsonl")
        return [one for one in written if name in ("", one["name"])]

    def verdicts(self, port: str) -> list[str]:
        """Verdicts on a port."""
        fields = [one["fields"] for one in self.records("usb.verdict")]
        return [f"{one['target']} {one['rule']}" for one in fields if one["port"] == port]

    def status(self) -> dict[str, Any]:
        """What it answers when it is asked."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as link:
            link.settimeout(WITHIN_S)
            link.connect(str(self.folder / "sock"))
            link.send(b"status")
            document: dict[str, Any] = json.loads(link.recv(1 << 16))
        return document

    def memory(self) -> dict[str, str]:
        """The lines of its status file in proc."""
        assert self.process is not None
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def close(self) -> None:
        """Whatever happened, it does not outlive its test."""
        if self.process is not None:
            if self.process.poll() is None:
                os.kill(self.process.pid, signal.SIGKILL)
            self.process.communicate()
