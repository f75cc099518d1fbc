# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Writes docs/protocol/ and the tables of docs/protocol.md from the registries; ``--check`` only looks."""

import argparse
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from protocols.telemetry import schema  # noqa: E402  # the line above finds it
from protocols.telemetry.events import KINDS, Lane  # noqa: E402
from protocols.telemetry.orders import ORDERS  # noqa: E402

DOCS = ROOT / "docs"
PAGE = DOCS / "protocol.md"
FILES = {
    "report.schema.json": schema.report_schema,
    "receipt.schema.json": schema.receipt_schema,
    "order.schema.json": schema.order_schema,
    "asyncapi.json": schema.asyncapi,
}


def events_table() -> str:
    """Every event, its lane and fields."""
    lines = ["| event | lane | fields |", "|---|---|---|"]
    for lane in Lane:
        for kind in (kind for kind in KINDS.values() if kind.lane is lane):
            fields = "; ".join(
                f"`{field.name}`{' (may be absent)' if field.optional else ''}: {field.words}" for field in kind.fields
            )
            lines.append(f"| `{kind.name}` | {lane.value} | {fields or 'none'} |")
    return "\n".join(lines)


def orders_table() -> str:
    """Every order, its kind and arguments."""
    lines = ["| order | persons | room | what | arguments |", "|---|---|---|---|---|"]
    for kind in ORDERS.values():
        arguments = "; ".join(f"`{one.name}`: {one.words}" for one in kind.arguments) or "none"
        lines.append(f"| `{kind.name}` | {'two' if kind.grave else 'one'} | {kind.room} | {kind.words} | {arguments} |")
    return "\n".join(lines)


def written() -> dict[Path, str]:
    """Every file as it should be."""
    found = {
        DOCS / "protocol" / name: json.dumps(make(), indent=1, ensure_ascii=False) + "\n"
        for name, make in FILES.items()
    }
    page = PAGE.read_text("utf-8")
    for name, table in (("events", events_table()), ("orders", orders_table())):
        marks = rf"(<!-- {name}: written by scripts/lib/protocol_docs.py -->\n).*?(\n<!-- end of {name} -->)"
        page, count = re.subn(marks, lambda found, table=table: found[1] + table + found[2], page, flags=re.DOTALL)  # type: ignore[misc]
        if count != 1:
            raise SystemExit(f"{PAGE}: the marks of the table of {name} are not there")
    found[PAGE] = page
    return found


def main() -> int:
    """Write, or check."""
    parser = argparse.ArgumentParser(description="examples:\n  scripts/lib/protocol_docs.py\n\n" + (__doc__ or ""))
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit code 1 where something is not current"
    )
    check = parser.parse_args().check
    stale = [path for path, text in written().items() if not path.exists() or path.read_text("utf-8") != text]
    for path in stale:
        if check:
            print(f"{path.relative_to(ROOT)} is not current: run scripts/lib/protocol_docs.py")
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(written()[path], "utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
