# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A machine that QEMU emulates, with a real kernel and a real USB stack: boots, is plugged into, tells its findings.

Software emulation alone (``-accel tcg``): it runs wherever the tests run. The guest's root is this machine's, read-only
under an overlay in memory, so it runs this checkout with this Python and changes nothing. Two serial lines: the console
is kept as a log; over the other one the guest asks for devices to be plugged (QMP device_add) and tells its findings,
one line of JSON each.
"""

import contextlib
import json
import select
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.qemu.kernel import BASE, CONTROLLER, LATER, Kernel, initramfs, kernel

ROOT = Path(__file__).resolve().parents[2]
MEMORY_MIB = 512
SILENT_S = 400.0
"""How long the guest may tell nothing: some times what its longest proof waits, on a machine four times too busy."""
DONE_WITHIN_S = 1500.0
OFF_WITHIN_S = 60.0
NUDGED_AFTER_S = 2.0
PACED = ("-accel", "tcg,thread=single", "-icount", "shift=1,sleep=on", "-rtc", "clock=vm", "-smp", "1")
"""One core whose clock counts what it executes, 2 ns each: however busy this machine is, the guest's time is even."""
FREE = ("-accel", "tcg,thread=multi", "-smp", "2")
"""Two cores at once, as fast as they get their turn: what may overlap does."""
QUICK = "usbcore.old_scheme_first=1"  # one reset a device instead of two
LOCKED = "usbcore.authorized_default=0"
SYSTEMD = ("unit=tillguard-proof.service", "log_target=console", "show_status=0")
DEVICES: dict[str, dict[str, object]] = {
    "keyboard": {"driver": "usb-kbd", "serial": "KBD1"},
    "mouse": {"driver": "usb-mouse", "serial": "MOU1"},
    "hub": {"driver": "usb-hub"},
    "serial": {"driver": "usb-serial", "chardev": "null", "always-plugged": True},
}
"""What can be plugged into the emulated xHCI: QEMU's own devices."""

INIT = """#!/bin/sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc p /proc; mount -t sysfs s /sys; mount -t devtmpfs d /dev
given() {{ for word in $(cat /proc/cmdline); do case $word in $1.*) echo ${{word#$1.}};; esac; done; }}
for module in {base} {controller}; do insmod /modules/$module.ko $(given $module) || echo "NO $module"; done
mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=512000 host /mnt || echo "NO 9p"
mount -t tmpfs ov /ov; mkdir -p /ov/u /ov/w
mount -t overlay -o lowerdir=/mnt,upperdir=/ov/u,workdir=/ov/w o /new || echo "NO overlay"
stage=$(given tg.stage)
for place in proc sys dev; do mount -o move /$place /new/$place; done
mount -t tmpfs r /new/run; mkdir -p /new/dev/pts /new/dev/shm /new/run/modules
mount -t devpts pts /new/dev/pts; mount -t tmpfs t /new/dev/shm
cp /modules/*.ko /new/run/modules/
echo {later} > /new/run/modules/order
if [ -n "$stage" ]; then
    chroot /new /bin/sh {root}/tests/qemu/guest/units.sh {root} "$stage" {base_prefix} {python}
    exec switch_root /new /lib/systemd/systemd
fi
cd /new{root}
export PATH=/usr/sbin:/usr/bin:/sbin:/bin PYTHONDONTWRITEBYTECODE=1
exec chroot /new /bin/sh -c 'cd {root} && {python} -m tests.qemu.guest.main; echo o > /proc/sysrq-trigger; sleep 999'
"""


@dataclass(slots=True)
class Boot:
    """What a boot has told."""

    findings: dict[str, Any] = field(default_factory=dict)
    console: str = ""
    seconds: float = 0.0


