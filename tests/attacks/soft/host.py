# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A terminal that compares a MAC octet by octet and stops at the first that differs. The shipped reply is unchanged."""

from terminal_agent.host.client import Reply
from terminal_agent.host.port import HostGarbled


class HastyReply(Reply):
    """Answers faster the earlier a MAC is wrong."""

    __slots__ = ()

    def require_mac(self, computed: bytes) -> None:
        """See :class:`Reply`."""
        for received, wanted in zip(self.mac or b"", computed, strict=True):
            if received != wanted:
                raise HostGarbled(f"the MAC of the answer {self.message.mti.digits} is wrong", "", sent=True)
