# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Reads logs that somebody still writes to: what is whole is there, a line under way is not yet. Verifies no chain."""

import json
from pathlib import Path
from typing import Any


def records(path: Path) -> list[dict[str, Any]]:
    """What every whole line of a log of JSON lines says; nothing where there is no log yet."""
    octets = path.read_bytes() if path.exists() else b""
    return [json.loads(line) for line in octets[: octets.rfind(b"\n") + 1].splitlines()]
