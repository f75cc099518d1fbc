# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The acquirer twin: messages in, messages out, in between dialogues with an HSM. No socket, no clock, no clear key.

:meth:`Host.handle` is a generator: it yields requests to the HSM, is sent their answers, and returns what to send to
the terminal and what to tell. Several may be under way at once; what must not be decided twice (a KSN, a repeated
request) is written into the ledger before the next request is yielded.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from device_profiles.acquirer_profile import AcquirerProfile
from device_profiles.twins import acquirer_hsm as hsm
from device_profiles.twins.acquirer_accounts import Accounts
from device_profiles.twins.acquirer_bindings import Bindings
from device_profiles.twins.acquirer_hsm import Dialogue, HsmGone, HsmRefused
from device_profiles.twins.acquirer_issuer import Issuer, Verdict
from device_profiles.twins.acquirer_ledger import Entry, Key, Ledger
from device_profiles.twins.acquirer_script import Director, Fault, Rule, Script
from protocols.acquirer.message import Message, Received, decode, draft, encode, missing
from protocols.acquirer.mti import Mti, NetworkCode
from protocols.acquirer.response_codes import APPROVED, words
from protocols.acquirer.values import SessionKey
from protocols.errors import DecodeError
from protocols.hsm.fields import KeyField

Event = dict[str, Any]
"""A line of the twin's story: JSON values only, no card data."""


@dataclass(frozen=True, slots=True)
class Sending:
    """A message for the terminal, after a wait."""

    octets: bytes = field(repr=False)
    delay_ms: int = 0


@dataclass(frozen=True, slots=True)
class Handled:
    """What one message led to."""

    sendings: tuple[Sending, ...] = ()
    events: tuple[Event, ...] = ()
    hang_up: bool = False


@dataclass(slots=True)
class _Outcome:
    code: str
    reasons: tuple[str, ...] = ()
    checks: dict[str, str] = field(default_factory=dict)
    key: KeyField | None = None
    """Under which the answer is MACed; None where there is none."""
    approval: str = ""
    reference: str = ""
    icc: bytes = b""
    session_key: SessionKey | None = None
    silent: bool = False


