# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Keyboards that type from the first moment on, and who hears them: console and another reader. Tells findings."""

import contextlib
import fcntl
import itertools
import os
import random
import select
import struct
import termios
import threading
import time
import tty
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from device_profiles.serve.usbip import Plug, free_port
from device_profiles.twins.usb_descriptors import Model
from device_profiles.twins.usb_function import Typist, UsbFunction
from protocols.usb.uevent import LARGEST, decode
from terminal_agent.usb.cadence import JUDGED_AFTER, scatter_percent
from tests.qemu.guest import stage
from tests.qemu.guest.stage import Host, Warden, attribute, by_id, guarded, inputs, kernel_events, until

KEYBOARD = Model("0c2e", "0b61", (((3, 1, 1),),), "Keyboard", "K1")
IDS = ("0c2e", "0b61")
ON_PROBATION = 'allow id 0c2e:0b61 if keystroke-rate(30,8) label "keyboard"\n'
NOBODY_TYPES_SO_SLOWLY = 'allow id 0c2e:0b61 if keystroke-rate(1) label "keyboard"\n'
"""What a starved machine makes of a fast device is no less than this."""
AS_A_SCANNER = 'allow id 0c2e:0b61 if keystroke-rate(1000) label "scanner"\n'
TRIES = 12
EVEN_PERCENT = 4.0
"""Half of what the rule takes for a machine's: gaps so even are even to the warden too."""
LETTER_A = 4
VT_ACTIVATE = 0x5606


