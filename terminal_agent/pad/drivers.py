# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Chooses the driver of a PIN pad by its profile. Drives nothing itself."""

from device_profiles.model import AbecsProfile, PadProfile
from terminal_agent.line.port import Line
from terminal_agent.pad import ipp
from terminal_agent.pad.abecs import AbecsPad
from terminal_agent.pad.port import IdentifiedPad, Trace


async def open_pad(profile: PadProfile, line: Line, trace: Trace | None = None) -> IdentifiedPad:
    """The driver that the profile asks for, its pad idle and identified; ``PadAbsent`` if it is silent."""
    if not isinstance(profile, AbecsProfile):
        return await ipp.open_pad(profile, line, trace)
    pad = AbecsPad(profile, line, trace)
    try:
        await pad.start()
    except BaseException:
        await pad.close()
        raise
    return pad
