# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The vault's process: opens what it will need, raises the fences, then serves its one pipe. Decides no request.

``python -I -m terminal_agent.processes.vault ORDER``: ORDER is a JSON document without secrets, made by
:func:`terminal_agent.processes.vault_child.start`. Everything is opened, read and imported before the fences; behind
them there is no way to a file, a socket or another program. What cannot be opened leaves the vault locked, and its
status says why: it never starts half.
"""

import fcntl
import json
import os
import signal
import stat
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from protocols.errors import ProtocolError
from protocols.tpm2 import LARGEST_RESPONSE, Sealed
from terminal_agent.processes.footprint import code_in_memory, settle
from terminal_agent.processes.vault_environment import token_environment
from terminal_agent.processes.vault_inputs import complain, open_keypad, open_tamper
from terminal_agent.sealed.arena import Arena, open_arena
from terminal_agent.sealed.fences import Kernel, LinuxKernel, raise_all
from terminal_agent.sealed.keypad import KeyCodes
from terminal_agent.sealed.keys import inject, source
from terminal_agent.sealed.keys import ring as rings
from terminal_agent.sealed.keys.counters import Counters, PinRate, RolledBack
from terminal_agent.sealed.keys.elsewhere import COUNTER_OCTETS, Elsewhere, FileCounter
from terminal_agent.sealed.keys.inject import LoadRefused
from terminal_agent.sealed.keys.ring import Ring
from terminal_agent.sealed.keys.source import Head, Kind
from terminal_agent.sealed.keys.store import (
    FILE_OCTETS,
    HEAD_OCTETS,
    STORE_KEY_OCTETS,
    OpenFile,
    Store,
    StoreError,
    erase,
)
from terminal_agent.sealed.keys.tpm import Tpm, TpmCounter
from terminal_agent.sealed.pin.block import PinFormat
from terminal_agent.sealed.pipe import Pipe, StrangerAtThePipe
from terminal_agent.sealed.serving import Serving
from terminal_agent.sealed.vault import Circumstances, Vault

if TYPE_CHECKING:
    from terminal_agent.sealed.delivery import Delivery
    from terminal_agent.sealed.pin.card import CardPins

LARGEST_COMPONENT = 256
HEX_DIGITS = b"0123456789ABCDEF0123456789abcdef"
ROLLED_BACK = "the store is an old image"
NO_STORE = "there is no store: make one with terminal-agent keys init"


@dataclass(frozen=True, slots=True)
class Order:
    """What this vault is told, on its command line: fields of :class:`.vault_settings.VaultSettings` as text."""

    pipe: int
    users: list[int]
    store: str
    counter: str | None
    tpm: str
    tpm_index: int
    token: str | None
    passphrase: str | None
    keypad: str
    tamper: str
    tamper_levels: list[str]
    tamper_gpio: list[str]
    tamper_on: list[str]
    needed: list[str]
    pin_format: int
    pin_interval: float
    pin_burst: int
    card_pin: bool
    keys: dict[str, int] = field(default_factory=dict)
    """What the keypad's keys send: zero, enter, clear, cancel."""
    delivery: bool = False
    """Whether TR-34 is served, which costs memory: for a vault that is being loaded."""
    payments: int | None = None
    """A second pipe, for the processes that make payments."""
    components: list[str] = field(default_factory=list)
    """Files with components of the first transport key, in hexadecimal digits: read here and nowhere else."""


class CannotOpen(Exception):
    """Why the vault stays locked."""


@dataclass(slots=True)
class Opened:
    """What was opened before the fences."""

    ring: Ring
    disk: OpenFile | None = None
    head: Head | None = None
    key: memoryview | None = None
    elsewhere: Elsewhere | None = None
    why: str = ""
    rolled_back: bool = False
    components: list[bytearray] = field(default_factory=list)


def steady_ms() -> int:
    """Milliseconds that go on while the machine sleeps (clock_gettime(2), CLOCK_BOOTTIME)."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def now_ms() -> int:
    """Unix time in milliseconds."""
    return time.time_ns() // 1_000_000


def open_file(path: str, octets: int, what: str) -> OpenFile:
    """An existing file of that size, locked against a second vault; :class:`CannotOpen` says why not."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        raise CannotOpen(NO_STORE if what == "store" else f"the {what} {path} is not there") from None
    except BlockingIOError:
        raise CannotOpen(f"another vault has the {what}: stop that one first") from None
    except OSError as fault:
        raise CannotOpen(f"the {what} {path} cannot be opened: {fault.strerror}") from None
    if os.fstat(descriptor).st_size != octets:
        raise CannotOpen(f"the {what} {path} has another size than a vault's")
    return OpenFile(descriptor)


