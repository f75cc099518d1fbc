# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Diagnostic host commands: NC, NO, B2, N0. They touch no key."""

from collections.abc import Mapping

from hsm_sim.engine.engine import Engine
from hsm_sim.engine.key_requests import RandomOctets
from hsm_sim.engine.refusal import Reason, Refused
from hsm_sim.engine.requests import LmkCheckValue
from hsm_sim.payshield.handlers import Handler
from protocols.hsm.codes import ErrorCode
from protocols.hsm.commands.diagnostics import B2, B3, N0, N1, NC, ND, NO, NP

FIRMWARE = "TEST-0001"
"""Nine characters as hosts expect them; no unit has this number."""
_CHECK_VALUE = LmkCheckValue()


def nc(engine: Engine, request: NC) -> ND:
    """Check value of the LMK and firmware number."""
    return ND(check_value=engine.perform(_CHECK_VALUE), firmware=FIRMWARE)


def no(engine: Engine, request: NO) -> NP:
    """Fixed values of a unit on TCP; two digits cannot say more sockets than 99."""
    return NP(io_buffer="3", ethernet="1", sockets="99", firmware=FIRMWARE, reserved_1="0", reserved_2="0000")


def b2(engine: Engine, request: B2) -> B3:
    """The data as it came."""
    return B3(data=request.data)


def n0(engine: Engine, request: N0) -> N1 | ErrorCode:
    """Random octets."""
    try:
        return N1(data=engine.perform(RandomOctets(int(request.count))))
    except Refused as refused:
        if refused.reason is Reason.DATA_LENGTH:
            return ErrorCode.VERIFICATION_FAILED  # 01 is this command's code for a length that is none
        raise


HANDLERS: Mapping[type, Handler] = {NC: nc, NO: no, B2: b2, N0: n0}
