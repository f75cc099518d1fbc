# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The vault: a PIN block over its pipe with and without a disk behind the counter, tamper input, start, memory.

"Without the durable counter" is the same vault with its store on tmpfs, where fdatasync(2) costs nothing. The floor of
the durable one is pwrite and fdatasync of as many octets on the same disk, in the same run. Times are wall time of the
asker, from ENTER at the keypad's line to the packet with the block.
"""

import os
import re
import select
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

from device_profiles.serve.hwmon import ChassisSwitch
from protocols.vault import EnterCardPin, EnterPin, PinMade, Result, Status, Tamper, decode_reply, encode
from terminal_agent.processes import vault_child, vault_setup
from terminal_agent.processes.vault_settings import VaultSettings
from terminal_agent.sealed.tamper import LOOK_EVERY_MS
from tests.bench.row import Row
from tests.terminal_agent.sealed.vaults import Asker, component_files, keypad_pair, load_all, made, running

PINS, WARM, STARTS, TAMPERS = 600, 50, 9, 5
PAN = b"4000009999990016"
REST_S = 0.001
STORED = 2_048  # octets that a save writes, about


def rows() -> list[Row]:
    """All rows."""
    with _folder(Path.cwd()) as on_disk, _folder(Path("/dev/shm")) as in_memory:
        disk, memory = Path(on_disk), Path(in_memory)
        durable, floor = _durable(disk)
        return [
            Row("PIN block, store on tmpfs", _pins_us(memory), "µs", "echo over such a pipe", _echo_us(), 150),
            Row("PIN block, counter on the disk", durable, "µs", "pwrite and fdatasync", floor, 1_000),
            Row("PIN block, what the vault adds to the disk", durable - floor, "µs"),
            Row(
                "PIN for a card, RSA 1152, store on tmpfs",
                _card_pins_us(memory),
                "µs",
                "echo over such a pipe",
                _echo_us(),
            ),
            *(Row(f"{name} to keys zeroised and told", _tamper_ms(disk, name), "ms", "", None, 100) for name in INPUTS),
            *_start(disk),
        ]


def _folder(root: Path) -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="tg-bench-", dir=root)


@contextmanager
def _lane(folder: Path, **more: Any) -> Iterator[tuple[Asker, int]]:
    place = Path(tempfile.mkdtemp(dir=folder))
    keypad, link = keypad_pair(place)
    os.set_blocking(keypad, False)
    wanted = made(place, keypad=str(link), pin_interval=0.00001, **more)
    with running(wanted, components=component_files(place)) as asker:
        load_all(asker)
        yield asker, keypad
    os.close(keypad)


def _pins_us(folder: Path) -> float:
    with _lane(folder) as (asker, keypad):
        samples = [_pin_us(asker, keypad, EnterPin(PAN, "", 60_000)) for _ in range(WARM + PINS)][WARM:]
    return statistics.median(samples)


def _card_pins_us(folder: Path) -> float:
    numbers = rsa.generate_private_key(65_537, 1_152).public_key().public_numbers()
    request = EnterCardPin(numbers.n.to_bytes(144, "big"), numbers.e, bytes(8), "", 60_000)
    with _lane(folder, card_pin=True) as (asker, keypad):
        samples = [_pin_us(asker, keypad, request) for _ in range(WARM + PINS)][WARM:]
    return statistics.median(samples)


def _pin_us(asker: Asker, keypad: int, request: EnterPin | EnterCardPin, rest_s: float = 0.0) -> float:
    number = asker.send(request)
    shown = b""
    while not shown.endswith(b"****\n"):  # the four digits are taken before the clock starts
        select.select([keypad], [], [])
        shown += os.read(keypad, 4096)
        if shown.endswith(b"ENTER PIN\n"):
            os.write(keypad, b"8604")
    time.sleep(rest_s)
    began = time.perf_counter()
    os.write(keypad, b"\r")
    packet = asker.child.pipe.recv(65_536)
    took = (time.perf_counter() - began) * 1e6
    found, reply = decode_reply(packet)
    assert found == number
    assert isinstance(reply, PinMade | Result), reply
    return took


def _durable(folder: Path) -> tuple[float, float]:
    """PIN and floor in turn, each after the same rest: a busy disk meets both, and one that was just busy neither."""
    descriptor = os.open(folder / "floor", os.O_RDWR | os.O_CREAT, 0o600)
    os.posix_fallocate(descriptor, 0, 2 * 16_384)
    octets, floor, pins = os.urandom(STORED), [], []
    with _lane(folder) as (asker, keypad):
        for turn in range(WARM + PINS):
            time.sleep(REST_S)
            began = time.perf_counter()
            os.pwrite(descriptor, octets, turn % 2 * 16_384)
            os.fdatasync(descriptor)
            floor.append((time.perf_counter() - began) * 1e6)
            pins.append(_pin_us(asker, keypad, EnterPin(PAN, "", 60_000), REST_S))
    os.close(descriptor)
    return statistics.median(pins[WARM:]), statistics.median(floor[WARM:])


ECHO = """
import socket, sys
pipe = socket.socket(fileno=int(sys.argv[1]))
while packet := pipe.recv(65536):
    pipe.send(packet)
