# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the room of the USB ports does about an order. Loaded where a profile lets orders change USB policies, only."""

from typing import Protocol

from protocols.signed import Believed, Envelope
from protocols.telemetry.orders import Order
from terminal_agent.clock import Clock
from terminal_agent.flows.order_rooms import envelope_of
from terminal_agent.usb.policy import Granted, Now

TRIAL_S = 60.0  # of a policy that an order brings: it is confirmed at once, so the trial's length decides nothing


class Policies(Protocol):
    """The folder that keeps USB policies; :class:`terminal_agent.usb.store.Store`."""

    def offer(self, envelope: Envelope, now: Now, trial_s: float) -> object:
        """Put a policy on trial."""

    def confirm(self, now: Now) -> Believed:
        """Keep the policy that is on trial."""

    def grant(self, name: str, envelope: Envelope, now: Now) -> Granted:
        """Keep an exception."""


class UsbRoom:
    """Policies and exceptions of the USB ports: their own signatures, floor and ends are judged by their store."""

    def __init__(self, policies: Policies, clock: Clock) -> None:
        self._policies = policies
        self._clock = clock

    async def __call__(self, order: Order) -> str:
        """Put it in force."""
        now = Now(self._clock.now_ms() // 1000, steady_s=self._clock.steady_ms() / 1000)
        envelope = envelope_of(order)
        if order.kind.name == "exception":
            granted = self._policies.grant(str(order.arguments["name"]), envelope, now)
            return f"exception {granted.name} holds for {granted.ends_s - now.utc_s} s"
        self._policies.offer(envelope, now, TRIAL_S)
        return f"policy version {self._policies.confirm(now).statement.version} in force"
