# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""How a command speaks: data on stdout, talk on stderr; a fault says what, where and what was expected, then the cure.

Every command returns values and raises :class:`Fault`; only this module prints them, for a person or as JSON.
"""

import errno
import io
import json
import os
import stat
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TextIO

from tillguard.exits import Exit


class Fault(Exception):
    """Something a person can cure: ``what`` went wrong, a ``hint`` at the cure, and the exit code it ends in."""

    def __init__(self, what: str, hint: str = "", exit_code: Exit = Exit.FAILED) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint
        self.exit_code = exit_code


_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


class Voice:
    """One command's mouth. ``as_json``: every answer is a JSON document. Colour only on a terminal without NO_COLOR."""

    def __init__(
        self, command: str, *, as_json: bool = False, out: TextIO | None = None, err: TextIO | None = None
    ) -> None:
        self.command = command
        self.as_json = as_json
        self._out = out or sys.stdout or io.StringIO()  # None: closed by whoever started this
        self._err = err or sys.stderr or io.StringIO()
        self.colour = self._out.isatty() and "NO_COLOR" not in os.environ and not as_json

    @property
    def pipe(self) -> int | None:
        """The descriptor of standard output where it is a pipe, which shows at once that its reader went away.

        Whoever waits for events else notices that with the next one. It never has anything to read otherwise.
        """
        try:
            descriptor = self._out.fileno()
            return descriptor if stat.S_ISFIFO(os.fstat(descriptor).st_mode) else None
        except (OSError, ValueError):  # closed, or no file at all
            return None

    def paint(self, text: str, *styles: str) -> str:
        """``text`` in the named styles, or bare where colour is not wanted."""
        if not self.colour or not styles:
            return text
        return f"\x1b[{';'.join(_STYLES[style] for style in styles)}m{text}\x1b[0m"

    def say(self, text: str) -> None:
        """A line of data for a person, on stdout."""
        self._print(text)

    def data(self, document: Mapping[str, object] | list[object]) -> None:
        """One JSON document on one line of stdout."""
        self._print(json.dumps(document, ensure_ascii=False, separators=(",", ":")))

    def answer(self, document: Mapping[str, object], text: str) -> None:
        """An answer: the document with ``--json``, else the text."""
        if self.as_json:
            self.data(document)
        else:
            self.say(text)

    def tell(self, text: str) -> None:
        """Talk that is not data, on stderr."""
        print(text, file=self._err, flush=True)

    def _print(self, text: str) -> None:
        try:
            print(text, file=self._out, flush=True)
        except BrokenPipeError:
            raise
        except UnicodeEncodeError:  # the stream's encoding has no such character; the form \uXXXX is right in JSON too
            encoding = self._out.encoding or "ascii"
            self._print(text.encode(encoding, "backslashreplace").decode(encoding))
        except OSError as fault:
            self._out = io.StringIO()  # what it still holds is not tried again
            sys.stdout = self._out
            what = f"standard output cannot be written: {fault.strerror}"
            raise Fault(what, "give it room, or another file") from None

    def fault(self, fault: Fault) -> None:
        """A fault and its hint, on stderr; with ``--json`` also as a document on stdout."""
        if self.as_json:
            with suppress(Fault):  # the fault may be that nothing can be written there
                self.data({"error": fault.what, "hint": fault.hint, "exit": int(fault.exit_code)})
        self.tell(plain(f"{self.command}: error: {fault.what}"))
        if fault.hint:
            self.tell(plain(f"hint: {fault.hint}"))


def plain(text: str) -> str:
    """``text`` without what steers a terminal: what comes from elsewhere could hide behind it."""
    return "".join(one if one.isprintable() or one in "\n\t" else "?" for one in text)


def _of_the_person(fault: Exception) -> Fault | None:
    """What no command can take, wherever it is noticed: it is the person's to mend, and no bug."""
    if isinstance(fault, UnicodeEncodeError) and "surrogates" in fault.reason:
        return Fault("text that is not UTF-8", "an argument, or a file's name or words", Exit.USAGE)
    if isinstance(fault, OSError) and fault.errno == errno.ENAMETOOLONG:
        return Fault("a path that is longer than this system takes", "name a shorter one", Exit.USAGE)
    return None


def interruptible(command: str, body: Callable[[], int]) -> int:
    """What a command does before it knows its options, such as loading its modules: Ctrl-C is no traceback there."""
    try:
        return body()
    except KeyboardInterrupt:
        pass
    except RuntimeError as wrapped:  # Python before 3.12 makes one of whatever interrupts the making of a class
        if not isinstance(wrapped.__cause__, KeyboardInterrupt):
            raise
    Voice(command).tell(f"{command}: interrupted")
    return 130


def run(command: str, body: Callable[[], int], *, as_json: bool = False) -> int:
    """Run a command's body and turn what it raises into words and an exit code. Only a bug prints a traceback."""
    voice = Voice(command, as_json=as_json)
    try:
        return interruptible(command, body)
    except Fault as fault:
        voice.fault(fault)
        return int(fault.exit_code)
    except BrokenPipeError:
        # The reader of our stdout went away (`| head`): say no more, and keep the interpreter from trying at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return int(Exit.FAILED)
    except Exception as bug:  # the one place where a bug becomes exit code 70
        if (theirs := _of_the_person(bug)) is not None:
            voice.fault(theirs)
            return int(theirs.exit_code)
        voice.tell(f"{command}: bug: {type(bug).__name__}")
        traceback.print_exc()
        voice.tell("hint: this is a fault of the program, not yours; please report it with the lines above")
        return int(Exit.BUG)
