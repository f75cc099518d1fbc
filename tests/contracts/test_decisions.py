# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Each decision has a number of its own, none is missing, and every place that names one means one that is there."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "docs/adr").glob("*.md"))


def test_numbers_run_on_from_the_first() -> None:
    assert [path.name[:4] for path in FILES] == [f"{number:04}" for number in range(1, len(FILES) + 1)]


def test_each_title_bears_its_number() -> None:
    assert [path.name for path in FILES if not path.read_text().startswith(f"# {path.name[:4]} ")] == []


def test_what_is_named_is_there() -> None:
    found = subprocess.run(
        ["git", "grep", "-hoE", "(docs/adr/|ADR )[0-9]{4}", "--", "*.md", "*.py", "*.toml"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    named = {re.findall(r"\d{4}", line)[0] for line in found.stdout.splitlines()}
    assert named
    assert named - {path.name[:4] for path in FILES} == set()
