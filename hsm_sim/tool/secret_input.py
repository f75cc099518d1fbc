# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""How TEST keys and PINs come in: a prompt, a file, or a line of stdin. Never an argument, never the environment.

A secret called ``key`` has the option ``--key-file FILE``. The file, or with ``-`` the standard input, holds it on one
line; empty lines and lines that begin with # are passed over. Several secrets may come from stdin, one line each in the
order of the help. Without the option the person at the terminal is asked, and nothing is echoed.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from protocols.errors import EncodeError
from protocols.secret import ClearKey, ClearPinBlock, Pin
from tillguard.exits import Exit
from tillguard.voice import Fault

LARGEST_FILE: Final = 4096  # octets: a key of 32 octets in hexadecimal, with room for comments
STDIN: Final = "-"
_BLANKS: Final = b" \t\r\n"


@dataclass(frozen=True, slots=True)
class SecretInput:
    """A secret that a verb may ask for: its name (the option is ``--NAME-file``) and what it is, as words."""

    name: str
    words: str

    @property
    def option(self) -> str:
        """The option that names its file."""
        return f"--{self.name}-file"

    @property
    def destination(self) -> str:
        """The option's name in parsed arguments."""
        return f"{self.name.replace('-', '_')}_file"


def declare(parser: argparse.ArgumentParser, secrets: Sequence[SecretInput]) -> None:
    """Add the options of ``secrets``."""
    if not secrets:
        return
    group = parser.add_argument_group(
        "TEST secrets",
        "each from a file, from stdin (-; one line each, in this order), or asked for; never an argument",
    )
    for secret in secrets:
        group.add_argument(secret.option, metavar="FILE", dest=secret.destination, help=secret.words)


class Secrets:
    """The secrets of one calculation, read when they are first needed."""

    def __init__(self, given: argparse.Namespace, declared: Sequence[SecretInput]) -> None:
        """``given`` are the parsed arguments, ``declared`` what the verb may ask for."""
        self._sources: dict[str, str | None] = {one.name: getattr(given, one.destination) for one in declared}
        self._declared = {one.name: one for one in declared}
        self._read: set[str] = set()

    @property
    def from_stdin(self) -> bool:
        """Whether any of them comes from stdin, so that nothing else can."""
        return STDIN in self._sources.values()

    def key(self, name: str, sizes: Sequence[int] = ()) -> ClearKey:
        """A key in hexadecimal, of one of ``sizes`` octets if any are named."""
        return ClearKey(self._hexadecimal(name, sizes))

    def clear_block(self, name: str, sizes: Sequence[int] = ()) -> ClearPinBlock:
        """A clear PIN block in hexadecimal."""
        return ClearPinBlock(self._hexadecimal(name, sizes))

    def pin(self, name: str) -> Pin:
        """A PIN of 4 to 12 digits."""
        try:
            return Pin.from_text(self._line(name))
        except EncodeError:
            raise self._fault(name, "not a PIN: 4 to 12 decimal digits expected") from None

    def given(self, name: str) -> bool:
        """Whether its option was given: for a secret that is needed only sometimes."""
        return self._sources[name] is not None

    def refuse_unused(self) -> None:
        """:class:`Fault` for a file that was named and not needed: the person meant something else."""
        for name, source in self._sources.items():
            if source is not None and name not in self._read:
                raise Fault(f"{self._declared[name].option}: not used by this calculation", "leave it out", Exit.USAGE)

    def _hexadecimal(self, name: str, sizes: Sequence[int]) -> bytearray:
        line = self._line(name)
        digits = line.translate(None, b" ")
        try:
            # `fromhex` takes text only. That text and its octets are for TEST data: Python cannot wipe them.
            octets = bytearray.fromhex(digits.decode("ascii", "replace"))
        except ValueError:
            raise self._fault(name, "not an even number of hexadecimal digits") from None
        finally:
            line[:] = bytes(len(line))
            digits[:] = bytes(len(digits))
        if not octets or (sizes and len(octets) not in sizes):
            found = len(octets)
            octets[:] = bytes(found)
            expected = " or ".join(str(size) for size in sizes) or "some"
            raise self._fault(name, f"{found} octets, {expected} expected")
        return octets

    def _line(self, name: str) -> bytearray:
        self._read.add(name)
        source = self._sources[name]
        if source is None:
            return self._asked(name)
        if source == STDIN:
            return self._from_stdin(name)
        return self._from_file(name, Path(source))

    def _asked(self, name: str) -> bytearray:
        declared = self._declared[name]
        if sys.stdin is None or not sys.stdin.isatty():
            raise Fault(
                f"{name}: not given, and no terminal to ask at",
                f"name its file with {declared.option} FILE, or {declared.option} - for a line of stdin",
                Exit.USAGE,
            )
        from getpass import getpass

        try:
            return bytearray(getpass(f"{declared.words}: ", sys.stderr).strip().encode("ascii", "replace"))
        except EOFError:
            raise self._fault(name, "nothing was typed") from None

    def _from_stdin(self, name: str) -> bytearray:
        while sys.stdin is not None and (line := sys.stdin.buffer.readline(LARGEST_FILE + 1)):
            if len(line) > LARGEST_FILE:
                raise self._fault(name, f"a line of more than {LARGEST_FILE} octets")
            if _holds_something(line):
                return bytearray(line.strip(_BLANKS))
        raise self._fault(name, "stdin ended before its line")

    def _from_file(self, name: str, path: Path) -> bytearray:
        content = bytearray(LARGEST_FILE + 1)
        try:
            with path.open("rb", buffering=0) as file:
                size = file.readinto(content) or 0
        except OSError as fault:
            raise self._fault(name, f"{path}: {fault.strerror}") from None
        if size > LARGEST_FILE:
            raise self._fault(name, f"{path}: larger than {LARGEST_FILE} octets")
        lines = [line for line in content[:size].split(b"\n") if _holds_something(line)]
        content[:] = bytes(len(content))
        if len(lines) != 1:
            raise self._fault(name, f"{path}: {len(lines)} lines that are not comments, 1 expected")
        return lines[0].strip(_BLANKS)

    def _fault(self, name: str, why: str) -> Fault:
        return Fault(f"{name}: {why}", f"it is {self._declared[name].words}", Exit.USAGE)


def _holds_something(line: bytes | bytearray) -> bool:
    bare = line.strip(_BLANKS)
    return bool(bare) and not bare.startswith(b"#")
