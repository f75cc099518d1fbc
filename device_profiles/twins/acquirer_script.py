# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Rules that make the acquirer twin misbehave on purpose, as data from a TOML file. Decides no payment by itself.

    [[rules]]
    amount = 1300            # minor units; or amount-from and amount-to
    pan = "400000******00*"  # a pattern over the masked number; ? is one character, * any number
    stan = 7
    mti = "0100"
    times = 1                # how often it applies; 0 is always
    code = "51"              # answer this DE39 instead of deciding
    delay-ms = 800
    fault = "wrong-mac"

The first rule whose conditions all hold and whose times are not used up applies to a request.
"""

from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from protocols.acquirer.message import Message

LONGEST_DELAY_MS = 600_000


class Fault(StrEnum):
    """What happens to a request or its answer."""

    LOSE = "lose"
    """The request never arrives: nothing is decided and nothing answered."""
    DROP = "drop"
    """The request is decided, the answer is not sent."""
    DUPLICATE = "duplicate"
    """The answer comes twice."""
    LATE = "late"
    """The answer waits and comes in front of the terminal's next one."""
    WRONG_MAC = "wrong-mac"
    """One bit of the answer's MAC is wrong."""
    GARBAGE = "garbage"
    """Something else comes, of the answer's length."""
    HANG_UP = "hang-up"
    """The request is decided, then the line is closed."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Conditions, all of which must hold, and what follows."""

    amount: int | None = None
    amount_from: int | None = None
    amount_to: int | None = None
    pan: str | None = None
    stan: int | None = None
    mti: str | None = None
    times: int = 1
    code: str | None = None
    delay_ms: int = 0
    fault: Fault | None = None

    def __post_init__(self) -> None:
        if self.code is None and self.fault is None and not self.delay_ms:
            raise ValueError("a rule needs one of code, fault, delay-ms")
        if self.code is not None and not (len(self.code) == 2 and self.code.isalnum() and self.code.isascii()):
            raise ValueError("code: two letters or digits expected")
        if not 0 <= self.delay_ms <= LONGEST_DELAY_MS:
            raise ValueError(f"delay-ms: 0 to {LONGEST_DELAY_MS} expected")
        if self.times < 0:
            raise ValueError("times: 0 (always) or more expected")

    def matches(self, message: Message) -> bool:
        """Whether every condition holds; one on an element that the message lacks does not."""
        amount = message.amount
        if self.amount is not None and amount != self.amount:
            return False
        if self.amount_from is not None and (amount is None or amount < self.amount_from):
            return False
        if self.amount_to is not None and (amount is None or amount > self.amount_to):
            return False
        if self.pan is not None and not (message.masked_pan and fnmatchcase(message.masked_pan, self.pan)):
            return False
        if self.stan is not None and message.stan != self.stan:
            return False
        return self.mti is None or message.mti.digits == self.mti


@dataclass(frozen=True, slots=True)
class Script:
    """The rules of one file, in order."""

    rules: tuple[Rule, ...] = ()


class Director:
    """Counts which rules have been used. One per run."""

    def __init__(self, script: Script) -> None:
        self._rules = script.rules
        self._used = [0] * len(script.rules)

    def rule_for(self, message: Message) -> Rule | None:
        """The rule that applies to this request, counted as used, or None."""
        for place, rule in enumerate(self._rules):
            if (rule.times == 0 or self._used[place] < rule.times) and rule.matches(message):
                self._used[place] += 1
                return rule
        return None
