# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What becomes of the chips of one payment, for whoever counts those that fail. Reads no card, judges no payment."""

import contextlib
from collections.abc import Callable, Iterator

from terminal_agent.card.port import CardLost
from terminal_agent.emv import EmvOutcome
from terminal_agent.emv.fallback import Fallback, Interface
from terminal_agent.flows.endings import End, Ending
from terminal_agent.flows.ports import Fallbacks


class Chips:
    """The chips that one payment meets."""

    def __init__(self, fallbacks: Fallbacks, suspicious: Callable[[], None]) -> None:
        """``suspicious`` is called where so many fail now that it must be told."""
        self._fallbacks = fallbacks
        self._suspicious = suspicious

    def presented(self, interface: Interface) -> None:
        """Raises :class:`End` where this card may not stand in for one whose chip failed on the other interface."""
        if self._fallbacks.presented(interface) is Fallback.REFUSED:
            raise End(Ending.FAILED, "chips fail here too often: the other interface is not tried; call the service")

    @contextlib.contextmanager
    def trying(self, interface: Interface) -> Iterator[None]:
        """A card that goes, or does not answer, counts as a chip that failed."""
        try:
            yield
        except CardLost:
            self._count(interface, failed=True)
            raise

    def ended(self, interface: Interface, card: EmvOutcome) -> None:
        """The machine has come to its end with this card."""
        self._count(interface, failed=card.chip_failed)

    def _count(self, interface: Interface, *, failed: bool) -> None:
        if self._fallbacks.ended(interface, chip_failed=failed):
            self._suspicious()
