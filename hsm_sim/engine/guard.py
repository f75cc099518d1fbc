# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Who watches how often PINs are tried: the port, and which outcomes count. Keeps no counter itself.

Whoever may verify PINs can find one by trying: 10,000 calls for 4 digits, about 15 with a decimalisation table of
one's own (Bond and Zieliński, 2003). So every operation that tells whether a guess was right asks the guard before it
works and reports a failure before the host hears of it.
"""

from typing import Protocol


class Guard(Protocol):
    """Counts failed guesses and closes the door when there are too many."""

    def before(self) -> None:
        """Raise :class:`hsm_sim.engine.refusal.Refused` while no more guesses are taken."""

    def failed(self) -> None:
        """One guess was wrong; returns only when that is kept."""
