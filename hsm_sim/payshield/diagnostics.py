# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Diagnostic host commands: NC, NO, B2. They touch no key."""

from collections.abc import Mapping

from hsm_sim.engine.engine import Engine
from hsm_sim.engine.requests import LmkCheckValue
from hsm_sim.payshield.handlers import Handler
from protocols.hsm.commands import B2, B3, NC, ND, NO, NP

FIRMWARE = "TEST-0001"
"""Nine characters as hosts expect them; no unit has this number."""


def nc(engine: Engine, request: NC) -> ND:
    """Check value of the LMK and firmware number."""
    return ND(check_value=engine.perform(LmkCheckValue()), firmware=FIRMWARE)


def no(engine: Engine, request: NO) -> NP:
    """Fixed values of a unit on TCP; two digits cannot say more sockets than 99."""
    return NP(io_buffer="3", ethernet="1", sockets="99", firmware=FIRMWARE, reserved_1="0", reserved_2="0000")


def b2(engine: Engine, request: B2) -> B3:
    """The data as it came."""
    return B3(data=request.data)


HANDLERS: Mapping[type, Handler] = {NC: nc, NO: no, B2: b2}
