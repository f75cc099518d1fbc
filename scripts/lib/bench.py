# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Runs ``tests/bench/bench_AREA.py`` and prints its rows: value, peer or floor of the same run, ratio, target, met."""

import argparse
import importlib
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.bench.row import Row  # noqa: E402  # the path above comes first


def areas() -> list[str]:
    """Every area that has a bench."""
    return sorted(path.stem.removeprefix("bench_") for path in (ROOT / "tests/bench").glob("bench_*.py"))


def document(area: str, row: Row) -> dict[str, object]:
    """A row as data."""
    return {
        "area": area, "name": row.name, "value": row.value, "unit": row.unit, "peer": row.peer,
        "peer_value": row.peer_value, "ratio": row.ratio, "target": row.target, "met": row.met,
    }  # fmt: skip


def number(value: float | None) -> str:
    """Three significant digits, or nothing."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def main() -> int:
    """Exit code 1 when a target was missed."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description=f"Areas: {', '.join(areas())}", allow_abbrev=False
    )
    parser.add_argument("area", nargs="*", help="which areas (default: all)")
    parser.add_argument("--json", action="store_true", help="rows as JSON lines")
    options = parser.parse_args()
    unknown = set(options.area) - set(areas())
    if unknown:
        print(f"bench: error: no such area: {', '.join(sorted(unknown))}\nhint: {', '.join(areas())}", file=sys.stderr)
        return 2
    missed = 0
    for area in options.area or areas():
        rows: list[Row] = importlib.import_module(f"tests.bench.bench_{area}").rows()
        if not options.json:
            wide = max(map(len, (area, *(row.name for row in rows))))
            print(
                f"\n{area:<{wide}}{'value':>10} {'unit':<8}{'peer or floor':<28}{'its':>9}"
                f"{'ratio':>10}{'target':>9}  met"
            )
        for row in rows:
            missed += row.met is False
            if options.json:
                print(json.dumps(document(area, row)), flush=True)
                continue
            met = {True: "yes", False: "NO", None: ""}[row.met]
            print(
                f"{row.name:<{wide}}{number(row.value):>10} {row.unit:<8}{row.peer:<28}{number(row.peer_value):>9}"
                f"{number(row.ratio):>10}{number(row.target):>9}  {met}"
            )
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
