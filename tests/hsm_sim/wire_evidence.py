# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The long runs over the wire of host commands: what they are called, how long they are, which code they cover."""

AREA = "hsm"
COVERS = (
    "hsm_sim/payshield/server.py",
    "hsm_sim/payshield/session.py",
    "hsm_sim/payshield/transport.py",
    "hsm_sim/payshield/unit.py",
    "protocols/hsm/fields.py",
    "protocols/hsm/frame.py",
    "protocols/hsm/kinds.py",
    "protocols/hsm/layout.py",
    "protocols/hsm/message.py",
)
FRAMES = "random and mutated frames of every command, each octet by itself"
SOCKET = "random and mutated frames of every command, through a socket in random pieces"
CASES = {FRAMES: 1_000_000, SOCKET: 200_000}