class Machine:
    """One boot, from power on to power off."""

    def __init__(self, proofs: Sequence[str], arguments: Sequence[str], plugged: Sequence[str], paced: bool) -> None:
        """``proofs``: of tests/qemu/guest; ``arguments``: of the kernel; ``plugged``: what is there at power on."""
        self._folder = Path(tempfile.mkdtemp(prefix="tg-qemu-"))
        self._log = self._folder / "console"
        of = kernel()
        (self._folder / "initrd").write_bytes(initramfs(of, _init(of)))
        (self._folder / "disk").write_bytes(bytes(1 << 20))
        words = ["console=ttyS0", "quiet", "loglevel=4", "panic=-1", QUICK, f"tg.proofs={','.join(proofs)}", *arguments]
        command = [
            *("qemu-system-x86_64", *(PACED if paced else FREE), "-m", str(MEMORY_MIB)),
            *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-vga", "std"),
            *("-kernel", str(of.image), "-initrd", str(self._folder / "initrd"), "-append", " ".join(words)),
            *("-chardev", f"file,id=console,path={self._log}", "-serial", "chardev:console"),
            *("-chardev", f"socket,id=talk,path={self._folder}/talk,server=on,wait=off", "-serial", "chardev:talk"),
            *("-qmp", f"unix:{self._folder}/qmp,server=on,wait=off", "-chardev", "null,id=null"),
            *("-device", "qemu-xhci,id=xhci,p2=8,p3=8", "-virtfs", _SHARE),
        ]
        for place, name in enumerate(plugged):
            command += ["-device", ",".join([str(DEVICES[name]["driver"]), f"id=boot{place},bus=xhci.0"])]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        self._began = time.monotonic()

    def run(self) -> Boot:
        """Obey the guest until it has told all; an error with the console's end where it did not."""
        boot = Boot()
        try:
            with self._connected("qmp") as qmp, self._connected("talk") as talk:
                self._obey(_Qmp(qmp), talk, boot)
            if "done" in boot.findings:
                with contextlib.suppress(subprocess.TimeoutExpired):  # it is to power off; if not, it is switched off
                    self._process.wait(OFF_WITHIN_S)
        finally:
            if self._process.poll() is None:
                self._process.kill()
            self._process.communicate()
            boot.console = self._log.read_text(errors="replace") if self._log.exists() else ""
            boot.seconds = time.monotonic() - self._began
            shutil.rmtree(self._folder, ignore_errors=True)
        if "done" not in boot.findings:
            told = ", ".join(boot.findings) or "nothing"
            raise AssertionError(f"the guest did not finish: told {told}; its console ends: {boot.console[-3000:]}")
        return boot

    def _connected(self, name: str) -> socket.socket:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            link = socket.socket(socket.AF_UNIX)
            try:
                link.connect(str(self._folder / name))
            except OSError:
                link.close()
                if self._process.poll() is not None:
                    stderr = self._process.stderr
                    raise AssertionError(f"QEMU ended: {stderr.read().decode() if stderr else ''}") from None
                time.sleep(0.05)
                continue
            return link
        raise AssertionError("QEMU opens no socket")

    def _obey(self, qmp: "_Qmp", talk: socket.socket, boot: Boot) -> None:
        heard = bytearray()
        while time.monotonic() - self._began < DONE_WITHIN_S:
            line = _line(talk, heard)
            if not line:
                return
            said = json.loads(line)
            if "plug" in said:
                answer = qmp.plug(said["plug"], said["id"])
            elif "unplug" in said:
                answer = qmp.ask("device_del", id=said["unplug"])
            elif "key" in said:
                answer = qmp.ask("send-key", keys=[{"type": "qcode", "data": said["key"]}])
            elif "done" in said:
                boot.findings["done"] = True
                return
            else:
                boot.findings.update(said)
                continue
            talk.sendall(json.dumps(answer).encode() + b"\n")


class _Qmp:
    """QEMU's own line (QMP)."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._lines = link.makefile("rb")
        self._lines.readline()
        self.ask("qmp_capabilities")

    def ask(self, command: str, **arguments: object) -> object:
        """One command; its answer, or the error's words."""
        self._link.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        while True:
            answer = json.loads(self._lines.readline())
            if "return" in answer:
                return "ok"
            if "error" in answer:
                return str(answer["error"]["desc"])

    def plug(self, name: str, identity: str) -> object:
        """One of :data:`DEVICES` into the emulated controller."""
        return self.ask("device_add", id=identity, bus="xhci.0", **DEVICES[name])


def _line(talk: socket.socket, heard: bytearray) -> bytes:
    """The next line; nothing where there is none within SILENT_S. A guest that is silent is nudged by an empty line.

    QEMU's counted clock can come to stand where its core has gone to sleep and no timer is left (seen once in a dozen
    boots of 7.2, under load); whatever comes in by a wire wakes it.
    """
    end = time.monotonic() + SILENT_S
    while b"\n" not in heard:
        if select.select([talk], [], [], NUDGED_AFTER_S)[0]:
            piece = talk.recv(1 << 16)
            if not piece:
                return b""
            heard[:] = (heard + piece).lstrip(b"\r\n")  # a line that is just being opened echoes the nudges
        elif time.monotonic() > end:
            return b""
        else:
            talk.sendall(b"\n")
    line, _, rest = bytes(heard).partition(b"\n")
    heard[:] = rest
    return line


_SHARE = "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap"


def _init(of: Kernel) -> str:
    base = of.order(*BASE)
    controller = [name for name in of.order(*BASE, *CONTROLLER) if name not in base]
    later = [name for name in of.order(*BASE, *CONTROLLER, *LATER) if name not in (*base, *controller)]
    words = {
        "base": " ".join(base), "controller": " ".join(controller), "later": " ".join(later),
        "root": shlex.quote(str(ROOT)), "python": shlex.quote(sys.executable),
        "base_prefix": shlex.quote(sys.base_prefix),
    }  # fmt: skip
    return INIT.format_map(words)


def boot(proofs: Sequence[str], *, locked: bool, plugged: Sequence[str] = (), paced: bool = True) -> Boot:
    """Power on, prove, power off."""
    return Machine(proofs, [LOCKED] if locked else [], plugged, paced).run()


def boot_systemd(proofs: Sequence[str], stage: Path, plugged: Sequence[str]) -> Boot:
    """The same with systemd as the first process, which starts the units; ``stage``: see units_stage.py."""
    arguments = [LOCKED, f"tg.stage.{stage}", *(f"systemd.{word}" for word in SYSTEMD)]
    return Machine(proofs, arguments, plugged, paced=True).run()
