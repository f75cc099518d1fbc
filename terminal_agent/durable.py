# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Small files that are whole or not there: written aside, on the disk, put in place. Knows no content."""

import os
from pathlib import Path

OWNER_ONLY = 0o600


def replace_whole(path: Path, octets: bytes, mode: int = OWNER_ONLY) -> None:
    """Put ``octets`` in the file's place and on the disk; :class:`OSError` where the disk does not take them.

    A kill or a power cut at any point leaves the file as it was or as it shall be. Of what does not fit on the disk
    nothing stays there.
    """
    fresh = path.with_name(f"{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """What was renamed or removed in ``folder`` is so after a power cut too."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
