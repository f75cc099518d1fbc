# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Hears everything that the suite stores, logs or prints and searches it for the planted values. Excepts nothing.

Stored: every file below the suite's folder, names included. Logged: every record of every level. Printed: what tests
and their children write to stdout and stderr, also what a test takes away with ``capsys`` or ``communicate()``;
warnings; what a failing test shows; names of tests; argv and environment of children. What a test reads from a child's
pipe line by line it must keep in a file, as :class:`tests.flows.stage.Stage` does.

A plugin of pytest, one per process. A worker's findings travel with its reports, in words that quote nothing.
"""

import asyncio.subprocess
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from tests.secrets.scanner import Scanner

PROPERTY = "leak"


class Witness:
    """The plugin."""

    def __init__(self, scanner: Scanner, config: pytest.Config) -> None:
        self.leaks: list[str] = []
        self._scanner = scanner
        self._worker = hasattr(config, "workerinput")
        self._heard: dict[object, bytearray] = {}
        self._ours: Path | None = None
        if not self._worker and config.option.basetemp is None:
            # One folder for everything that the suite stores, so that it can be searched at the end.
            self._ours = Path(tempfile.mkdtemp(prefix="tg-"))  # short: sockets below it have 107 octets
            config.option.basetemp = self._ours / "s"
        if config.option.log_level is None:
            config.option.log_level = "DEBUG"  # what is not made cannot be searched
        logging.getLogger("asyncio").setLevel(logging.INFO)  # it would tell its selector in every test
        _listen(self.hear)

    def hear(self, source: object, what: bytes | str | None) -> None:
        """Octets or text of this test; pieces of one source are searched as one."""
        if what:
            octets = what if isinstance(what, bytes) else what.encode("utf-8", "backslashreplace")
            self._heard.setdefault(source, bytearray()).extend(octets)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Where a test runs: search what was heard since its last report."""
        report = yield
        heard, self._heard = self._heard, {}
        for octets in heard.values():
            report.user_properties += [(PROPERTY, hit) for hit in self._scanner.scan(bytes(octets))]
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Where reports are gathered: search what they show and take over what was found."""
        if self._worker:
            return
        shown = [report.nodeid, *(text for _, text in report.sections)]
        if report.longrepr is not None:
            shown.append(str(report.longrepr))
        where = _words(report.nodeid, self._scanner)
        self.leaks += [f"output of {where}: {hit}" for text in shown for hit in self._found(text)]
        self.leaks += [f"output of {where}: {hit}" for name, hit in report.user_properties if name == PROPERTY]

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """What a module that cannot be collected shows."""
        if report.longrepr is not None and not self._worker:
            self.leaks += [f"collection of {report.nodeid}: {hit}" for hit in self._found(str(report.longrepr))]

    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage, nodeid: str) -> None:
        """Warnings that are let through end up in the summary."""
        if not self._worker:
            self.leaks += [f"warning of {nodeid}: {hit}" for hit in self._found(str(warning_message.message))]

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        """Search the files; a leak fails the run."""
        result = yield
        if self._worker:
            return result
        for path, hit in self._scanner.scan_tree(self._ours or Path(session.config.option.basetemp)):
            where = "a path that holds it" if self._found(str(path)) else path
            self.leaks.append(f"{where}: {hit}")
        if self.leaks and session.exitstatus == 0:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if self._ours is not None and session.exitstatus == 0:
            shutil.rmtree(self._ours, ignore_errors=True)
        return result

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Name every leak."""
        for leak in self.leaks:
            terminalreporter.write_line(f"LEAK {leak}", red=True)

    def _found(self, text: str) -> list[str]:
        return self._scanner.scan(text.encode("utf-8", "backslashreplace"))


def _words(nodeid: str, scanner: Scanner) -> str:
    return "a test whose name holds it" if scanner.scan(nodeid.encode("utf-8", "backslashreplace")) else nodeid


_Hear = Callable[[object, "bytes | str | None"], None]
_HEARING: list[_Hear] = []


def _listen(hear: _Hear) -> None:
    """Stand where children's output and captured output pass. Once per process; the latest witness hears."""
    _HEARING[:] = [hear]
    if getattr(subprocess.Popen, "_tillguard_heard", False):
        return
    communicate = subprocess.Popen.communicate
    pipe_data_received = asyncio.subprocess.SubprocessStreamProtocol.pipe_data_received
    readouterr = pytest.CaptureFixture.readouterr

    def heard_communicate(self: Any, *args: Any, **more: Any) -> Any:
        said = communicate(self, *args, **more)
        for stream, what in enumerate(said):
            _HEARING[0]((id(self), stream), what)
        return said

    def heard_pipe(self: Any, fd: int, data: Any) -> None:
        _HEARING[0]((id(self), fd), bytes(data) if not isinstance(data, str) else data)
        pipe_data_received(self, fd, data)

    def heard_capture(self: Any) -> Any:
        said = readouterr(self)
        for stream, what in enumerate(said):
            _HEARING[0]((id(self), stream), what)
        return said

    def on_audit(event: str, args: tuple[Any, ...]) -> None:
        if event == "subprocess.Popen":
            _, argv, _, environment = args
            words = [argv] if isinstance(argv, str | bytes) else list(argv)
            values = [value for pair in (environment or {}).items() for value in pair]
            for word in (*words, *values):
                _HEARING[0]("argv and environment", os.fsencode(word) + b"\n")

    subprocess.Popen.communicate = heard_communicate  # type: ignore[method-assign]
    asyncio.subprocess.SubprocessStreamProtocol.pipe_data_received = heard_pipe  # type: ignore[method-assign]
    pytest.CaptureFixture.readouterr = heard_capture  # type: ignore[method-assign]
    sys.addaudithook(on_audit)
    subprocess.Popen._tillguard_heard = True  # type: ignore[attr-defined]
