# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``terminal-agent usb lint``, ``diff``, ``learn``, ``convert``: works on policies as files. Puts none in force."""

import argparse
from pathlib import Path

from protocols.errors import EncodeError
from protocols.usb.rules import Dialect, Rule, Target, print_rule
from terminal_agent.cli import usb_files
from terminal_agent.cli.usb_look import document
from terminal_agent.usb.difference import fares, rule_changes
from terminal_agent.usb.document import PolicyText
from terminal_agent.usb.document_text import bare_rules
from terminal_agent.usb.learn import learn
from terminal_agent.usb.lint import Weight, lint
from terminal_agent.usb.theirs import meanings
from tillguard.exits import Exit
from tillguard.voice import Fault, Voice

_COLOURS = {Weight.ERROR: "red", Weight.WARNING: "yellow", Weight.NOTE: "dim"}


def configure_lint(parser: argparse.ArgumentParser) -> None:
    """Options of ``usb lint``."""
    parser.add_argument("policy", type=Path, nargs="+", help="policies")
    parser.add_argument("--strict", action="store_true", help="warnings fail as errors do")
    usb_files.add_moment(parser)


def run_lint(options: argparse.Namespace, voice: Voice) -> int:
    """Exit code 1 where there are errors."""
    now = usb_files.moment(options)
    failed = False
    said, documents = [], []
    for path in options.policy:
        found = lint(usb_files.policy(path), now)
        bad = {Weight.ERROR, Weight.WARNING} if options.strict else {Weight.ERROR}
        failed |= any(one.weight in bad for one in found)
        for one in found:
            where = f"{path}: rule {one.rule_id}" if one.rule_id else str(path)
            said.append(f"{where}: {voice.paint(str(one.weight), _COLOURS[one.weight])}: {one.words} [{one.kind}]")
            documents.append({"file": str(path), "rule": one.rule_id, "line": one.line, "weight": str(one.weight),
                              "kind": one.kind, "words": one.words})  # fmt: skip
        if not found:
            said.append(f"{path}: nothing found")
    voice.answer({"clean": not documents, "failed": failed, "findings": documents}, "\n".join(said))
    return int(Exit.FAILED if failed else Exit.OK)


def configure_diff(parser: argparse.ArgumentParser) -> None:
    """Options of ``usb diff``."""
    parser.add_argument("old", type=Path, help="the policy that is")
    parser.add_argument("new", type=Path, help="the policy that is to be")
    parser.add_argument("--tree", type=Path, action="append", default=[], metavar="FILE", help="recorded trees to try")
    usb_files.add_moment(parser)


def run_diff(options: argparse.Namespace, voice: Voice) -> int:
    """Which rules differ, and which recorded devices would fare otherwise."""
    old, new = usb_files.policy(options.old), usb_files.policy(options.new)
    now = usb_files.moment(options)
    changes = rule_changes(old.rules, new.rules)
    said = [voice.paint(f"{one.sign} {one.text}", {"-": "red", "+": "green"}.get(one.sign, "dim")) for one in changes]
    if old.implicit is not new.implicit:
        said.append(f"what no rule names: {old.implicit} before, {new.implicit} after")
    others = []
    for path in options.tree:
        one, other = usb_files.in_force(old, options), usb_files.in_force(new, options)
        for found in fares(one, other, usb_files.devices(usb_files.tree(path), new.file.ports), now):
            said += [
                f"{path}: {found.new.device.words()}",
                f"  before: {found.old.reason}",
                f"  after:  {found.new.reason}",
            ]
            others.append({"tree": str(path), "port": found.new.device.port, "before": str(found.old.target),
                           "after": str(found.new.target), "reason": found.new.reason})  # fmt: skip
    rules = [{"sign": one.sign, "rule": one.rule_id, "text": one.text} for one in changes]
    voice.answer({"rules": rules, "devices": others}, "\n".join(said) if said else "no difference")
    return 0


def configure_learn(parser: argparse.ArgumentParser) -> None:
    """Options of ``usb learn``."""
    parser.add_argument("--title", default="learned from what is plugged in", help="the policy's title")
    parser.add_argument("--ports", action="store_true", help="bind every device to its port")
    parser.add_argument("--hashes", action="store_true", help="also bind each to its descriptors")
    usb_files.add_tree(parser)


def run_learn(options: argparse.Namespace, voice: Voice) -> int:
    """A policy that allows what is plugged in, on stdout."""
    devices = usb_files.devices(usb_files.raws(options))
    text = learn(devices, title=options.title, bind_ports=options.ports, hashes=options.hashes)
    voice.answer({"policy": text, "devices": [document(one, None) for one in devices]}, text.rstrip("\n"))
    voice.tell("look at every rule: what should not be plugged in is in it too; then: terminal-agent usb lint")
    return 0


def configure_convert(parser: argparse.ArgumentParser) -> None:
    """Options of ``usb convert``."""
    parser.add_argument("file", type=Path, help="a rules file of usbguard, or a policy of ours")
    parser.add_argument("--to", choices=("tillguard", "usbguard"), required=True, help="which language to write")


def run_convert(options: argparse.Namespace, voice: Voice) -> int:
    """The same rules in the other language on stdout; what means something else there, on stderr."""
    warnings: list[str] = []
    if options.to == "tillguard":
        theirs = bare_rules(usb_files.text_of(options.file), options.file, Dialect.USBGUARD)
        for rule in theirs.rules:
            warnings += [f"line {rule.line}: {words}" for words in meanings(rule)]
        text = _toml(options.file, [_ours(rule, options.file) for rule in theirs.rules])
    else:
        text, warnings = _usbguard(usb_files.policy(options.file), options.file)
    voice.answer({"text": text, "warnings": warnings}, text.rstrip("\n"))
    for words in warnings:
        voice.tell(f"{options.file}: {words}")
    return 0


def _ours(rule: Rule, path: Path) -> str:
    """A rule of usbguard in our normal form, if it is one for us too."""
    if rule.target in (Target.MATCH, Target.DEVICE):
        raise Fault(
            f"{path}: line {rule.line}: {rule.target} decides nothing in a policy", "remove that line", Exit.USAGE
        )
    text = print_rule(rule)
    bare_rules(text, path, Dialect.TILLGUARD)  # a Fault where a condition says nothing in our language
    return text


def _toml(path: Path, rules: list[str]) -> str:
    body = "\n".join(rules)
    if "'''" in body:
        body = body.replace("'", "\\x27")
    title = (
        path.name if path.name.isprintable() and path.name.isascii() and not set(path.name) & set('"\\') else "rules"
    )
    return f"title = \"converted from {title}\"\nimplicit = \"block\"\n\nrules = '''\n{body}\n'''\n"


def _usbguard(text: PolicyText, path: Path) -> tuple[str, list[str]]:
    lines, warnings = [], []
    for rule_id, rule in zip(text.rules.ids, text.rules.rules, strict=True):
        try:
            lines.append(print_rule(rule, Dialect.USBGUARD))
        except EncodeError as fault:
            raise Fault(
                f"{path}: rule {rule_id}: {fault}", "usbguard has no such rule: take it out first", Exit.USAGE
            ) from None
        warnings += [f"rule {rule_id}: {words}" for words in meanings(rule)]
    if text.file.ports or text.file.windows or text.file.needs:
        warnings.append("ports, windows and needs have no place in usbguard's file and are left out")
    warnings.append(f"set ImplicitPolicyTarget={text.implicit} in usbguard-daemon.conf")
    return "\n".join(lines) + "\n", warnings
