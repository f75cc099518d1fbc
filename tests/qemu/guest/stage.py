# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the proofs in the emulated machine stand on: the host's hands, a witness of the kernel, the warden."""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from protocols.ed25519 import verify
from protocols.signed import Statement
from protocols.usb.uevent import Uevent, decode
from terminal_agent.processes.warden import boot_id
from terminal_agent.usb.policy import Now
from terminal_agent.usb.store import Store
from tests.protocols.persons import public_pem, sealed, trust

DEVICES = Path("/sys/bus/usb/devices")
MODULES = Path("/run/modules")
HOMES = Path("/run/warden")
TERMINAL = "TG000001"
ROOTS = 'allow id 1d6b:* with-interface 09:00:00 label "roots"\n'
PATIENCE_S = 120.0
"""How long a proof waits for what must come. A machine that is emulated beside others takes its time."""


class Host:
    """The other serial line: asks for devices, tells findings."""

    def __init__(self) -> None:
        subprocess.run(["stty", "-F", "/dev/ttyS1", "raw", "-echo"], check=True)
        self._descriptor = os.open("/dev/ttyS1", os.O_RDWR | os.O_NOCTTY)
        self._count = 0

    def tell(self, found: Mapping[str, object]) -> None:
        """A finding."""
        _write(self._descriptor, json.dumps(found).encode() + b"\n")

    def plug(self, name: str) -> str:
        """A device of the rig is plugged in; what to unplug it by."""
        self._count += 1
        identity = f"d{self._count}"
        self._asked({"plug": name, "id": identity})
        return identity

    def unplug(self, identity: str) -> None:
        """It is pulled."""
        self._asked({"unplug": identity})

    def key(self, name: str) -> None:
        """A person presses a key of the emulated keyboard."""
        self._asked({"key": name})

    def _asked(self, order: Mapping[str, object]) -> None:
        self.tell(order)
        answer = b""
        while not (answer.strip() and answer.endswith(b"\n")):  # empty lines are the rig's nudges
            answer += os.read(self._descriptor, 4096)
        assert json.loads(answer) == "ok", answer


def _write(descriptor: int, octets: bytes) -> None:
    while octets:
        octets = octets[os.write(descriptor, octets) :]


def kernel_events() -> socket.socket:
    """A socket on which the kernel says all that it says of devices."""
    found = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 15)
    found.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE: a witness must not miss anything
    found.bind((0, 1))
    return found


