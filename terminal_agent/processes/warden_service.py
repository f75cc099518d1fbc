# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What systemd is told of the warden: that it is ready, and again and again that it lives (sd_notify(3)). Asks nothing.

Started by hand it says ``ready`` on its standard output instead.
"""

import os
import socket
import sys
import time
from contextlib import suppress

ALIVE_EVERY_S = 2.0  # WatchdogSec= of the unit is 10: four may be lost


class Service:
    """The socket that ``NOTIFY_SOCKET`` names, opened before the fences; nothing where it names none."""

    def __init__(self) -> None:
        path = os.environ.get("NOTIFY_SOCKET", "")
        self._socket: socket.socket | None = None
        self._said = 0.0
        if path:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
            with suppress(OSError):
                self._socket.connect(f"\0{path[1:]}" if path.startswith("@") else path)

    def ready(self) -> None:
        """From now on devices are judged."""
        self._say(b"READY=1")
        if self._socket is None:
            with suppress(OSError):
                sys.stdout.write("ready\n")
                sys.stdout.flush()

    def alive(self) -> None:
        """The loop turned."""
        if self._socket is not None and time.monotonic() - self._said >= ALIVE_EVERY_S:
            self._said = time.monotonic()
            self._say(b"WATCHDOG=1")

    def _say(self, words: bytes) -> None:
        if self._socket is not None:
            with suppress(OSError):
                self._socket.send(words)
