# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The contact card's list of cardholder verification methods, and the run through it. It holds no PIN, drives no pad.

EMV 4.4 Book 3, 10.5 and Annex C3. The rules are tried in the card's order: a rule whose condition does not hold is
passed over, one that fails leads to the next or ends the run, as its own bit 7 says. A method that the terminal has
not fails as at a terminal without it (10.5.1). Offline PINs are :mod:`terminal_agent.emv.offline_pin`'s.
"""

from collections.abc import Callable, Generator
from typing import NamedTuple

from protocols.emv.bits import CvmCode, Tvr, cvm_rule_words
from protocols.errors import DecodeError
from protocols.pan import Pan
from terminal_agent.emv.contact_run import Ask, AskPin, PinAnswer, Said
from terminal_agent.emv.offline_pin import OfflinePinRun
from terminal_agent.emv.outcome import Cvm, Trail
from terminal_agent.emv.request import CASH, CASHBACK, TransactionRequest
from terminal_agent.emv.terminal import (
    SUPPORTED_ENCIPHERED_PIN,
    SUPPORTED_NO_CVM,
    SUPPORTED_ONLINE_PIN,
    SUPPORTED_PLAIN_PIN,
    SUPPORTED_SIGNATURE,
    EmvTerminal,
)

AMOUNTS_OCTETS = 8  # Annex C3: amounts X and Y, four octets each
NEXT_IF_FAILED = 0x40  # byte 1, bit 7
METHOD = 0x3F  # byte 1, bits 6 to 1
UNKNOWN, FAILED, SUCCESSFUL = 0x00, 0x01, 0x02  # 9F34 octet 3 (Book 4, Annex A4)
NOT_PERFORMED = bytes((CvmCode.NOT_PERFORMED, 0x00, UNKNOWN))

NEEDS_CURRENCY = range(6, 10)
"""Conditions that compare with X or Y: they hold in the application's currency only."""


class CvmRule(NamedTuple):
    """One rule as the card wrote it."""

    code: int
    condition: int


class CvmList(NamedTuple):
    """A CVM list: the amounts X and Y, in the application's currency, and the rules."""

    x: int
    y: int
    rules: tuple[CvmRule, ...]


class Situation(NamedTuple):
    """What the conditions ask about a payment."""

    cash: bool
    cashback: bool
    unattended: bool
    amount: int
    x: int
    y: int
    supported: bool


CONDITIONS: tuple[Callable[[Situation], bool], ...] = (
    lambda now: True,
    lambda now: now.cash and now.unattended,
    lambda now: not now.cash and not now.cashback,
    lambda now: now.supported,
    lambda now: now.cash and not now.unattended,
    lambda now: now.cashback,
    lambda now: now.amount < now.x,
    lambda now: now.amount > now.x,
    lambda now: now.amount < now.y,
    lambda now: now.amount > now.y,
)
"""By condition code (Annex C3, table 44)."""

PIN_METHODS = frozenset(
    {
        CvmCode.PLAINTEXT_PIN,
        CvmCode.ONLINE_PIN,
        CvmCode.PLAINTEXT_PIN_AND_SIGNATURE,
        CvmCode.ENCIPHERED_PIN,
        CvmCode.ENCIPHERED_PIN_AND_SIGNATURE,
    }
)
RECOGNISED = PIN_METHODS | {CvmCode.FAIL, CvmCode.SIGNATURE, CvmCode.NO_CVM}
"""Methods that this machine knows by name (Annex C3, table 43); biometric ones it does not."""

SUPPORT = {
    CvmCode.PLAINTEXT_PIN: SUPPORTED_PLAIN_PIN,
    CvmCode.PLAINTEXT_PIN_AND_SIGNATURE: SUPPORTED_PLAIN_PIN | SUPPORTED_SIGNATURE,
    CvmCode.ENCIPHERED_PIN: SUPPORTED_ENCIPHERED_PIN,
    CvmCode.ENCIPHERED_PIN_AND_SIGNATURE: SUPPORTED_ENCIPHERED_PIN | SUPPORTED_SIGNATURE,
    CvmCode.ONLINE_PIN: SUPPORTED_ONLINE_PIN,
    CvmCode.SIGNATURE: SUPPORTED_SIGNATURE,
    CvmCode.NO_CVM: SUPPORTED_NO_CVM,
}
"""Methods that it can carry out, each with its bits in octet 2 of the terminal capabilities, all of which it needs."""

PLAIN = frozenset({CvmCode.PLAINTEXT_PIN, CvmCode.PLAINTEXT_PIN_AND_SIGNATURE})
WITH_SIGNATURE = frozenset({CvmCode.PLAINTEXT_PIN_AND_SIGNATURE, CvmCode.ENCIPHERED_PIN_AND_SIGNATURE})

PIN_BITS = {
    PinAnswer.ENTERED: Tvr.ONLINE_CVM_CAPTURED,
    PinAnswer.BYPASSED: Tvr.PIN_NOT_ENTERED,
    PinAnswer.UNAVAILABLE: Tvr.PIN_PAD_MISSING,
}
"""Book 3, 10.5.2."""


class Verified(NamedTuple):
    """How the run ended. ``results`` is 9F34, ``found`` are bits of the TVR."""

    cvm: Cvm
    results: bytes
    found: Tvr


