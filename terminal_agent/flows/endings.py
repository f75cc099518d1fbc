# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""How a payment ends, and how its steps come to that end. It takes no step and writes nothing down."""

from enum import StrEnum

from terminal_agent.emv import Cvm, Decision, EmvOutcome
from terminal_agent.flows.questions import ACCEPTED, NONE_OF_THEM
from terminal_agent.host.client import Reply

SIGNED = frozenset({Cvm.SIGNATURE, Cvm.OFFLINE_PIN_AND_SIGNATURE})
"""Methods that a cashier finishes, after the approval."""
SIGNATURE_OPTIONS = ("the signature is the card's", "it is not")


class Ending(StrEnum):
    """How a payment ends."""

    APPROVED = "approved"
    DECLINED = "declined"
    CANCELLED = "cancelled"
    FAILED = "failed"


class End(Exception):
    """Not an error: the way out of the steps, with the outcome in it."""

    def __init__(self, ending: Ending, reason: str, response_code: str = "") -> None:
        super().__init__(reason)
        self.ending = ending
        self.reason = reason
        self.response_code = response_code


def end_of(reply: Reply, card: EmvOutcome | None = None) -> tuple[Ending, str, str]:
    """What the acquirer's answer, and the card's last word on it, make of the payment."""
    code = reply.response_code or ""
    if not reply.approved:
        return Ending.DECLINED, reply.words, code
    if card is None or card.decision is Decision.APPROVED:
        return Ending.APPROVED, "", code
    ending = Ending.DECLINED if card.decision is Decision.DECLINED else Ending.FAILED
    return ending, f"{card.words}; the acquirer's approval is taken back", code


def after_signature(approved: End, answer: int | None, patience_s: float) -> End:
    """What the cashier's answer makes of an approval that a signature was needed for; silence is no acceptance."""
    if answer == ACCEPTED:
        return approved
    back = "the approval is taken back"
    if answer is None:
        return End(Ending.FAILED, f"nobody said within {patience_s:.0f} s whose signature it is; {back}")
    return End(Ending.DECLINED, f"the signature was not accepted; {back}", approved.response_code)


def chosen(answer: int | None, patience_s: float) -> int:
    """The place among the applications that the cardholder chose; raises :class:`End` where that is none."""
    if answer is None:
        raise End(Ending.CANCELLED, f"no application chosen within {patience_s:.0f} s")
    if answer == NONE_OF_THEM:
        raise End(Ending.CANCELLED, "the cardholder chose none of the card's applications")
    return answer - 1
