# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""An acquirer that lacks one defence: it forgets key serial numbers, or its PIN blocks are bound to no account.

Each stands in for a part of the shipped twin, whose code it does not change.
"""

from dataclasses import replace
from typing import Any

from device_profiles.twins.acquirer_ledger import Ledger
from protocols.hsm.commands import EC
from protocols.hsm.commands.pins import G0
from tests.device_profiles import acquirer_bench as foreign
from tests.device_profiles.acquirer_bench import Hsm

NO_ACCOUNT = "0" * 16


class ForgetfulLedger(Ledger):
    """Takes every key serial number, however often it comes."""

    def take_ksn(self, ksn: bytes) -> str:
        """See :class:`Ledger`."""
        return ""


class UnboundHsm(Hsm):
    """Deciphers PINs as if no account were mixed into their blocks."""

    def answer(self, request: Any) -> Any:
        """See :class:`Hsm`."""
        return super().answer(replace(request, account=NO_ACCOUNT[:12]) if isinstance(request, G0 | EC) else request)


class UnboundPad:
    """A pad that mixes no account into its blocks, as format 1 does not."""

    def __init__(self) -> None:
        self._pad = foreign.Pad()

    def enter(self, pin: str, pan: str) -> tuple[bytes, bytes]:
        """See :class:`tests.attacks.lane.Pad`."""
        return self._pad.enter(pin, NO_ACCOUNT)
