# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Would a policy lock the terminal out of what it needs? Judges the devices that are there now; changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

from protocols.usb.classes import HID
from protocols.usb.device import Device
from protocols.usb.matching import matcher
from protocols.usb.rules import Dialect, Target
from protocols.usb.verdict import Verdict
from terminal_agent.usb.describe import Unreadable
from terminal_agent.usb.policy import Now, Policy


@dataclass(frozen=True, slots=True)
class Lockout:
    """One thing that would be lost, in words."""

    what: str


def lockouts(policy: Policy, devices: Sequence[Device | Unreadable], now: Now) -> list[Lockout]:
    """What of the terminal's needs would not live under ``policy``, with the devices that are plugged in now."""
    present = [one for one in devices if isinstance(one, Device)]
    verdicts = {one.port: policy.judge(one, now) for one in present}
    found = [
        Lockout(f"the machine's own root hub {port} would be {_done(verdict)}")
        for port, verdict in verdicts.items()
        if verdict.device.is_root and verdict.rule is not None and not verdict.authorises
    ]
    inputs: list[Device] = []
    for need, query in zip(policy.text.file.needs, policy.text.needs, strict=True):
        fits = matcher(query, Dialect.TILLGUARD)
        there = [one for one in present if fits(one)]
        good = [one for one in there if _lives(verdicts, one)]
        inputs += good if need.operator_input else []
        if there and not good:
            found.append(Lockout(f"{need.what}: {_why(verdicts, there[0])}"))
    found += _operator(policy, present, verdicts, inputs)
    return found


def _operator(
    policy: Policy, present: Sequence[Device], verdicts: dict[str, Verdict], inputs: Sequence[Device]
) -> list[Lockout]:
    """Whether an operator could still type or touch, where somebody can now."""
    wanted = [need for need in policy.text.file.needs if need.operator_input]
    typing = [one for one in present if any(shown.base == HID for shown in one.interfaces)]
    if wanted:
        return [] if inputs or not typing else [Lockout("no input device that an operator needs would live")]
    if typing and not any(_lives(verdicts, one) for one in typing):
        return [Lockout("not one of the input devices that are plugged in would live")]
    return []


def _lives(verdicts: dict[str, Verdict], device: Device) -> bool:
    return verdicts[device.port].authorises and _barred_hub(verdicts, device) is None


def _barred_hub(verdicts: dict[str, Verdict], device: Device) -> Verdict | None:
    """The verdict on the nearest hub above that would not live."""
    above = device.parent
    while above:
        verdict = verdicts.get(above)
        if verdict is None:
            return None
        if not verdict.authorises and (not verdict.device.is_root or verdict.rule is not None):
            return verdict
        above = verdict.device.parent
    return None


def _why(verdicts: dict[str, Verdict], device: Device) -> str:
    verdict = verdicts[device.port]
    if not verdict.authorises:
        return f"at port {device.port} it would be {_done(verdict)}"
    hub = _barred_hub(verdicts, device)
    return f"its hub at port {hub.device.port} would be {_done(hub)}" if hub else "it would not live"


def _done(verdict: Verdict) -> str:
    done = {Target.BLOCK: "blocked", Target.REJECT: "rejected"}.get(verdict.target, str(verdict.target))
    return f"{done} ({'by no rule' if verdict.rule is None else f'rule {verdict.rule_id}'})"
