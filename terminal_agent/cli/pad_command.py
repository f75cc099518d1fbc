# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``terminal-agent pad check``: walks a connected PIN pad, or its twin, along its profile. Needs no running agent."""

import argparse
import asyncio
from typing import TYPE_CHECKING

from tillguard.exits import Exit
from tillguard.voice import Fault, Voice

if TYPE_CHECKING:
    from device_profiles.model import PadProfile
    from protocols.serial.abecs_chip import GetCard
    from terminal_agent.pad.inspection import Finding

EXAMPLES = """examples:
  terminal-agent pad check --model ipp-uic --line /dev/ttyUSB0
  terminal-agent pad check --model ./mypad.toml --line usb:0403:6001:A1 --pin
  terminal-agent pad check --model abecs --line ./pad --sale
"""
PIN_S = 60.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.description = EXAMPLES
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    check = verbs.add_parser("check", help="what of a pad fits its profile, and what to correct", allow_abbrev=False)
    check.add_argument(
        "--model", required=True, metavar="NAME", help="a model of the catalogue, or the path of a .toml"
    )
    check.add_argument("--line", required=True, metavar="LINE", help="where it is: see terminal-agent line list")
    check.add_argument("--pin", action="store_true", help="have a person enter any PIN, for a TEST card")
    check.add_argument("--sale", action="store_true", help="have a TEST card put into an ABECS pad; ends declined")
    check.add_argument("--trace", action="store_true", help="what goes over the line, redacted")
    check.add_argument("--json", action="store_true", help="the answer as JSON")


def run(options: argparse.Namespace) -> int:
    """Exit code 0 where nothing differs, 1 where something does, 3 where there is no such line."""
    from device_profiles import catalog
    from device_profiles.model import AbecsProfile
    from terminal_agent.errors import AgentError
    from terminal_agent.line.port import LineAbsent
    from terminal_agent.pad.inspection import Verdict

    voice = Voice("terminal-agent", as_json=options.json)
    profile = catalog.pinpad(options.model)
    if options.sale and not isinstance(profile, AbecsProfile):
        raise Fault(f"--sale: {profile.model} sells with no chip by itself", "only pads of ABECS do", Exit.USAGE)
    try:
        findings = asyncio.run(_walk(options, profile, voice))
    except LineAbsent as fault:
        raise Fault(fault.what, fault.hint, Exit.ABSENT) from None
    except AgentError as fault:
        raise Fault(fault.what, fault.hint, Exit.FAILED) from None
    sound = all(finding.verdict is not Verdict.DIFFERS for finding in findings)
    rows = [
        {"subject": one.subject, "verdict": one.verdict.value, "words": one.words, "cure": one.cure} for one in findings
    ]
    lines = [f"{one['verdict']:<9}{one['subject']:<11}{one['words']}" for one in rows]
    lines += [f"hint: {one['subject']}: {one['cure']}" for one in rows if one["cure"]]
    voice.answer({"model": profile.model, "line": options.line, "fits": sound, "findings": rows}, "\n".join(lines))
    return int(Exit.OK if sound else Exit.FAILED)


async def _walk(options: argparse.Namespace, profile: "PadProfile", voice: Voice) -> "list[Finding]":
    from terminal_agent.line.url import open_line
    from terminal_agent.pad.inspection import inspect

    def told(wire: str, direction: str, words: str) -> None:
        voice.tell(f"{wire} {direction} {words}")

    line = await open_line(options.line, profile.line)
    pin_s, trace = PIN_S if options.pin else 0.0, told if options.trace else None
    return await inspect(profile, line, pin_s=pin_s, sale=_sale() if options.sale else None, trace=trace)


def _sale() -> "GetCard":
    """42.00 euros, now."""
    from datetime import UTC, datetime

    from protocols.serial.abecs_chip import GetCard

    now = datetime.now(UTC)
    return GetCard(4200, f"{now:%y%m%d}", f"{now:%H%M%S}", "978")