def decode(octets: bytes) -> CvmList:
    """A CVM list (Annex C3); :class:`DecodeError` for half a rule or less than the two amounts."""
    if len(octets) < AMOUNTS_OCTETS or len(octets) % 2:
        raise DecodeError("CVM list", f"{len(octets)} octets, two amounts of four and rules of two expected")
    rules = tuple(CvmRule(octets[place], octets[place + 1]) for place in range(AMOUNTS_OCTETS, len(octets), 2))
    return CvmList(int.from_bytes(octets[:4], "big"), int.from_bytes(octets[4:8], "big"), rules)


class CvmRun:
    """One run through a list."""

    def __init__(
        self,
        terminal: EmvTerminal,
        request: TransactionRequest,
        listed: CvmList,
        in_currency: bool,
        pan: Pan,
        offline: OfflinePinRun,
    ) -> None:
        """``in_currency``: the payment is in the application's currency (9F42), which X and Y are in."""
        self._abilities = terminal.contact_capabilities[1]
        self._unattended = terminal.unattended
        self._request = request
        self._list = listed
        self._in_currency = in_currency
        self._pan = pan
        self._offline = offline
        self._found = Tvr(0)
        self._last = bytes((CvmCode.NOT_PERFORMED, 0x00, FAILED))
        self._pin: PinAnswer | None = None
        self._bypassed = False

    def verify(self, trail: Trail) -> Generator[Ask, Said, Verified]:
        """Try the rules in order until one succeeds or the last fails (Book 3, 10.5.5)."""
        for rule in self._list.rules:
            words, when, otherwise = cvm_rule_words(rule.code, rule.condition)
            if not self._holds(rule):
                trail.note("CVM rule", f"{words}, {when}: does not apply", "Book 3, 10.5")
                continue
            cvm = yield from self._try(rule)
            if cvm is not None:
                trail.note("CVM rule", f"{words}, {when}: taken", "Book 3, 10.5")
                return Verified(cvm, self._last, self._found)
            ends = rule.code & METHOD == CvmCode.FAIL or not rule.code & NEXT_IF_FAILED
            trail.note(
                "CVM rule",
                f"{words}, {when}: not successful, {'verification fails' if ends else otherwise}",
                "Book 3, 10.5",
            )
            if ends:
                break
        return Verified(Cvm.NONE, self._last, self._found | Tvr.CVM_NOT_SUCCESSFUL)

    def _supports(self, method: int) -> bool:
        return any(method == known and self._abilities & bits == bits for known, bits in SUPPORT.items())

    def _holds(self, rule: CvmRule) -> bool:
        """Whether the rule's condition is known and holds."""
        if rule.condition >= len(CONDITIONS) or (rule.condition in NEEDS_CURRENCY and not self._in_currency):
            return False
        kind = self._request.transaction_type
        now = Situation(
            kind == CASH,
            kind == CASHBACK,
            self._unattended,
            self._request.amount,
            self._list.x,
            self._list.y,
            self._supports(rule.code & METHOD),
        )
        return CONDITIONS[rule.condition](now)

    def _try(self, rule: CvmRule) -> Generator[Ask, Said, Cvm | None]:
        """Carry one method out; None where it fails, with the TVR bit that says why."""
        method = rule.code & METHOD
        if method == CvmCode.FAIL:
            self._performed(rule, FAILED)
            return None
        if method not in RECOGNISED:
            self._found |= Tvr.UNRECOGNISED_CVM
            return None
        if not self._supports(method):
            if method in PIN_METHODS:
                self._found |= Tvr.PIN_PAD_MISSING
            return None
        if method == CvmCode.NO_CVM:
            self._performed(rule, SUCCESSFUL)
            return Cvm.NONE
        if method == CvmCode.SIGNATURE:
            self._performed(rule, UNKNOWN)
            return Cvm.SIGNATURE
        if self._bypassed:  # who leaves one PIN out has left all of them out (Book 4, 6.3.4.3)
            self._found |= Tvr.PIN_NOT_ENTERED
            return None
        if method == CvmCode.ONLINE_PIN:
            return (yield from self._online(rule))
        return (yield from self._at_card(rule, method))

    def _online(self, rule: CvmRule) -> Generator[Ask, Said, Cvm | None]:
        """Enciphered PIN for the issuer; asked once."""
        if self._pin is None:
            said = yield AskPin(self._pan)
            if not isinstance(said, PinAnswer):
                raise TypeError("what became of the PIN is expected")
            self._pin = said
        self._bypassed = self._pin is PinAnswer.BYPASSED
        self._found |= PIN_BITS[self._pin]
        if self._pin is not PinAnswer.ENTERED:
            return None
        self._performed(rule, UNKNOWN)
        return Cvm.ONLINE_PIN

    def _at_card(self, rule: CvmRule, method: int) -> Generator[Ask, Said, Cvm | None]:
        """A PIN that the card verifies (10.5.1); with a signature the result stays unknown until somebody looks."""
        if method in PLAIN and self._offline.refuses_plain():
            self._found |= Tvr.PIN_PAD_MISSING
            return None
        tried = yield from (self._offline.plain() if method in PLAIN else self._offline.enciphered())
        self._found |= tried.found
        self._bypassed = Tvr.PIN_NOT_ENTERED in tried.found
        if not tried.verified:
            self._performed(rule, FAILED)
            return None
        both = method in WITH_SIGNATURE
        self._performed(rule, UNKNOWN if both else SUCCESSFUL)
        return Cvm.OFFLINE_PIN_AND_SIGNATURE if both else Cvm.OFFLINE_PIN

    def _performed(self, rule: CvmRule, result: int) -> None:
        self._last = bytes((rule.code, rule.condition, result))
