# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The root of the agent's errors. Rooms derive their own; outcomes (declined, cancelled) are values, not errors."""


class AgentError(Exception):
    """Something failed in a room of the agent: ``what`` happened and a ``hint`` at the cure. Never quotes card data."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


class WrongDevice(AgentError):
    """A device answers that does not belong here: told whenever one is found, also after the right one was lost."""
