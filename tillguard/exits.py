# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Exit codes of every command. Nothing else."""

from enum import IntEnum


class Exit(IntEnum):
    """What a command's exit code says."""

    OK = 0
    FAILED = 1
    USAGE = 2
    ABSENT = 3
    REFUSED = 4
    UNREACHABLE = 5
    INTEGRITY = 6
    BUG = 70