class Listeners:
    """Everybody who could hear a key: the console's terminal, and a program that opens each input device at once."""

    def __init__(self) -> None:
        self._console = os.open("/dev/tty1", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        fcntl.ioctl(self._console, VT_ACTIVATE, 1)
        tty.setraw(self._console)
        termios.tcflush(self._console, termios.TCIFLUSH)
        self.console = 0
        self.events = 0
        self._nodes: set[int] = set()
        self._news = kernel_events()  # not a look every few moments: that would starve the machine that is measured
        self._wake, self._woken = os.pipe()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        for name in inputs():
            self._open(f"input/{name}")
        while True:
            ready = select.select([self._wake, self._news, self._console, *self._nodes], [], [])[0]
            if self._wake in ready:
                return
            if self._news in ready:
                event = decode(self._news.recv(LARGEST))
                if event.action == "add" and event.path.rpartition("/")[2].startswith("event"):
                    self._open(event.keys["DEVNAME"])
            for descriptor in {self._console, *self._nodes} & set(ready):
                self._hear(descriptor)

    def _open(self, name: str) -> None:
        with contextlib.suppress(OSError):
            self._nodes.add(os.open(f"/dev/{name}", os.O_RDONLY | os.O_NONBLOCK))

    def _hear(self, descriptor: int) -> None:
        try:
            octets = os.read(descriptor, 4096)
        except OSError:
            self._nodes.discard(descriptor)
            os.close(descriptor)
            return
        if descriptor == self._console:
            self.console += len(octets)
        else:
            self.events += sum((one[2], one[4]) == (1, 1) for one in struct.iter_unpack("=qqHHi", octets))

    def heard(self) -> dict[str, int]:
        """Characters on the console, presses on input devices."""
        return {"console": self.console, "events": self.events}

    def stop(self) -> None:
        os.write(self._woken, b".")
        self._thread.join()
        self._news.close()
        for descriptor in (self._wake, self._woken, self._console, *self._nodes):
            os.close(descriptor)


@contextlib.contextmanager
def typing(strokes: Iterable[tuple[float, int]]) -> Iterator[tuple[Typist, Listeners]]:
    """A keyboard with these strokes is plugged in, and everybody listens."""
    stage.load("vhci_hcd")
    listeners = Listeners()
    typist = Typist(strokes)
    plug = Plug(UsbFunction(KEYBOARD, typist), free_port())
    try:
        yield typist, listeners
    finally:
        plug.pull()
        until(lambda: not by_id(*IDS))
        listeners.stop()


def keys(*gaps: float) -> Iterator[tuple[float, int]]:
    """Letters with these gaps, over and over."""
    return ((gap, LETTER_A + number % 26) for number, gap in enumerate(itertools.cycle(gaps)))


def unguarded(host: Host) -> Mapping[str, Any]:
    """Nobody guards: the proof that the listeners hear."""
    stage.load("vhci_hcd")
    roots = [path for path in stage.DEVICES.glob("usb*") if "vhci" in os.path.realpath(path)]
    for root in roots:
        (root / "authorized_default").write_text("1")
        (root / "interface_authorized_default").write_text("1")
    with typing(keys(0.01)) as (typist, listeners):
        until(lambda: listeners.console >= 20 and listeners.events >= 20)
        return {**listeners.heard(), "typed": typist.typed // 2}


def unlisted(host: Host) -> Mapping[str, Any]:
    """No rule names it."""
    with guarded("") as warden, typing(keys(0.0)) as (typist, listeners):
        port = until(lambda: by_id(*IDS))[0]
        until(lambda: warden.verdicts(port))
        time.sleep(1)
        return {**listeners.heard(), "typed": typist.typed // 2, "verdict": warden.verdicts(port), "inputs": inputs()}


def too_fast(host: Host) -> Mapping[str, Any]:
    """On probation, and typing at once, as fast as the bus carries it."""
    return _judged(NOBODY_TYPES_SO_SLOWLY, keys(0.0))


def too_regular(host: Host) -> Mapping[str, Any]:
    """On probation, sixteen keys a second, each gap like the last.

    A starved machine cannot give it such gaps. So the device notes when it was asked for more after each press, that
    is by when the press had been read; a try counts if those gaps were even, and there is another if they were not.
    """
    uneven: list[float] = []
    while len(uneven) < TRIES:
        with guarded(ON_PROBATION) as warden, typing(keys(0.06)) as (typist, _):
            port = until(lambda: by_id(*IDS))[0]
            verdict = until(lambda port=port, warden=warden: _decided(warden, port))
            if verdict[-1].startswith("block"):
                until(lambda: not inputs())
                return {"verdict": verdict, "inputs": inputs(), "authorized": attribute(port, "authorized"),
                        "tries": len(uneven) + 1}  # fmt: skip
            gaps = [later - one for one, later in itertools.pairwise(typist.asked_after[:JUDGED_AFTER])]
            uneven.append(round(scatter_percent(gaps), 1))
            assert uneven[-1] > EVEN_PERCENT, f"let through with gaps that scatter {uneven[-1]} %: {gaps}"
    raise AssertionError(f"this machine is too busy for even gaps: they scatter {uneven} %")


def _judged(rules: str, strokes: Iterable[tuple[float, int]]) -> Mapping[str, Any]:
    with guarded(rules) as warden, typing(strokes) as (typist, listeners):
        port = until(lambda: by_id(*IDS))[0]
        until(lambda: any(one.startswith("block") for one in warden.verdicts(port)))
        time.sleep(0.5)
        return {
            **listeners.heard(), "typed": typist.typed // 2, "verdict": warden.verdicts(port), "inputs": inputs(),
            "authorized": attribute(port, "authorized"),
        }  # fmt: skip


def person(host: Host) -> Mapping[str, Any]:
    """On probation, typing as a person does: held at first, then heard."""
    fingers = random.Random(11)
    gaps = (0.14 * fingers.lognormvariate(0, 0.35) for _ in itertools.count())
    return _let_through(ON_PROBATION, ((gap, LETTER_A) for gap in gaps))


def scanner(host: Host) -> Mapping[str, Any]:
    """A scanner under a rule of its own: fast and regular, and no alarm."""
    return _let_through(AS_A_SCANNER, keys(0.004))


def _let_through(rules: str, strokes: Iterable[tuple[float, int]]) -> Mapping[str, Any]:
    with guarded(rules) as warden, typing(strokes) as (typist, listeners):
        port = until(lambda: by_id(*IDS))[0]
        released = until(lambda: _released(warden))
        held = typist.typed // 2
        until(lambda: listeners.console >= 5 and listeners.events >= 5)
        return {
            **listeners.heard(), "held": held, "released": [one["fields"] for one in released],
            "verdict": warden.verdicts(port),
        }  # fmt: skip


def _decided(warden: Warden, port: str) -> list[str]:
    """The verdicts on a keyboard once it was barred or let through."""
    verdicts = warden.verdicts(port)
    return verdicts if _released(warden) or any(one.startswith("block") for one in verdicts) else []


def _released(warden: Warden) -> list[dict[str, Any]]:
    return [one for one in warden.records() if one["name"] == "keyboard.released"]
