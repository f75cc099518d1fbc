# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Kills vaults with SIGKILL at moments that mean nothing, and counts what they had answered. Run as a program.

    kills.py ORDER KEYPAD KILLS SEED

The modules are loaded once; each vault is a fork of this process that composes itself as the real one does: it opens
the files, raises its fences, and serves PINs that are typed at the keypad. Prints one JSON document.
"""

import contextlib
import json
import os
import random
import signal
import socket
import sys
import time

from protocols.vault import LARGEST_PACKET, EnterPin, PinMade, Status, decode_reply, encode
from terminal_agent.processes.vault import compose
from terminal_agent.sealed.fences import LinuxKernel

PAN = b"4000009999990016"
LONGEST_LIFE_PINS = 5
"""After the first answer, in the time that a PIN takes on this machine now: a busy one lets its vaults live longer."""
USUAL_PIN_S = 0.001


def vault(order: dict[str, object], pipe: int) -> None:
    """In the child: a vault until it is killed."""
    try:
        compose({**order, "pipe": pipe}, LinuxKernel()).run()
    finally:
        os._exit(0)


def lives(order: dict[str, object], keypad: int, kills: int, seed: int) -> dict[str, object]:
    """So many vaults; every KSN that any of them answered, and those that came twice."""
    chance = random.Random(seed)
    seen: set[bytes] = set()
    twice = busy = silent = 0
    lived = USUAL_PIN_S
    for _ in range(kills):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        child = os.fork()
        if child == 0:
            ours.close()
            vault(order, theirs.fileno())
        theirs.close()
        ours.settimeout(20)
        early = chance.random() < 0.1  # some die while they start
        if early:
            time.sleep(chance.random() * 0.1)
        else:
            ours.send(encode(1, Status()))
            ours.recv(LARGEST_PACKET)
            with contextlib.suppress(BlockingIOError):  # what a killed one had shown is not this one's prompt
                while os.read(keypad, 4096):
                    pass
            began, pace = time.monotonic(), lived / (len(seen) + 1)
            busy += type_pins(ours, keypad, began + chance.random() * LONGEST_LIFE_PINS * pace, seen, child)
            lived += time.monotonic() - began
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with contextlib.suppress(OSError):
            while packet := ours.recv(LARGEST_PACKET):
                reply = decode_reply(packet)[1]
                if isinstance(reply, PinMade):
                    twice += bytes(reply.ksn) in seen
                    seen.add(bytes(reply.ksn))
        silent += early
        ours.close()
    return {"kills": kills, "pins": len(seen), "twice": twice + TWICE[0], "in an entry": busy, "while starting": silent}


TWICE = [0]


def type_pins(pipe: socket.socket, keypad: int, until: float, seen: set[bytes], child: int) -> bool:
    """PIN after PIN until the time has come, which may be anywhere in one of them; whether it was."""
    pipe.setblocking(False)
    number = 1
    while True:
        number = number % 200 + 2
        pipe.send(encode(number, EnterPin(PAN, "", 60_000)))
        typed = False
        while True:
            if time.monotonic() >= until:
                return True
            if not typed:
                with contextlib.suppress(BlockingIOError):
                    if os.read(keypad, 256).count(b"ENTER PIN"):
                        os.write(keypad, b"8604\r")
                        typed = True
            try:
                reply = decode_reply(pipe.recv(LARGEST_PACKET))[1]
            except BlockingIOError:
                continue
            if not isinstance(reply, PinMade):
                raise SystemExit(f"the vault answered {reply}")
            TWICE[0] += bytes(reply.ksn) in seen
            seen.add(bytes(reply.ksn))
            break


if __name__ == "__main__":
    print(json.dumps(lives(json.loads(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))))
