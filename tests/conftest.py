# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What holds for the whole suite: nothing is skipped, nothing secret is stored or printed, and time is told by area.

Properties are tried on the same examples everywhere, and no example has a time limit: what a run says is of the code,
neither of luck nor of what else the machine does. New ground is for the long runs, which name their seeds.
"""

import collections
import re
import signal
from collections.abc import Generator

import hypothesis
import pytest

from tests.attacks.table import Table
from tests.secrets.planted import PLANTED
from tests.secrets.scanner import Scanner
from tests.secrets.witness import Witness

_MINUTES: dict[str, float] = collections.defaultdict(float)
_SKIPPED: list[str] = []


def pytest_configure(config: pytest.Config) -> None:
    # A shell starts what it runs in the background with SIGINT ignored, and so would be every command under test.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    hypothesis.settings.register_profile(
        "suite",
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
    hypothesis.settings.load_profile("suite")
    config.addinivalue_line("markers", "long: too long for CI; scripts/test --long runs it and writes evidence")
    config.pluginmanager.register(Witness(Scanner(PLANTED), config))
    config.pluginmanager.register(Table())


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    area = re.match(r"tests/(\w+)", report.nodeid)
    _MINUTES[area.group(1) if area else "other"] += report.duration
    if report.skipped:
        _SKIPPED.append(report.nodeid)


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, object, object]:
    result = yield
    if _SKIPPED and session.exitstatus == 0 and not hasattr(session.config, "workerinput"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    return result


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for test in _SKIPPED:
        terminalreporter.write_line(f"SKIPPED (counts as a failure) {test}", red=True)
    said = ", ".join(f"{area} {spent / 60:.1f}" for area, spent in sorted(_MINUTES.items(), key=lambda item: -item[1]))
    terminalreporter.write_line(f"minutes by area: {said}")
