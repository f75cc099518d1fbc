# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Radios switched off by the kernel's own switch (``/dev/rfkill``), those that come later too. Asks no policy.

One event for each kind switches all of that kind and stays the rule for whatever comes after it (linux/rfkill.h,
RFKILL_OP_CHANGE_ALL). It needs no right of root but the file's own. A machine without radios has no such file.
"""

import os
import struct
from collections.abc import Collection

from terminal_agent.errors import AgentError

KINDS = {"wlan": 1, "bluetooth": 2, "uwb": 3, "wimax": 4, "wwan": 5, "gps": 6, "fm": 7, "nfc": 8}
"""enum rfkill_type."""
CHANGE_ALL = 3
_EVENT = struct.Struct("=IBBBB")  # struct rfkill_event: index, type, operation, soft, hard


def switch_off(kept: Collection[str], path: str = "/dev/rfkill") -> None:
    """Every kind but those; :class:`AgentError` where the switch is there and does not take it."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    except OSError as fault:
        raise AgentError(f"{path}: {fault.strerror}", "is this root?") from None
    try:
        for name, kind in KINDS.items():
            if name not in kept:
                os.write(descriptor, _EVENT.pack(0, kind, CHANGE_ALL, 1, 0))
    except OSError as fault:
        raise AgentError(
            f"{path}: {fault.strerror}: radios could not be switched off", "see the kernel's log"
        ) from None
    finally:
        os.close(descriptor)
