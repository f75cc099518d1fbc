# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What holds for the whole suite: nothing is skipped, nothing secret is stored or printed, and time is told by area."""

import collections
import re
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.secrets.planted import PLANTED
from tests.secrets.scanner import Scanner

_MINUTES: dict[str, float] = collections.defaultdict(float)
_PRINTED: list[tuple[str, str]] = []
_SKIPPED: list[str] = []
_LEAKS: list[str] = []


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "long: too long for CI; scripts/test --long runs it and writes evidence")
    if not hasattr(config, "workerinput") and config.option.basetemp is None:
        # One folder for everything the suite stores, so that it can be searched at the end.
        config.option.basetemp = Path(tempfile.mkdtemp(prefix="tillguard-tests-")) / "stored"


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    area = re.match(r"tests/(\w+)", report.nodeid)
    _MINUTES[area.group(1) if area else "other"] += report.duration
    _PRINTED.extend((report.nodeid, text) for _, text in report.sections)
    if report.skipped:
        _SKIPPED.append(report.nodeid)


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, object, object]:
    result = yield
    if hasattr(session.config, "workerinput"):
        return result
    scanner = Scanner(PLANTED)
    base = Path(session.config.option.basetemp)
    _LEAKS.extend(f"{path}: {hit}" for path, hit in scanner.scan_tree(base))
    _LEAKS.extend(f"output of {test}: {hit}" for test, text in _PRINTED for hit in scanner.scan(text.encode()))
    if (_LEAKS or _SKIPPED) and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    if not _LEAKS and session.exitstatus == 0:
        shutil.rmtree(base.parent, ignore_errors=True)
    return result


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for leak in _LEAKS:
        terminalreporter.write_line(f"LEAK {leak}", red=True)
    for test in _SKIPPED:
        terminalreporter.write_line(f"SKIPPED (counts as a failure) {test}", red=True)
    said = ", ".join(f"{area} {spent / 60:.1f}" for area, spent in sorted(_MINUTES.items(), key=lambda item: -item[1]))
    terminalreporter.write_line(f"minutes by area: {said}")