"""


def _echo_us() -> float:
    import socket

    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with subprocess.Popen([sys.executable, "-c", ECHO, str(theirs.fileno())], pass_fds=(theirs.fileno(),)):
        theirs.close()
        samples = []
        for _ in range(WARM + PINS):
            began = time.perf_counter()
            ours.send(PAN)
            ours.recv(65_536)
            samples.append((time.perf_counter() - began) * 1e6)
        ours.close()
    return statistics.median(samples[WARM:])


INPUTS = ("tamper line", "tamper level", "order of the agent")


def _tamper_ms(folder: Path, kind: str) -> float:
    """The longest of some, from the input to the event on the pipe: behind both places of the store, on the disk."""
    samples = []
    for turn in range(TAMPERS):
        place = Path(tempfile.mkdtemp(dir=folder))
        line, link = keypad_pair(place)
        switch = ChassisSwitch(place / "hwmon0")
        wanted = made(place, tamper=str(link), tamper_levels=(switch.setting,))
        with running(wanted, components=component_files(place)) as asker:
            load_all(asker)
            time.sleep(LOOK_EVERY_MS / 1000 * turn / TAMPERS)  # wherever between two looks
            began = time.perf_counter()
            if kind == "tamper line":
                os.write(line, b"!")
            elif kind == "tamper level":
                switch.open_housing()
            else:
                asker.send(Tamper("pad: housing opened"))
            while getattr(decode_reply(asker.child.pipe.recv(65_536))[1], "name", "") != "vault.tampered":
                pass
            samples.append((time.perf_counter() - began) * 1000)
        os.close(line)
    return max(samples)


def _start(folder: Path) -> list[Row]:
    place = Path(tempfile.mkdtemp(dir=folder))
    wanted = VaultSettings(place / "vault/store", place / "elsewhere/counter", passphrase=place / "random")
    vault_setup.create(wanted)  # makes a random passphrase, which needs no work against guessing
    with running(wanted, components=component_files(place)) as asker:
        load_all(asker)
    bare, started, memory = [], [], []
    for _ in range(STARTS):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-I", "-c", "pass"], check=True)
        bare.append((time.perf_counter() - began) * 1000)
        began = time.perf_counter()
        child = vault_child.start(wanted)
        child.pipe.send(encode(1, Status()))
        child.pipe.recv(65_536)
        started.append((time.perf_counter() - began) * 1000)
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{child.process.pid}/status").read_text())
        assert found is not None
        memory.append(int(found.group(1)) / 1000)
        child.stop()
    loaded = _loaded_mb()
    return [
        Row(
            "start to first answer",
            statistics.median(started),
            "ms",
            "bare interpreter",
            statistics.median(bare),
            120,
        ),
        Row("memory, keys loaded", statistics.median(memory), "MB", "interpreter with OpenSSL", loaded, 28),
    ]


def _loaded_mb() -> float:
    program = (
        "import socket, ctypes\nfrom cryptography.hazmat.primitives.ciphers import aead\nprint(flush=True)\ninput()"
    )
    with subprocess.Popen(
        [sys.executable, "-I", "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{other.pid}/status").read_text())
        other.communicate(b"\n")
    assert found is not None
    return int(found.group(1)) / 1000
