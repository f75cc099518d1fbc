# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The suite's own search bites wherever a value may go, names the test, quotes nothing, and is silent otherwise."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.attacks.leaky import run
from tests.secrets.planted import PAN

SUITE = Path(run.__file__).with_name("suite.py")
TESTS = [one.name for one in ast.parse(SUITE.read_text()).body if getattr(one, "name", "").startswith("test_")]


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


def test_what_is_redacted_is_no_leak() -> None:
    assert run.run("careful", searched=True) == run.Ended(0, ())


def test_a_folder_that_was_given_stays(tmp_path: Path) -> None:
    given = tmp_path / "mine" / "stored"
    given.parent.mkdir()
    argv = [sys.executable, "-m", "pytest", "-q", "tests/tillguard/test_settings.py", f"--basetemp={given}"]
    subprocess.run(argv, cwd=run.ROOT, check=True, capture_output=True)
    assert given.is_dir()