def read_small(path: str, what: str, region: memoryview) -> memoryview:
    """The octets of a small file, without blanks at either end, in ``region``; :class:`CannotOpen` says why not."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return source.trimmed(region[: os.readv(descriptor, [region])])
        finally:
            os.close(descriptor)
    except OSError as fault:
        raise CannotOpen(f"the {what} {path} cannot be read: {fault.strerror}") from None


def read_passphrase(path: str, arena: Arena, material: bytes, key: memoryview) -> None:
    """The store's key from the passphrase file into ``key``."""
    if not path:
        raise CannotOpen("a passphrase file gives this store's key, and the profile names none")
    with arena.lend(source.LARGEST_PASSPHRASE) as region:
        words = read_small(path, "passphrase file", region)
        if len(words) < source.LEAST_PASSPHRASE:
            raise CannotOpen(f"the passphrase file {path} is too short to be one")
        source.by_passphrase(words, material, key)


def read_key(order: Order, arena: Arena, head: Head, key: memoryview, tpm: Tpm | None) -> None:
    """The store's key from whoever the head names; no other source is tried."""
    if head.kind is Kind.PASSPHRASE:
        read_passphrase(order.passphrase or "", arena, head.material, key)
        return
    if head.kind is Kind.TOKEN and order.token:
        ask_token(order.token, "unwrap", memoryview(head.material), key)
        return
    if head.kind is Kind.TPM and tpm is not None:
        tpm.unseal(Sealed(head.material), key)
        return
    raise CannotOpen(f"a {head.kind.value} gives this store's key, and the profile names none")


def open_tpm(path: str, arena: Arena) -> Tpm:
    """A TPM's character device, or a simulator's socket."""
    try:
        if stat.S_ISSOCK(os.stat(path).st_mode):  # noqa: PTH116 - pathlib would cost the vault half a megabyte
            import socket

            link = socket.socket(socket.AF_UNIX)
            link.connect(path)
            return Tpm(link.detach(), arena.take(LARGEST_RESPONSE))
        return Tpm(os.open(path, os.O_RDWR | os.O_CLOEXEC), arena.take(LARGEST_RESPONSE))
    except OSError as fault:
        raise CannotOpen(f"the TPM {path} cannot be opened: {fault.strerror}") from None


def ask_token(path: str, verb: str, given: memoryview, outcome: memoryview) -> int:
    """Have the token wrap or unwrap, in a process that ends; how many octets came."""
    there, ours = os.pipe()
    back, theirs = os.pipe()
    os.write(ours, given)
    os.close(ours)
    argv = [sys.executable, "-I", "-m", "terminal_agent.processes.vault_token", path, verb]
    actions = [(os.POSIX_SPAWN_DUP2, there, 0), (os.POSIX_SPAWN_DUP2, theirs, 1)]
    child = os.posix_spawn(sys.executable, argv, {"LC_ALL": "C.UTF-8", **token_environment()}, file_actions=actions)
    os.close(there)
    os.close(theirs)
    size = os.readv(back, [outcome])
    os.close(back)
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) or not size:
        raise CannotOpen(f"the token of {path} does not give this store's key: see the line above")
    return size