class Host:
    """One acquirer and issuer. ``ledger`` outlives it; ``script`` says where it misbehaves."""

    def __init__(self, profile: AcquirerProfile, ledger: Ledger, script: Script | None = None) -> None:
        self._keys = profile.keys_under_test_lmk
        self._dialect = profile.speech
        self._mac = profile.mac
        self._ledger = ledger
        self._issuer = Issuer(profile, ledger)
        self._accounts = Accounts(profile.keys_under_test_lmk, ledger)
        self._bindings = Bindings(profile.bindings, ledger)
        self._director = Director(script or Script())
        self._late: dict[str, list[Sending]] = {}

    def handle(self, octets: bytes, now: datetime) -> Dialogue[Handled]:
        """One message off the wire, without its frame; ``now`` is the bank's time."""
        try:
            received = decode(octets, self._dialect)
        except DecodeError as refused:
            return Handled(events=({"event": "unreadable", "octets": len(octets), "reason": str(refused)},))
        message = received.message
        if message.mti.is_response or message.stan is None or not message.terminal or message.transmitted is None:
            reason = "an answer, not a request" if message.mti.is_response else "no DE7, DE11 or DE41 to answer to"
            return Handled(events=({"event": "ignored", "mti": message.mti.digits, "reason": reason},))
        rule = self._director.rule_for(message)
        if rule is not None and rule.fault is Fault.LOSE:
            return Handled(events=(_event(message, _Outcome("", ("lost by script",), silent=True)),))
        outcome = yield from self._outcome(received, rule, now)
        told = (_event(message, outcome),)
        if outcome.silent:
            return Handled(events=told)
        sealed = yield from self._sealed(_answer(message, outcome), outcome.key)
        return self._staged(message.terminal, sealed, rule, told)

    def _outcome(self, received: Received, rule: Rule | None, now: datetime) -> Dialogue[_Outcome]:
        message = received.message
        try:
            if absent := missing(message):
                key = self._ledger.session_key(message.terminal or "")
                return _Outcome("30", (f"{', '.join(absent)} missing",), key=key)
            serve = _SERVED.get(message.mti.original)
            if serve is None:
                return _Outcome("12", ("not a message this host serves",))
            return (yield from serve(self, received, rule, now))
        except HsmGone:
            return _Outcome("91", ("the HSM cannot be reached",))
        except HsmRefused as refused:
            return _Outcome("96", (str(refused),), key=self._ledger.session_key(message.terminal or ""))

    def _sealed(self, answer: Message, key: KeyField | None) -> Dialogue[bytes]:
        """The answer's octets, MACed where there is a key and an HSM to use it."""
        waiting = draft(answer, self._dialect)
        if key is None:
            return waiting.without_mac()
        try:
            return waiting.with_mac((yield from hsm.mac(key, waiting.octets_to_mac, self._mac)))
        except (HsmGone, HsmRefused):
            return waiting.without_mac()

    def _staged(self, terminal: str, octets: bytes, rule: Rule | None, told: tuple[Event, ...]) -> Handled:
        """The answer as the script wants it to arrive."""
        waiting = tuple(self._late.pop(terminal, ()))
        if rule is None:
            return Handled((*waiting, Sending(octets)), told)
        if rule.fault is Fault.WRONG_MAC:
            octets = octets[:-1] + bytes([octets[-1] ^ 1])
        elif rule.fault is Fault.GARBAGE:
            octets = bytes(octet ^ 0xA5 for octet in octets)
        answer = Sending(octets, rule.delay_ms)
        if rule.fault is Fault.LATE:
            self._late.setdefault(terminal, []).append(answer)
            return Handled(waiting, told)
        copies = {Fault.DROP: 0, Fault.HANG_UP: 0, Fault.DUPLICATE: 2}.get(rule.fault, 1) if rule.fault else 1
        return Handled((*waiting, *([answer] * copies)), told, hang_up=rule.fault is Fault.HANG_UP)

    # Network management

    def _network(self, received: Received, rule: Rule | None, now: datetime) -> Dialogue[_Outcome]:
        message = received.message
        terminal = message.terminal or ""
        if rule is not None and rule.code is not None:
            return _Outcome(rule.code, ("by script",), key=self._ledger.session_key(terminal))
        if message.network_code == NetworkCode.SIGN_ON:
            return (yield from self._new_key(terminal, {}))
        refusal, checks, key = yield from self._mac_of(received)
        if message.network_code == NetworkCode.ECHO and message.mac is None:
            return _Outcome(APPROVED, ("echo",), key=key)
        if refusal:
            return _Outcome("63", (refusal,), checks, key)
        if message.network_code == NetworkCode.KEY_CHANGE:
            return (yield from self._new_key(terminal, checks))
        if message.network_code == NetworkCode.SIGN_OFF:
            self._ledger.session_keys.pop(terminal, None)
        elif message.network_code != NetworkCode.ECHO:
            return _Outcome("12", ("DE70 asks for nothing this host knows",), checks, key)
        return _Outcome(APPROVED, (), checks, key)

    def _new_key(self, terminal: str, checks: dict[str, str]) -> Dialogue[_Outcome]:
        session, key = yield from hsm.new_session_key(self._keys.master_of(terminal))
        self._ledger.session_keys[terminal] = key.text
        told = f"session key with check value {session.check_value.hex().upper()}"
        return _Outcome(APPROVED, (told,), checks, key, session_key=session)

    def _mac_of(self, received: Received) -> Dialogue[tuple[str, dict[str, str], KeyField | None]]:
        """Why the message's MAC does not count (empty where it does), the check in words, the terminal's key."""
        message = received.message
        key = self._ledger.session_key(message.terminal or "")
        if key is None:
            return "the terminal has no session key: it must sign on", {"mac": "not checked"}, None
        if message.mac is None:
            return "the message carries no MAC", {"mac": "absent"}, key
        good = yield from hsm.mac_is_good(key, received.octets_to_mac, message.mac, self._mac)
        return ("", {"mac": "good"}, key) if good else ("the MAC is wrong", {"mac": "wrong"}, key)

    # Card messages

    def _authorise(self, received: Received, rule: Rule | None, now: datetime) -> Dialogue[_Outcome]:
        message = received.message
        refusal, checks, key = yield from self._mac_of(received)
        if refusal:
            return _Outcome("63", (refusal,), checks, key)
        entry, known = self._entered(message, checks, key)
        if known is not None:
            return known
        entry.reference = message.reference or _reference(now, self._ledger.next_number())
        verdict = Verdict()
        try:
            if rule is not None and rule.code is not None:
                verdict.object(rule.code, "by script")
                outcome = _Outcome(rule.code, ("by script",), checks, key)
            else:
                refusal, check = self._bindings.judge(message)
                checks |= {"binding": check} if check else {}
                if refusal:
                    return self._refused(entry, "58", refusal, checks, key)
                opened = yield from self._accounts.opened(message)
                checks |= {"account": opened.check} if opened.check else {}
                if opened.code:
                    return self._refused(entry, opened.code, opened.reason, checks, key)
                verdict = yield from self._issuer.decide(opened.message, now)
                told = tuple(text for _, text in verdict.objections)
                outcome = _Outcome(verdict.code, told, checks | verdict.checks, key, icc=verdict.icc)
        except HsmGone:
            outcome = _Outcome("91", ("the HSM cannot be reached",), checks, key)
        except HsmRefused as refused:
            outcome = _Outcome("96", (str(refused),), checks, key)
        if outcome.code == APPROVED:
            self._approve(entry, message, verdict, outcome)
        entry.code = outcome.code
        entry.icc = outcome.icc.hex()
        outcome.reference = entry.reference
        return outcome

    def _refused(self, entry: Entry, code: str, reason: str, checks: dict[str, str], key: KeyField | None) -> _Outcome:
        """A terminal that moved, or is only called so; account data that are not what they should be: nobody is asked
        about the card."""
        entry.code = code
        return _Outcome(code, (reason,), checks, key, reference=entry.reference)

    def _entered(self, message: Message, checks: dict[str, str], key: KeyField | None) -> tuple[Entry, _Outcome | None]:
        """The ledger's entry for a request, and the outcome at once where it has been seen before."""
        name = _name(message)
        digest = self._digest(message)
        entry = self._ledger.find(name)
        if entry is None:
            entry = Entry(mti=int(message.mti.original), digest=digest, amount=message.amount or 0)
            self._ledger.add(name, entry)
            return entry, None
        if entry.reversed:
            return entry, _Outcome("94", ("it was reversed before",), checks, key, reference=entry.reference)
        if entry.digest != digest:
            return entry, _Outcome("94", ("another request of the same DE7, DE11 and DE41 came before",), checks, key)
        if not entry.code:
            return entry, _Outcome("", ("a repeat of a request that is being decided",), checks, silent=True)
        repeated = _Outcome(
            entry.code,
            ("a repeat: the same answer again",),
            checks,
            key,
            approval=entry.approval,
            reference=entry.reference,
            icc=bytes.fromhex(entry.icc),
        )
        return entry, repeated

    def _approve(self, entry: Entry, message: Message, verdict: Verdict, outcome: _Outcome) -> None:
        amount = message.amount or 0
        if entry.reversed:  # the reversal came while this was being decided
            outcome.code, outcome.reasons = "94", ("it was reversed while being decided",)
        elif verdict.account is not None:
            if not self._issuer.may_hold(verdict.account, amount):  # another request was faster
                outcome.code, outcome.reasons = "51", ("the account does not cover the amount any more",)
                return
            entry.account, entry.held = verdict.account.name, amount
            self._ledger.held[entry.account] = self._ledger.held.get(entry.account, 0) + amount
            outcome.approval = entry.approval = f"T{self._ledger.next_number() % 100_000:05d}"

    def _advice(self, received: Received, rule: Rule | None, now: datetime) -> Dialogue[_Outcome]:
        message = received.message
        refusal, checks, key = yield from self._mac_of(received)
        if refusal:
            return _Outcome("63", (refusal,), checks, key)
        entry, known = self._entered(message, checks, key)
        if known is not None:
            return known
        refusal, check = self._bindings.judge(message)
        checks |= {"binding": check} if check else {}
        if refusal:
            return self._refused(entry, "58", refusal, checks, key)
        entry.reference = message.reference or _reference(now, self._ledger.next_number())
        try:
            opened = yield from self._accounts.opened(message)
        except (HsmGone, HsmRefused):
            self._ledger.forget(_name(message))  # undecided: its repeat is another attempt
            raise
        checks |= {"account": opened.check} if opened.check else {}
        if opened.code:
            return self._refused(entry, opened.code, opened.reason, checks, key)
        account = self._issuer.account_of(opened.message)
        outcome = _Outcome(APPROVED, ("advice booked",), checks, key, reference=entry.reference)
        if rule is not None and rule.code is not None:
            outcome.code, outcome.reasons = rule.code, ("by script",)
        elif account is None:
            outcome.code, outcome.reasons = "14", ("no account of this number",)
        else:
            entry.account, entry.held = account.name, message.amount or 0
            self._ledger.held[account.name] = self._ledger.held.get(account.name, 0) + entry.held
        entry.code = outcome.code
        return outcome

    def _reverse(self, received: Received, rule: Rule | None, now: datetime) -> Dialogue[_Outcome]:
        message = received.message
        refusal, checks, key = yield from self._mac_of(received)
        if refusal:
            return _Outcome("63", (refusal,), checks, key)
        if rule is not None and rule.code is not None:
            return _Outcome(rule.code, ("by script",), checks, key)
        original = message.original
        if original is None:
            return _Outcome("30", ("DE90 missing",), checks, key)
        name = Key(message.terminal or "", original.stan, original.transmitted)
        entry = self._ledger.find(name)
        if entry is None:
            # Remembered all the same: should the original still come, it must not be approved.
            self._ledger.add(name, Entry(mti=int(original.mti), digest="", reversed=True))
            return _Outcome("25", ("no such transaction; it will be refused if it still comes",), checks, key)
        outcome = _Outcome(APPROVED, ("reversed",), checks, key, reference=entry.reference)
        if entry.reversed:
            outcome.reasons = ("was reversed before",)
            outcome.code = APPROVED if entry.digest else "25"
        elif entry.code not in ("", APPROVED):
            outcome.code, outcome.reasons = "21", ("the original was declined",)
        else:
            if entry.account:
                self._ledger.held[entry.account] -= entry.held
            entry.held, entry.reversed = 0, True
        return outcome

    def _digest(self, message: Message) -> str:
        bare = replace(message, mti=message.mti.original, mac=None)
        return hashlib.sha256(encode(bare, self._dialect)).hexdigest()


