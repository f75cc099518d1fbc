# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A verdict on a device: target, rule id and the reason in words. Computed by evaluate.py; carries nothing out."""

from dataclasses import dataclass

from protocols.usb.classes import with_name
from protocols.usb.device import Device
from protocols.usb.matching import as_matched
from protocols.usb.rules import IMPLICIT, Attribute, InterfacePattern, Operator, Rule, Target, printable, quoted

_FITS = {
    "id": "its id is {}",
    "serial": "its serial is {}",
    "name": "its name is {}",
    "hash": "its descriptors have the hash {}",
    "parent-hash": "its hub has the hash {}",
    "via-port": "it is at port {}",
    "with-connect-type": "its port is {}",
    "via-role": "it is at a {} port",
    "with-interface": "its interfaces are {}",
}
_DONE = {
    Target.ALLOW: "allowed",
    Target.BLOCK: "blocked",
    Target.REJECT: "rejected",
    Target.ALLOW_INTERFACE: "allowed in part",
    Target.MATCH: "matched",
    Target.DEVICE: "matched",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to happen to a device, under which rule and why."""

    target: Target
    rule_id: str
    device: Device
    rule: Rule | None = None
    """None where no rule decided: the implicit target holds."""
    place: int = -1
    """The rule's place in its set, from 0."""
    live: tuple[bool, ...] | None = None
    """Of ``allow-interface``: for each interface of the device whether it may get a driver."""
    read_only: bool = False
    """Its storage may be mounted, but not written."""
    keystrokes: tuple[int, int] | None = None
    """A keyboard on probation: most keys a second, and least scatter of the gaps in per cent."""
    until_s: int | None = None
    """When the rule ends, in seconds since 1970."""
    why: str = ""
    """The reason, where it is not what a rule or its absence says."""

    @property
    def authorises(self) -> bool:
        """Whether the device is to be authorised, be it in part."""
        return self.target in (Target.ALLOW, Target.ALLOW_INTERFACE)

    @property
    def reason(self) -> str:
        """Why, in words; everything that the device claims is escaped."""
        return reason(self)


def reason(verdict: Verdict) -> str:
    """A verdict's reason: what fitted, and what comes with it."""
    done = _DONE[verdict.target]
    if verdict.why:
        return f"{done}: {verdict.why}"
    if verdict.rule is None:
        return f"{done}: no rule fits it, and what no rule names is {done}"
    fitted = [words for one in as_matched(verdict.rule) if (words := _fitted(one, verdict.device))]
    fitted += [_condition(str(one)) for one in verdict.rule.conditions]
    said = f"{done} by rule {verdict.rule_id}: {', '.join(fitted) or 'it fits every device'}"
    if verdict.live is not None:
        shown = zip(verdict.device.interfaces, verdict.live, strict=True)
        named = [(with_name(one), live) for one, live in shown]
        alive = ", ".join(name for name, live in named if live)
        dead = ", ".join(name for name, live in named if not live)
        said += f"; live: {alive}" + (f"; without a driver: {dead}" if dead else "")
    if verdict.read_only:
        said += "; its storage can only be read"
    if verdict.keystrokes is not None:
        said += f"; on probation: at most {verdict.keystrokes[0]} keys a second"
    return said


def implicit(device: Device, target: Target) -> Verdict:
    """The verdict where no rule fits."""
    return Verdict(target, IMPLICIT, device)


def _condition(text: str) -> str:
    return f"!{printable(text[1:])} holds" if text.startswith("!") else f"{printable(text)} holds"


def _fitted(attribute: Attribute, device: Device) -> str:
    if attribute.name not in _FITS:
        return ""
    if attribute.operator is Operator.NONE_OF:
        listed = ", ".join(_value(one) for one in attribute.values)
        whose = "none of its interfaces" if attribute.name == "with-interface" else f"its {attribute.name}"
        return f"{whose} is {'' if attribute.name == 'with-interface' else 'not '}one of {listed}"
    if attribute.name == "with-interface":
        shown = ", ".join(with_name(one) for one in device.interfaces) or "none"
        how = {
            Operator.ONE_OF: "one of its interfaces is named",
            Operator.ALL_OF: "all named interfaces are there",
            Operator.MATCH_ALL: "all its interfaces are listed",
        }.get(attribute.operator, "its interfaces are exactly these")
        return f"{how}: {shown}"
    if attribute.name == "with-connect-type" and not device.connect_type:
        return "the kernel says nothing of its port"
    claimed = {
        "id": f"{device.vendor}:{device.product}",
        "serial": quoted(device.serial),
        "name": quoted(device.name),
        "hash": device.hash,
        "parent-hash": device.parent_hash,
        "via-port": printable(device.port),
        "with-connect-type": printable(device.connect_type),
        "via-role": printable(device.role),
    }[attribute.name]
    return _FITS[attribute.name].format(claimed)


def _value(value: object) -> str:
    return with_name(value) if isinstance(value, InterfacePattern) else printable(str(value))
