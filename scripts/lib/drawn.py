# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A part of a page that is drawn from a table in the code, between two marks. Draws nothing itself."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Drawn:
    """The part called ``name`` of a page, between ``<!-- name -->`` and ``<!-- /name -->``."""

    page: Path
    name: str
    draw: Callable[[], str]

    def whole(self, text: str) -> str:
        """The page's text with the present drawing in it."""
        start, end = f"<!-- {self.name} -->\n", f"<!-- /{self.name} -->\n"
        before, _, rest = text.partition(start)
        _, found, after = rest.partition(end)
        if not found:
            raise SystemExit(f"{self.page}: the marks of {self.name} are not there")
        return before + start + self.draw() + end + after

    def main(self, words: str) -> int:
        """Write the page; with ``--check`` only look, and exit with 1 where it is an old one."""
        parser = argparse.ArgumentParser(description=words)
        parser.add_argument("--check", action="store_true", help="change nothing")
        options = parser.parse_args()
        old = self.page.read_text("utf-8")
        new = self.whole(old)
        if not options.check:
            self.page.write_text(new, "utf-8")
        return int(options.check and old != new)