class Witness:
    """Hears all that the kernel says of devices, beside the warden and independent of it."""

    def __init__(self) -> None:
        self._socket = kernel_events()
        self.heard: list[tuple[float, Uevent]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while not self._stop.is_set():
            if select.select([self._socket], [], [], 0.2)[0]:
                self.heard.append((time.monotonic(), decode(self._socket.recv(8192))))

    def live(self, since: int = 0) -> list[str]:
        """What came to life: interfaces of devices that are no hubs, input devices and disks, by their paths."""
        found = []
        for _, event in self.heard[since:]:
            keys = event.keys
            interface = keys.get("DEVTYPE") == "usb_interface" and event.action in ("add", "bind")
            hub = keys.get("INTERFACE", "").startswith("9/")
            node = keys.get("SUBSYSTEM") in ("input", "block") and event.action == "add"
            if (interface and not hub) or node:
                found.append(f"{event.action} {event.path.rpartition('/devices/')[2]}")
        return found

    def came(self, since: int = 0) -> list[str]:
        """The ports at which devices came."""
        return [e.port for _, e in self.heard[since:] if e.is_usb_device and e.action == "add"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._socket.close()


def until(true: Callable[[], Any], within_s: float = PATIENCE_S) -> Any:
    """Wait until it holds; what it then is."""
    end = time.monotonic() + within_s
    while not (found := true()):
        assert time.monotonic() < end, f"in vain for {within_s} s"
        time.sleep(0.1)
    return found


def load(*names: str) -> None:
    """Load modules that the first file system brought, with what they need."""
    order = (MODULES / "order").read_text().split()
    for name in order[: 1 + max(order.index(one) for one in names)]:
        subprocess.run(["/usr/bin/busybox", "insmod", str(MODULES / f"{name}.ko")], capture_output=True, check=False)


def inputs() -> list[str]:
    """Input devices that USB devices have now."""
    return sorted(p.name for p in Path("/sys/class/input").glob("event*") if "/usb" in os.path.realpath(p))


def disks() -> list[str]:
    """Disks that USB devices have now."""
    return sorted(p.name for p in Path("/sys/block").iterdir() if "/usb" in os.path.realpath(p))


def attribute(port: str, name: str) -> str:
    """An attribute of a USB device."""
    try:
        return (DEVICES / port / name).read_text().strip()
    except OSError:
        return ""


def by_id(vendor: str, product: str) -> list[str]:
    """The ports of devices with these ids."""
    ports = [path.name for path in DEVICES.iterdir() if ":" not in path.name]
    return sorted(p for p in ports if (attribute(p, "idVendor"), attribute(p, "idProduct")) == (vendor, product))


@dataclass
class Warden:
    """The warden of this machine, its policies and its chain."""

    rules: str
    version: int = 0
    process: subprocess.Popen[bytes] | None = None
    began: float = 0.0
    ready_s: float = 0.0
    home: Path = field(default_factory=lambda: HOMES / str(time.monotonic_ns()))
    """Everything of this one: nothing of an earlier proof is in its chain."""

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True)
        people = ("anna", "ben")
        for name in people:
            (self.home / f"{name}.pub").write_text(public_pem(name))
        persons = [
            f'[[persons]]\nname = "{n}"\nkey = "{n}.pub"\nmay = ["usb-policy", "usb-exception"]\n' for n in people
        ]
        (self.home / "trust.toml").write_text("[thresholds]\nusb-policy = 2\nusb-exception = 2\n" + "".join(persons))
        settings = f'terminal = "{TERMINAL}"\ntrust = "trust.toml"\nstate = "usb"\naudit = "audit"\nsocket = "sock"\n'
        (self.home / "warden.toml").write_text(settings)
        self.keep(self.rules)

    @property
    def store(self) -> Store:
        return Store(self.home / "usb", TERMINAL, trust("anna", "ben"), verify, boot_id())

    def keep(self, rules: str, more: str = "") -> None:
        """A policy of these rules, signed by two, confirmed."""
        self.version = int(time.time() * 1000)
        body = f"title = 'proof'\nrules = '''{ROOTS}{rules}'''\n{more}"
        envelope = sealed(Statement("usb-policy", TERMINAL, self.version, 0, 1 << 33, body), "anna", "ben")
        self.store.offer(envelope, _now(), 60)
        self.store.confirm(_now())

    def grant(self, name: str, rules: str, seconds: int) -> int:
        """An exception from now on; when it ends, by the wall clock."""
        now = int(time.time())
        body = f"reason = 'proof'\nrules = '''{rules}'''\n"
        statement = Statement("usb-exception", TERMINAL, 1, now, now + seconds, body)
        self.store.grant(name, sealed(statement, "anna", "ben"), _now())
        return now + seconds

    def start(self) -> None:
        """Start it, and wait until it judges."""
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-m", "terminal_agent.processes.warden", str(self.home / "warden.toml")],
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n"
        self.ready_s = time.monotonic() - self.began

    def kill(self) -> None:
        """As kill -9 does."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """As systemd does; its exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(PATIENCE_S)

    def records(self) -> list[dict[str, Any]]:
        """All that stands in its chain."""
        path = self.home / f"audit/{TERMINAL}.warden.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def verdicts(self, port: str = "") -> list[str]:
        """Verdicts as ``target rule``, those that were not carried out with why."""
        found = []
        for record in self.records():
            fields = record["fields"]
            if record["name"] == "usb.verdict" and port in ("", fields["port"]):
                done = "" if fields["done"] else f" but {fields.get('why_not')}"
                found.append(f"{fields['target']} {fields['rule']}{done}")
        return found

    def memory(self) -> dict[str, int]:
        """Its resident memory in kB."""
        assert self.process is not None
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return {one.split(":")[0]: int(one.split()[1]) for one in lines if one.startswith(("VmRSS", "RssAnon"))}


def _now() -> Now:
    return Now(int(time.time()), 0, time.clock_gettime(time.CLOCK_BOOTTIME))


@contextlib.contextmanager
def guarded(rules: str) -> Iterator[Warden]:
    """A warden with these rules, for the time of a proof."""
    warden = Warden(rules)
    warden.start()
    try:
        yield warden
    finally:
        if warden.process is not None and warden.process.poll() is None:
            warden.stop()
