# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``terminal-agent usb list``, ``explain``, ``simulate``: looks at devices and says what a policy makes of them."""

import argparse
from pathlib import Path

from protocols.errors import DecodeError
from protocols.usb.classes import with_name
from protocols.usb.conditions import Situation
from protocols.usb.device import Device
from protocols.usb.evaluate import PlainEvaluator
from protocols.usb.rule_text import parse_query, parse_rules
from protocols.usb.rules import Dialect, IdPattern, InterfacePattern, RuleSet, printable
from protocols.usb.verdict import Verdict
from terminal_agent.cli import usb_files
from terminal_agent.errors import AgentError
from terminal_agent.usb.describe import Unreadable, role_of
from terminal_agent.usb.explain import explain
from terminal_agent.usb.libusb import views
from terminal_agent.usb.policy import Now, Policy
from terminal_agent.usb.recorded import write_tree
from tillguard.exits import Exit
from tillguard.voice import Fault, Voice

COLOURS = {"allow": "green", "allow-interface": "yellow", "block": "red", "reject": "red"}


def configure_list(parser: argparse.ArgumentParser) -> None:
    """Options of ``usb list``."""
    parser.add_argument("--policy", type=Path, metavar="FILE", help="also say what this policy makes of each")
    parser.add_argument("--record", type=Path, metavar="FILE", help="write the tree to a file, for simulate and learn")
    parser.add_argument(
        "--descriptors", action="store_true", help="also the descriptors, by libusb where it is present"
    )
    usb_files.add_tree(parser)
    usb_files.add_moment(parser)


def run_list(options: argparse.Namespace, voice: Voice) -> int:
    """The devices that are there."""
    raws = usb_files.raws(options)
    if options.record is not None:
        _write(options.record, write_tree(raws))
        voice.tell(f"{len(raws)} devices recorded in {options.record}")
    text = usb_files.policy(options.policy) if options.policy else None
    devices = usb_files.devices(raws, text.file.ports if text else ())
    policy, now = (usb_files.in_force(text, options), usb_files.moment(options)) if text else (None, None)
    alive = {raw.port: raw.authorized for raw in raws}
    seen = _views() if options.descriptors else {}
    said, documents = [], []
    for one in devices:
        verdict = policy.decide(one, now) if policy and now else None
        documents.append(document(one, verdict) | {"authorized": alive[one.port]})
        said += _lines(voice, one, alive[one.port], verdict)
        if one.port in seen:
            documents[-1]["descriptors"] = seen[one.port]
            said += [f"      {voice.paint(line, 'dim')}" for line in seen[one.port].split("\n")]
    voice.answer({"devices": documents}, "\n".join(said) if said else "no USB device is there")
    return 0


def configure_simulate(parser: argparse.ArgumentParser) -> None:
    """Options of ``usb simulate``."""
    parser.add_argument("policy", type=Path, help="the policy")
    parser.add_argument("trees", type=Path, nargs="+", metavar="TREE", help="recorded trees")
    parser.add_argument(
        "--usbguard", action="store_true", help="also what usbguard 1.1.2 would decide by the same rules"
    )
    usb_files.add_moment(parser)


def run_simulate(options: argparse.Namespace, voice: Voice) -> int:
    """A policy over recorded trees: a verdict for every device."""
    text = usb_files.policy(options.policy)
    now = usb_files.moment(options)
    said, documents = [], []
    for path in options.trees:
        policy = usb_files.in_force(text, options)
        said.append(voice.paint(str(path), "bold"))
        for one in usb_files.devices(usb_files.tree(path), text.file.ports):
            verdict = policy.decide(one, now)
            found = document(one, verdict) | {"tree": str(path)}
            said.append(_verdict_line(voice, one, verdict))
            if options.usbguard and isinstance(one, Device):
                other = _as_usbguard(text.rules, one, now)
                found["usbguard"] = other
                if other != str(verdict.target):
                    said.append(voice.paint(f"      usbguard 1.1.2 would say {other}", "yellow"))
            documents.append(found)
    voice.answer({"verdicts": documents}, "\n".join(said))
    return 0


def configure_explain(parser: argparse.ArgumentParser) -> None:
    """Options of ``usb explain``."""
    parser.add_argument("policy", type=Path, help="the policy")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--port", metavar="PORT", help="a device that is there, by its port, such as 1-4.2")
    which.add_argument(
        "--device", metavar="WORDS", help="one that is not, in a rule's words: 'id 0781:5567 with-interface 08:06:50'"
    )
    usb_files.add_tree(parser)
    usb_files.add_moment(parser)


