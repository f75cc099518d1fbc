# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``terminal-agent usb``: the USB policy's verbs. Decides and prints nothing itself."""

import argparse
import importlib

from tillguard.voice import Voice

VERBS = {
    "list": ("usb_look", "the devices that are there, and what a policy makes of them"),
    "lint": ("usb_write", "what is wrong with a policy: dead rules, broad ones, ways to lock oneself out"),
    "explain": ("usb_look", "why a policy decides as it does on one device"),
    "simulate": ("usb_look", "a policy over recorded trees of devices"),
    "diff": ("usb_write", "how two policies differ, and which devices would fare otherwise"),
    "learn": ("usb_write", "a first policy from what is plugged in"),
    "convert": ("usb_write", "rules files of usbguard, read and written"),
    "sign": ("usb_sign", "put your name under a policy or an exception"),
    "approve": ("usb_sign", "put a second name under it"),
    "verify": ("usb_sign", "who signed it, and whether it is to be believed"),
    "offer": ("usb_keep", "put a signed policy on trial"),
    "confirm": ("usb_keep", "keep the policy that is on trial"),
    "take-back": ("usb_keep", "end the trial: the policy before is in force"),
    "grant": ("usb_keep", "let a signed exception hold until its end"),
    "withdraw": ("usb_keep", "end an exception now"),
    "status": ("usb_keep", "what is in force, until when, and who signed it"),
}
EXAMPLES = """\
examples:
  terminal-agent usb list
  terminal-agent usb learn > till.toml
  terminal-agent usb lint till.toml
  terminal-agent usb simulate till.toml shop-1.umockdev shop-2.umockdev
  terminal-agent usb explain till.toml --device 'id 0781:5567 with-interface { 08:06:50 03:01:01 }'
  terminal-agent usb sign till.toml --version 7 --key anna.key --out till.signed
  terminal-agent usb convert rules.conf --to tillguard

docs/usb.md goes from learning to signing.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Every verb with its options."""
    parser.description = EXAMPLES
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, (module, summary) in VERBS.items():
        sub = verbs.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        sub.add_argument("--json", action="store_true", help="the answer as JSON")
        sub.set_defaults(module=module)
        function = f"configure_{name.replace('-', '_')}"
        getattr(importlib.import_module(f"terminal_agent.cli.{module}"), function)(sub)


def run(options: argparse.Namespace) -> int:
    """The verb's own exit code."""
    voice = Voice("terminal-agent", as_json=options.json)
    module = importlib.import_module(f"terminal_agent.cli.{options.module}")
    return int(getattr(module, f"run_{options.verb.replace('-', '_')}")(options, voice))
