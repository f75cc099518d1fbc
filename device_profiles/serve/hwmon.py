# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A housing switch as Linux shows it: ``intrusion0_alarm`` of a hwmon folder. Not a kernel: nobody is woken by it.

Linux, Documentation/hwmon/sysfs-interface.rst, "Intrusion detection": an alarm of 1 stays until somebody clears it.
"""

import os
from pathlib import Path

ATTRIBUTE = "intrusion0_alarm"
QUIET, ALARM = "0\n", "1\n"


class ChassisSwitch:
    """One switch below ``root``, which stands for a folder of /sys/class/hwmon; the housing is closed at first."""

    def __init__(self, root: Path) -> None:
        root.mkdir()
        self.path = root / ATTRIBUTE
        self.close_housing()

    @property
    def setting(self) -> str:
        """The file and its quiet level, as ``PATH=LEVEL``."""
        return f"{self.path}={QUIET.strip()}"

    def close_housing(self) -> None:
        """Somebody closed it and cleared the alarm."""
        self.path.write_text(QUIET)

    def open_housing(self) -> None:
        """The switch opens."""
        self._show(ALARM)

    def cut(self) -> None:
        """The driver can read the switch no more: an empty answer."""
        self._show("")

    def take_away(self) -> None:
        """The driver is gone, and its files with it."""
        self.path.unlink()

    def _show(self, text: str) -> None:
        with self.path.open("r+") as shown:  # the same file: who has it open sees it
            os.ftruncate(shown.fileno(), 0)
            shown.write(text)
