# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Which version is installed. ``importlib.metadata`` says the same, for a megabyte that a daemon would keep."""

import sys
from pathlib import Path

NAME = "tillguard"


def installed() -> str:
    """From the folder that every installer leaves (core metadata, PEP 376); ``unknown`` where there is none."""
    for folder in sys.path:
        for found in Path(folder or ".").glob(f"{NAME}-*.dist-info"):
            return found.name.removeprefix(f"{NAME}-").removesuffix(".dist-info")
    return "unknown"