def read_component(path: str, arena: Arena) -> bytearray:
    """The octets of one component file."""
    with arena.lend(LARGEST_COMPONENT) as region:
        digits = read_small(path, "component", region)
        octets = bytearray(len(digits) // 2)
        for place, digit in enumerate(digits):
            value = HEX_DIGITS.find(digit)
            if value < 0 or len(digits) % 2:
                raise CannotOpen(f"the component {path} is not hexadecimal digits")
            octets[place // 2] |= (value & 0xF) << (0 if place & 1 else 4)
        return octets


def open_elsewhere(order: Order, key: memoryview, tpm: Tpm | None) -> Elsewhere:
    """The counter that is not in the store."""
    if tpm is not None:
        return TpmCounter(tpm, order.tpm_index, key)
    return FileCounter(open_file(str(order.counter), COUNTER_OCTETS, "counter"), key)


def open_all(order: Order, arena: Arena) -> Opened:
    """Store, key and counter; where one is missing, the reason instead."""
    opened = Opened(rings.empty(arena))
    try:
        disk = opened.disk = open_file(str(order.store), FILE_OCTETS, "store")
        head = Head.decode(disk.read(0, HEAD_OCTETS))
        key = arena.take(STORE_KEY_OCTETS)
        tpm = open_tpm(order.tpm, arena) if order.tpm else None
        read_key(order, arena, head, key, tpm)
        opened.elsewhere = open_elsewhere(order, key, tpm)
        opened.components = [read_component(path, arena) for path in order.components]
        opened.head, opened.key = head, key
    except (CannotOpen, StoreError, ProtocolError) as fault:
        opened.why = str(fault)
    return opened


def unlock(opened: Opened, arena: Arena, order: Order) -> tuple[Store, Counters] | None:
    """Read the store and begin a generation; None with the reason in ``opened.why`` where it is not what it was."""
    if opened.disk is None or opened.head is None or opened.key is None or opened.elsewhere is None:
        return None
    store = Store(opened.disk, opened.key, opened.head.bound, arena, os.urandom)
    rate = PinRate(max(1, round(order.pin_interval * 1000)), order.pin_burst)
    counters = Counters(opened.ring, store, opened.elsewhere, rate, steady_ms)
    try:
        store.load(opened.ring)
        counters.begin()
        if opened.components:
            inject.take_components(opened.ring, opened.components, now_ms())
            store.save(opened.ring)
    except (StoreError, LoadRefused) as fault:
        opened.ring.wipe_keys()
        opened.why = str(fault)
        opened.rolled_back = isinstance(fault, RolledBack)
        return None
    return store, counters


def wake_descriptor() -> int:
    """Readable as soon as SIGTERM or SIGINT came."""
    end, start = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(start)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    return end


Composer = Callable[[Vault], None]


def warmed_delivery() -> "type[Delivery]":
    """TR-34 with everything that it imports only when it is used: behind the fences nothing can be."""

    from terminal_agent.sealed.delivery import Delivery

    return Delivery


def card_pins_class() -> "type[CardPins]":
    """PINs for cards, with what is needed of EMV: imported only where they are permitted."""
    from terminal_agent.sealed.pin.card import CardPins

    return CardPins


def compose(document: dict[str, Any], kernel: Kernel, also: Composer | None = None) -> Serving:
    """Everything, in the order that matters: open, fence, unlock. ``also`` may add requests to the vault."""
    order = Order(**document)
    deliver = warmed_delivery() if order.delivery else None
    make_card_pins = card_pins_class() if order.card_pin else None
    arena = open_arena(kernel)
    pipe = Pipe(order.pipe, order.users)
    payments = Pipe(order.payments, order.users) if order.payments is not None else None
    opened = open_all(order, arena)
    keypad = open_keypad(order.keypad, arena, KeyCodes(**order.keys))
    tamper = open_tamper(kernel, order.tamper, order.tamper_levels, order.tamper_gpio)
    wake = wake_descriptor()
    fences = (arena.fence, *raise_all(kernel))
    for fence in fences:
        if not fence.stands:
            complain(f"WARNING: fence {fence.name} {fence.words}")
    unlocked = unlock(opened, arena, order)
    store, counters = unlocked or (None, None)
    circumstances = Circumstances(
        tuple(order.needed),
        now_ms,
        os.urandom,
        opened.elsewhere.words if opened.elsewhere else "-",
        opened.head.kind.value if opened.head else "-",
    )
    disk = opened.disk
    wipe = (lambda: erase(disk)) if disk is not None else None
    vault = Vault(opened.ring, store, counters, circumstances, fences, opened.why, wipe)
    if deliver is not None:
        vault.also(deliver(vault, opened.ring, circumstances).handlers())
    if also is not None:
        also(vault)
    rolled_back = ROLLED_BACK if opened.rolled_back and "rollback" in order.tamper_on else ""
    for words in filter(None, (tamper.missing, rolled_back)):
        vault.tampered(words)
    card_pins = make_card_pins(counters, os.urandom) if make_card_pins and counters else None
    form, inputs = PinFormat(order.pin_format), (tamper.lines, tamper.levels)
    return Serving(vault, pipe, arena, form, steady_ms, keypad, *inputs, wake, card_pins, payments)


def main(argv: list[str] | None = None) -> int:
    """Run until told to stop; exit code 0 after a clean end."""
    words = sys.argv[1:] if argv is None else argv
    try:
        code = code_in_memory()
        serving = compose(json.loads(words[0]), LinuxKernel())
    except StrangerAtThePipe as fault:
        complain(f"refused to serve: {fault}")
        return 4
    settle(code)
    serving.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
