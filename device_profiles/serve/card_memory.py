# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A file that keeps a virtual card's transaction counter, as a card's own memory does. Holds nothing else of it.

The counter is on the disk before the answer that used it leaves, so that no counter is ever used twice.
"""

import os
from pathlib import Path
from typing import Protocol

from device_profiles.twins.activation import Activated
from tillguard.exits import Exit
from tillguard.voice import Fault

LONGEST_TEXT = 16  # characters of a counter's file
LAST = 0xFFFF  # EMV 4.3 Book 3, Annex A: tag 9F36 has two octets


class CountingCard(Protocol):
    """What is remembered of: a card twin."""

    atc: int

    def power_on(self) -> Activated: ...
    def power_off(self) -> None: ...
    def apdu(self, command: bytes) -> bytes: ...


def remembered(path: Path) -> int:
    """The counter in the file, 0 where there is none yet."""
    try:
        with path.open(encoding="ascii") as file:
            text = file.read(LONGEST_TEXT + 1)
    except FileNotFoundError:
        return 0
    except OSError as fault:
        raise Fault(f"{path}: cannot be read: {fault.strerror}", "check --state", Exit.USAGE) from None
    except UnicodeDecodeError:
        text = ""
    if not text.strip().isdigit() or len(text) > LONGEST_TEXT or int(text) > LAST:
        raise Fault(f"{path}: no transaction counter", "remove it to start the card as freshly issued", Exit.INTEGRITY)
    return int(text)


class RememberingCard:
    """A card whose counter survives its process."""

    def __init__(self, card: CountingCard, path: Path) -> None:
        self._card = card
        self._path = path
        self._saved = card.atc

    def power_on(self) -> Activated:
        """As the card."""
        return self._card.power_on()

    def power_off(self) -> None:
        """As the card."""
        self._card.power_off()

    def apdu(self, command: bytes) -> bytes:
        """As the card; a counter that moved is stored first."""
        answer = self._card.apdu(command)
        if self._card.atc != self._saved:
            self._store()
        return answer

    def _store(self) -> None:
        beside = self._path.with_name(self._path.name + ".new")
        try:
            with beside.open("w", encoding="ascii") as file:
                file.write(f"{self._card.atc}\n")
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
        except OSError as fault:
            raise Fault(f"{self._path}: cannot be written: {fault.strerror}", "check --state") from None
        self._saved = self._card.atc
