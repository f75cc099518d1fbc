# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Proofs that nothing unlisted is live for a moment: inside the emulated machine. Tells findings; tests outside judge.

"Live" is never sampled: a witness hears every event of the kernel, and a device that was authorised for however short a
time leaves the ``add`` of an interface behind.
"""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from device_profiles.serve.usbip import VHCI, Plug
from device_profiles.twins.usb_descriptors import Model
from device_profiles.twins.usb_function import Typist, UsbFunction
from terminal_agent.usb.sysfs import Sysfs
from tests.qemu.guest import around, composite, cost, keystrokes, reader, stage, units
from tests.qemu.guest.sizes import FLOOD, PLUGS_A_BOOT, STORM
from tests.qemu.guest.stage import Host, Warden, Witness, attribute, by_id, guarded, inputs, until

Proof = Callable[[Host], Mapping[str, Any]]
QEMU_KEYBOARD = ("0627", "0001")
MOUSE_RULE = 'allow id 0627:0001 with-interface 03:01:02 label "mouse"\n'
EVIL = Model("dead", "beef", (((3, 1, 1),),), "Storm", "")


def at_boot(host: Host) -> Mapping[str, Any]:
    """What a keyboard that was there at power on could do before anybody guarded, and what the warden makes of it."""
    port = until(lambda: by_id(*QEMU_KEYBOARD))[0]
    time.sleep(0.5)  # a driver that came late would be no less live
    before = {"inputs": inputs(), "log": _log("input: QEMU")}
    with guarded("") as warden:
        until(lambda: warden.verdicts(port))
        alarms = [one["fields"]["words"] for one in warden.records() if one["name"] == "warden.alarm"]
        fences = [one["fields"]["fences"] for one in warden.records() if one["name"] == "warden.started"]
        return {
            **before, "after": inputs(), "verdict": warden.verdicts(port), "alarms": alarms,
            "fences": fences, "ready_s": warden.ready_s, "memory": warden.memory(), "roots": _roots(),
        }  # fmt: skip


def plugged(host: Host) -> Mapping[str, Any]:
    """Hot plug: a keyboard that no rule names, then a mouse that one names; and how long the verdicts took."""
    with guarded(MOUSE_RULE) as warden, Witness() as witness:
        return {
            "keyboard": _hot_plug(host, warden, witness, "keyboard"),
            "mouse": _hot_plug(host, warden, witness, "mouse"),
        }


def late_controller(host: Host) -> Mapping[str, Any]:
    """A host controller that registers while the warden runs."""
    with guarded("") as warden:
        before = len(_roots())
        stage.load("dummy_hcd")
        until(lambda: len(_roots()) > before)
        until(lambda: all(one == "0 0" for one in _roots()))
        alarms = [one["fields"]["words"] for one in warden.records() if one["name"] == "warden.alarm"]
        return {"roots": _roots(), "controllers": len(_roots()) - before, "alarms": alarms}


def killed(host: Host) -> Mapping[str, Any]:
    """The warden dies as by kill -9; a device comes while nobody judges; the next warden finds it."""
    warden = Warden(MOUSE_RULE)
    warden.start()
    warden.kill()
    with Witness() as witness:
        identity = host.plug("keyboard")
        port = until(lambda: witness.came())[0]
        time.sleep(1)
        meanwhile = {"authorized": attribute(port, "authorized"), "live": witness.live(), "roots": _roots()}
        began = len(warden.records())
        warden.start()
        until(lambda: [one for one in warden.records()[began:] if one["fields"].get("port") == port])
        after = {
            "verdict": warden.verdicts(port)[-1],
            "authorized": attribute(port, "authorized"),
            "live": witness.live(),
        }
        code = warden.stop()
        host.unplug(identity)
        until(lambda: not attribute(port, "idVendor"))
        return {"meanwhile": meanwhile, "after": after, "stopped": {"code": code, "roots": _roots()}}


def agent_dead(host: Host) -> Mapping[str, Any]:
    """Whoever listens has stopped reading, is gone, or was never there: verdicts come all the same."""
    with guarded(MOUSE_RULE) as warden, Witness() as witness:
        stuck = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        stuck.connect(str(warden.home / "sock"))
        stuck.send(b"0")
        with_stuck = _hot_plug(host, warden, witness, "keyboard")
        stuck.close()
        return {"stuck": with_stuck, "gone": _hot_plug(host, warden, witness, "keyboard")}


def overflow(host: Host) -> Mapping[str, Any]:
    """More events than the kernel keeps for the warden, with a device among them."""
    with guarded(MOUSE_RULE) as warden, Witness() as witness:
        assert warden.process is not None
        warden.process.send_signal(signal.SIGSTOP)
        _flood()
        identity = host.plug("keyboard")
        port = until(witness.came)[0]
        _flood()
        warden.process.send_signal(signal.SIGCONT)
        until(lambda: warden.verdicts(port))
        lost = [one for one in warden.records() if one["name"] == "usb.events_lost"]
        found = {"lost": len(lost), "verdict": warden.verdicts(port), "authorized": attribute(port, "authorized")}
        host.unplug(identity)
        until(lambda: not attribute(port, "idVendor"))
        return {**found, "live": witness.live()}


def storm(host: Host) -> Mapping[str, Any]:
    """A hundred devices as fast as the kernel takes them, in the ports of eight virtual controllers."""
    stage.load("vhci_hcd")
    with guarded(MOUSE_RULE) as warden, Witness() as witness:
        came = 0
        while came < STORM:
            came = _eight_more(witness, came)
        after = _hot_plug(host, warden, witness, "mouse")
        evil = [one for one in warden.records() if one["fields"].get("id") == "dead:beef"]
        return {
            "came": came, "live": [one for one in witness.live() if "vhci" in one], "records": len(evil),
            "after": after,
            "allowed": [one for one in evil if one["fields"]["target"].startswith("allow")], "memory": warden.memory(),
        }  # fmt: skip


def many(host: Host) -> Mapping[str, Any]:
    """As many plugs as one boot of the long run makes."""
    stage.load("vhci_hcd")
    with guarded(MOUSE_RULE) as warden, Witness() as witness:
        came = 0
        while came < PLUGS_A_BOOT:
            came = _eight_more(witness, came, warden)
        live = [one for one in witness.live() if "vhci" in one]
        return {"came": came, "live": live, "barred": _barred(warden)}


def _barred(warden: Warden) -> int:
    verdicts = [one["fields"] for one in warden.records() if one["fields"].get("id") == "dead:beef"]
    return sum(one["target"] == "block" and one["done"] for one in verdicts)


def _eight_more(witness: Witness, came: int, judged_by: Warden | None = None) -> int:
    """Eight devices into eight virtual controllers, which enumerate them at once, and out again: each when it came, or
    was judged where that is asked for. How many there were in all.
    """
    plugs = [Plug(UsbFunction(EVIL, Typist([])), port) for port in _one_port_of_each_controller()]
    wanted = came + len(plugs)
    until(lambda: len(witness.came()) >= wanted and (judged_by is None or _barred(judged_by) >= wanted))
    for one in plugs:
        one.pull()
    until(lambda: not by_id("dead", "beef"))
    return wanted


def _one_port_of_each_controller() -> list[int]:
    tables = [path.read_text().split("\n")[1:] for path in VHCI.glob("status*")]
    return [min(int(line.split()[1]) for line in table if line.startswith("hs")) for table in tables]


def expiry(host: Host) -> Mapping[str, Any]:
    """An exception lets a mouse in for some seconds; how long after its end the mouse is dead."""
    with guarded("") as warden, Witness() as witness:
        ends = warden.grant("visit", MOUSE_RULE, 8)
        identity = host.plug("mouse")
        port = until(witness.came)[0]
        until(inputs, 7)
        lived = inputs()
        until(lambda: not inputs())
        late = time.time() - ends
        found = {"lived": lived, "late_s": round(late, 3), "authorized": attribute(port, "authorized")}
        until(lambda: len(warden.verdicts(port)) >= 2)
        host.unplug(identity)
        until(lambda: not attribute(port, "idVendor"))
        return {**found, "verdicts": warden.verdicts(port)}


def port_off(host: Host) -> Mapping[str, Any]:
    """A port is switched off with a mouse in it; when it is on again, the next mouse there lives."""
    with guarded(MOUSE_RULE) as warden, Witness() as witness:
        bus, identity = Sysfs(), host.plug("mouse")
        port = until(witness.came)[0]
        until(inputs)
        bus.disable_port(port, True)
        until(lambda: not attribute(port, "idVendor"))
        time.sleep(1)
        off, since = inputs(), len(witness.heard)
        bus.disable_port(port, False)
        host.unplug(identity)
        identity = host.plug("mouse")
        until(inputs)
        again = {"came": witness.came(since)[-1:], "verdicts": warden.verdicts(port)}
        host.unplug(identity)
        until(lambda: not attribute(port, "idVendor"))
        return {"port": port, "off": off, **again}


def radios(host: Host) -> Mapping[str, Any]:
    """Two radios of the kernel's own simulator, on before the warden starts."""
    stage.load("mac80211_hwsim")
    before = until(_radios_on)
    with guarded(""):
        return {"before": before, "after": _radios_on()}