def run_explain(options: argparse.Namespace, voice: Voice) -> int:
    """Why a policy decides as it does."""
    text = usb_files.policy(options.policy)
    policy, now = usb_files.in_force(text, options), usb_files.moment(options)
    device = described(options.device, policy) if options.device else _at(options, policy, now)
    if isinstance(device, Unreadable):
        verdict = policy.judge(device, now)
        voice.answer(document(device, verdict) | {"tried": []}, verdict.reason)
        return 0
    found = explain(policy, device, now)
    said = [device.words()]
    for one in found.tried:
        why = "decides" if one.decided else "; ".join(one.lacks) or "fits, but an earlier rule decided"
        said.append(f"  {one.line:>4}  {one.rule_id:<28} {why}")
    said.append(found.verdict.reason)
    tried = [
        {"rule": one.rule_id, "line": one.line, "decided": one.decided, "lacks": list(one.lacks)} for one in found.tried
    ]
    voice.answer(document(device, found.verdict) | {"tried": tried}, "\n".join(said))
    return 0


def described(words: str, policy: Policy) -> Device:
    """A device in a rule's words; what is not said is empty."""
    try:
        query = parse_query(words)
    except DecodeError as fault:
        raise Fault(f"--device: {fault.why}", "such as 'id 0781:5567 with-interface 08:06:50'", Exit.USAGE) from None
    values: dict[str, str] = {}
    ids = IdPattern("0000", "0000")
    shown: tuple[InterfacePattern, ...] = ()
    for one in query.attributes:
        if one.name == "with-interface":
            shown = tuple(value for value in one.values if isinstance(value, InterfacePattern))
        elif len(one.values) > 1:
            raise Fault(f"--device: {one.name}: one value expected", "a device has one", Exit.USAGE)
        elif isinstance(one.values[0], IdPattern):
            ids = one.values[0]
        else:
            values[one.name] = str(one.values[0])
    if "*" in (ids.vendor, ids.product) or any(None in one for one in shown):
        raise Fault("--device: a device has no *", "write the numbers out", Exit.USAGE)
    port = values.get("via-port", "")
    return Device(
        port=port,
        vendor=ids.vendor.lower(),
        product=ids.product.lower(),
        interfaces=shown,
        name=values.get("name", ""),
        serial=values.get("serial", ""),
        hash=values.get("hash", ""),
        parent_hash=values.get("parent-hash", ""),
        connect_type=values.get("with-connect-type", ""),
        role=values.get("via-role", role_of(port, "", policy.text.file.ports)),
    )


def document(one: Device | Unreadable, verdict: Verdict | None) -> dict[str, object]:
    """A device, and what became of it, as data."""
    if isinstance(one, Unreadable):
        found: dict[str, object] = {"port": one.port, "unreadable": one.why}
    else:
        found = {
            "port": one.port, "id": f"{one.vendor}:{one.product}", "name": printable(one.name),
            "serial": printable(one.serial), "interfaces": [str(shown) for shown in one.interfaces],
            "hash": one.hash, "hash-v2": one.hash2, "parent-hash": one.parent_hash,
            "connect-type": printable(one.connect_type), "role": one.role,
        }  # fmt: skip
    if verdict is not None:
        found |= {"target": str(verdict.target), "rule": verdict.rule_id, "reason": verdict.reason}
    return found


def _views() -> dict[str, str]:
    try:
        return views()
    except AgentError as fault:
        raise Fault(fault.what, fault.hint, Exit.ABSENT) from None


def _at(options: argparse.Namespace, policy: Policy, now: Now) -> Device | Unreadable:
    raws = usb_files.raws(options)
    for one in usb_files.devices(raws, policy.text.file.ports):
        policy.decide(one, now)  # so that what hangs on other devices being allowed is as it would be
        if one.port == options.port:
            return one
    listed = ", ".join(raw.port for raw in raws)
    raise Fault(f"no device at port {printable(options.port)}", f"there are: {listed or 'none'}", Exit.ABSENT)


def _as_usbguard(rules: RuleSet, device: Device, now: Now) -> str:
    """usbguard's verdict by the rules that it knows; where it does not know one, that is said."""
    if any(rule.extensions for rule in rules.rules):
        return "not readable to it"
    theirs = parse_rules(rules.print(Dialect.USBGUARD), Dialect.USBGUARD)
    return str(PlainEvaluator(theirs, Dialect.USBGUARD).judge(device, Situation(now.utc_s)).target)


def _lines(voice: Voice, one: Device | Unreadable, alive: bool | None, verdict: Verdict | None) -> list[str]:
    if isinstance(one, Unreadable):
        return [f"{printable(one.port)}: {voice.paint('its descriptors do not add up', 'red')}: {one.why}"]
    lives = {True: "lives", False: "is barred", None: ""}[alive]
    role = f", {one.role} port" if one.role else ""
    said = [f"{one.words()}{role}{', ' + lives if lives else ''}"]
    said += [f"      {with_name(shown)}" for shown in one.interfaces]
    if verdict is not None:
        said.append(f"      {voice.paint(verdict.reason, COLOURS[str(verdict.target)])}")
    return said


def _verdict_line(voice: Voice, one: Device | Unreadable, verdict: Verdict) -> str:
    what = one.words() if isinstance(one, Device) else printable(one.port)
    return f"  {what}\n      {voice.paint(verdict.reason, COLOURS[str(verdict.target)])}"


def _write(path: Path, text: str) -> None:
    try:
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
    except OSError as fault:
        raise Fault(f"{path}: {fault.strerror}", "name a file that can be written", Exit.USAGE) from None
