# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""How a command's arguments are refused: in our words, with a hint, as JSON where asked for. Knows no command.

A person may type a key or PIN where it does not belong, so no message quotes what was typed.
"""

import argparse
import sys
from typing import NoReturn

from tillguard.exits import Exit
from tillguard.voice import Fault, Voice


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are faults, and which never quotes what was typed."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, then end with exit code 2."""
        Voice(self.prog.split()[0], as_json="--json" in sys.argv).fault(self.fault(message))
        sys.exit(int(Exit.USAGE))

    def fault(self, message: str) -> Fault:
        """What argparse found, in our words; of its own only those that hold none of the person's."""
        help_hint = f"run: {self.prog} --help"
        head, _, rest = message.partition(": ")
        if head == "unrecognized arguments":
            return Fault("an argument that is not known here", help_hint, Exit.USAGE)
        if rest.startswith("invalid choice"):
            return Fault(f"{head}: not one of the known values", f"one of: {self._choices(head)}", Exit.USAGE)
        if head == "the following arguments are required" or rest == "expected one argument":
            return Fault(message, help_hint, Exit.USAGE)
        if message.startswith("one of the arguments"):
            return Fault(message, "give one of them", Exit.USAGE)
        if rest.startswith("not allowed with argument"):
            return Fault(message, "give one of the two", Exit.USAGE)
        if rest.startswith("invalid int value"):
            return Fault(f"{head}: a whole number expected", help_hint, Exit.USAGE)
        if rest.startswith("invalid float value"):
            return Fault(f"{head}: a number expected", help_hint, Exit.USAGE)
        if rest.startswith("expected at least one argument"):
            return Fault(message, help_hint, Exit.USAGE)
        return Fault("arguments not understood", help_hint, Exit.USAGE)

    def _choices(self, head: str) -> str:
        for action in self._actions:
            names = [*action.option_strings, str(action.metavar), action.dest]
            if action.choices is not None and head.removeprefix("argument ") in ("/".join(names[:-2]), *names):
                return ", ".join(map(str, action.choices))
        return f"run: {self.prog} --help"