def _radios_on() -> list[str]:
    states = sorted(Path("/sys/class/rfkill").glob("rfkill*/state"))
    return [path.parent.name for path in states if path.read_text().strip() == "1"]


def _hot_plug(host: Host, warden: Warden, witness: Witness, name: str) -> Mapping[str, Any]:
    since, records = len(witness.heard), len(warden.records())
    identity = host.plug(name)
    port = until(lambda: witness.came(since))[0]
    told = until(lambda: [one for one in warden.records()[records:] if one["fields"].get("port") == port])
    if told[0]["fields"]["target"] == "allow":
        until(inputs)
    found = {
        "verdict": warden.verdicts(port)[-1], "authorized": attribute(port, "authorized"), "inputs": inputs(),
        "hash": told[0]["fields"]["hash"], "policy": told[0]["fields"]["policy"] == warden.version,
        "live": witness.live(since),
    }  # fmt: skip
    host.unplug(identity)
    until(lambda: not attribute(port, "idVendor"))
    return found


def _roots() -> list[str]:
    hubs = sorted(path.name for path in stage.DEVICES.glob("usb*"))
    return [f"{attribute(h, 'authorized_default')} {attribute(h, 'interface_authorized_default')}" for h in hubs]


def _flood() -> None:
    """Events of a device that is none of the warden's business."""
    script = (
        f"i=0; while [ $i -lt {FLOOD // 10} ]; do {'echo change > /sys/class/mem/null/uevent; ' * 5} i=$((i+5)); done"
    )
    subprocess.run(["/bin/busybox", "sh", "-c", script], check=True)


def _log(needle: str) -> list[str]:
    """Lines of the kernel's log."""
    descriptor = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    found = []
    try:
        while True:
            line = os.read(descriptor, 8192).decode(errors="replace")
            if needle in line:
                found.append(line.partition(";")[2].partition("\n")[0])
    except BlockingIOError:
        return found
    finally:
        os.close(descriptor)


PROOFS: dict[str, Proof] = {
    "at_boot": at_boot,
    "plugged": plugged,
    "late_controller": late_controller,
    "killed": killed,
    "agent_dead": agent_dead,
    "overflow": overflow,
    "storm": storm,
    "many": many,
    "cost": cost.cost,
    "expiry": expiry,
    "port_off": port_off,
    "radios": radios,
    "disk_with_keyboard": composite.disk_with_keyboard,
    "network_stick": around.network_stick,
    "debug_port": around.debug_port,
    "units": units.units,
    "types_unguarded": keystrokes.unguarded,
    "types_unlisted": keystrokes.unlisted,
    "types_on_probation": keystrokes.too_fast,
    "types_regularly": keystrokes.too_regular,
    "types_as_a_person": keystrokes.person,
    "scans": keystrokes.scanner,
    "to_an_apdu": reader.to_an_apdu,
}