_SERVED: dict[Mti, Callable[[Host, Received, Rule | None, datetime], Dialogue[_Outcome]]] = {
    Mti.NETWORK_REQUEST: Host._network,
    Mti.AUTHORISATION_REQUEST: Host._authorise,
    Mti.FINANCIAL_REQUEST: Host._authorise,
    Mti.FINANCIAL_ADVICE: Host._advice,
    Mti.REVERSAL_REQUEST: Host._reverse,
    Mti.REVERSAL_ADVICE: Host._reverse,
}
"""Which message is served by what; a repeat by the same as its original."""


def _name(message: Message) -> Key:
    return Key(message.terminal or "", message.stan or 0, message.transmitted or "")


def _reference(now: datetime, number: int) -> str:
    return f"{now.year % 10}{now.timetuple().tm_yday:03d}{now.hour:02d}{number % 1_000_000:06d}"


def _answer(asked: Message, outcome: _Outcome) -> Message:
    return Message(
        mti=asked.mti.response,
        processing_code=asked.processing_code,
        amount=asked.amount,
        transmitted=asked.transmitted,
        stan=asked.stan,
        local_time=asked.local_time,
        local_date=asked.local_date,
        reference=outcome.reference or asked.reference or (None if asked.mti.is_network else "0" * 12),
        approval=outcome.approval or None,
        response_code=outcome.code,
        terminal=asked.terminal,
        currency=asked.currency,
        icc=outcome.icc or None,
        session_key=outcome.session_key,
        network_code=asked.network_code,
    )


def _event(message: Message, outcome: _Outcome) -> Event:
    kind = "network" if message.mti.is_network else "decision"
    told: Event = {
        "event": kind,
        "mti": message.mti.digits,
        "terminal": message.terminal,
        "stan": message.stan,
        "reference": outcome.reference or message.reference or "",
        "code": outcome.code,
        "words": words(outcome.code) if outcome.code else "no answer",
        "reasons": list(outcome.reasons),
        "checks": outcome.checks,
    }
    if message.amount is not None:
        told |= {"amount": message.amount, "currency": message.currency}
    if message.masked_pan:
        told["pan"] = message.masked_pan
    if message.ksn is not None:
        told["ksn"] = message.ksn.hex().upper()
    if message.account is not None:
        told["account_ksn"] = message.account.ksn.hex().upper()
    if message.network_code is not None:
        told["network_code"] = message.network_code
    return told
