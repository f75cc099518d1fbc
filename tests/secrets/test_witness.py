# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The suite's own search bites wherever a value may go, names the test and quotes nothing.

That it is silent where nothing leaks, and leaves a folder alone that it was given, attack A43 shows.
"""

import re
from pathlib import Path

import pytest

from tests.attacks.leaky import run
from tests.secrets.planted import PAN

SUITE = Path(run.__file__).with_name("suite.py")
TESTS = re.findall(r"(?m)^(?:async )?def (test_\w+)", SUITE.read_text())


@pytest.fixture(scope="module")
def careless() -> run.Ended:
    return run.run("careless", searched=True)


@pytest.mark.parametrize("test", TESTS)
def test_a_leak_is_found_wherever_it_goes(test: str, careless: run.Ended) -> None:
    assert careless.code == 1
    # A file is named by its path, which holds the test's name, cut; but not where the path itself is the leak.
    marks = ("a path that holds it: in the name:",) if "name_of" in test else (f"::{test}:", f"/{test[:30]}")
    assert [leak for leak in careless.leaks if any(mark in leak for mark in marks)], careless.leaks
    assert all("PAN" in leak and PAN not in leak for leak in careless.leaks)
