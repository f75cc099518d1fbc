# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the suite on all cores, or with ``--long`` the evidence runs. Other arguments go to pytest."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """The exit code is pytest's."""
    parser = argparse.ArgumentParser(
        prog="scripts/test",
        description="Runs all tests.\n\nexamples:\n  scripts/test\n  scripts/test tests/protocols -k pan",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--long", action="store_true", help="only the runs too long for CI; writes docs/evidence/*.json"
    )
    options, rest = parser.parse_known_args()
    chosen = ["-m", "long" if options.long else "not long"]
    # Tests share nothing, so they run side by side; a single named file is not worth the workers. Who has run all of
    # its own takes over half of what another has left: the slow ones lie together, and one worker would have them all.
    shared = ["-n", str(os.cpu_count() or 1), "--dist", "worksteal"]
    workers = [] if any(word.endswith(".py") or "::" in word for word in rest) else shared
    command = [sys.executable, "-m", "pytest", "-q", *chosen, *workers, *rest]
    return subprocess.call(command, cwd=ROOT)


if __name__ == "__main__":
    sys.exit(main())
