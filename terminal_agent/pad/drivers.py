# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Chooses the driver of a PIN pad by its profile. Drives nothing itself."""

from device_profiles.model import AbecsProfile, PadProfile
from terminal_agent.line.port import Line
from terminal_agent.pad import ipp
from terminal_agent.pad.abecs import ANY_IDENTITY, AbecsPad
from terminal_agent.pad.port import IdentifiedPad, PadError, Trace


async def open_pad(profile: PadProfile, line: Line, trace: Trace | None = None, identity: str = "") -> IdentifiedPad:
    """The driver that the profile asks for, its pad idle and identified; ``PadAbsent`` if it is silent.

    ``identity``: the public key that the pad must prove to have, in hexadecimal digits; ``*`` for any that it has.
    """
    if not isinstance(profile, AbecsProfile):
        if identity not in ("", ANY_IDENTITY):
            await line.close()
            raise PadError("a pad of the IPP family cannot prove an identity", "leave pad.identity out")
        return await ipp.open_pad(profile, line, trace)
    pad = AbecsPad(profile, line, trace, identity)
    try:
        await pad.start()
    except BaseException:
        await pad.close()
        raise
    return pad
