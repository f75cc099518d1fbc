# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A recorded payment, explained: the machine runs again over what the card answered then. It reaches no card.

What a payment was about stands in the recording: the lists that the card asked for were filled with it. So the machine
gets the same request and the recorded answers, and its notes are the explanation. Where it would have sent something
else than the recorded terminal did, that is said: the recorded terminal followed other settings, or other rules.
"""

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from protocols.currency import BY_NUMERIC
from protocols.emv import apdu, dol, tlv
from protocols.emv.apdu import Command, Ins
from protocols.emv.bits import CryptogramType, Tvr
from protocols.emv.tags import Tag
from protocols.errors import DecodeError
from terminal_agent.emv.authorities import Authorities
from terminal_agent.emv.contact import ContactTransaction
from terminal_agent.emv.contact_application import ContactApplication
from terminal_agent.emv.contact_run import AskApplication, AskPin, PinAnswer, PinAtReader, Said
from terminal_agent.emv.issuer_answer import IssuerAnswer, Script
from terminal_agent.emv.outcome import EmvOutcome, Note
from terminal_agent.emv.request import CASH, CASHBACK, PURCHASE, TransactionRequest
from terminal_agent.emv.terminal import EmvTerminal

MOST_EXCHANGES = 1_000  # a payment has fewer than 60
APPROVING = (b"00", b"10", b"11", b"Y1", b"Y3")
UNABLE = (b"Y3", b"Z3")
SCRIPT_CLASSES = (0x84, 0x8C, 0x04, 0x0C)
_ONLINE_PIN_TRIED = Tvr.ONLINE_CVM_CAPTURED | Tvr.PIN_NOT_ENTERED | Tvr.PIN_PAD_MISSING
"""A terminal that found none of these asked nobody for an online PIN."""
NOT_RECORDED = b"\x6a\x88"
_NO_ANSWER = {Ins.READ_RECORD: b"\x6a\x83", Ins.SELECT: b"\x6a\x82"}


class Exchange(NamedTuple):
    """A command and its whole answer."""

    command: bytes
    answer: bytes


@dataclass(frozen=True, slots=True)
class Explanation:
    """What happened, line by line; ``differences`` are where this machine would have gone another way."""

    notes: tuple[Note, ...]
    outcome: EmvOutcome
    differences: tuple[str, ...]
    exchanges: int


def whole(recorded: Iterable[tuple[bytes, bytes]]) -> tuple[Exchange, ...]:
    """Commands with their whole answers: what T=0 took apart (61xx, 6Cxx, GET RESPONSE) is put together."""
    found: list[Exchange] = []
    for number, (command, answer) in enumerate(recorded, 1):
        if number > MOST_EXCHANGES:
            raise DecodeError("trace", f"more than {MOST_EXCHANGES} exchanges")
        last = found[-1] if found else None
        if last is not None and command[1:2] == bytes((Ins.GET_RESPONSE,)):
            found[-1] = Exchange(last.command, last.answer[:-2] + answer if last.answer[-2:-1] == b"\x61" else answer)
        elif last is not None and last.answer[-2:-1] == b"\x6c" and command[:4] == last.command[:4]:
            found[-1] = Exchange(command, answer)
        else:
            found.append(Exchange(command, answer))
    return tuple(found)


def explain(recorded: Iterable[tuple[bytes, bytes]], terminal: EmvTerminal, authorities: Authorities) -> Explanation:
    """Run the machine over a recorded contact payment; :class:`DecodeError` where it holds none."""
    exchanges = whole(recorded)
    story = _Story.read(exchanges)
    transaction = ContactTransaction(story.terminal(terminal), story.request(), 99, authorities)
    card = _Replayed(exchanges, transaction)
    outcome = card.drive(transaction.first())
    if story.issuer is not None and transaction.concluded is None and outcome.decision == "online":
        outcome = card.drive(transaction.second(story.issuer.answer))
    return Explanation(outcome.notes, outcome, (*story.compared(outcome), *card.differences), len(exchanges))


class _Issuer(NamedTuple):
    answer: IssuerAnswer | None


@dataclass(frozen=True, slots=True)
class _Story:
    """What a recording says of its payment."""

    given: Mapping[int, bytes]
    aid: bytes
    version: str
    """The card's application version, which is taken for the terminal's where the profile has none."""
    pins: frozenset[int]
    """How PINs were presented to the card: P2 of VERIFY."""
    issuer: _Issuer | None

    @classmethod
    def read(cls, exchanges: tuple[Exchange, ...]) -> "_Story":
        selected, objects, filled = b"", {}, []  # type: ignore[var-annotated]
        pdol = b""
        given: dict[int, bytes] = {}
        for command, answer in exchanges:
            data = _objects(answer)
            match command[1:2]:
                case b"\xa4" if Tag.DF_NAME in data and data[Tag.DF_NAME] != apdu.PSE:
                    selected, pdol = data[Tag.DF_NAME], data.get(Tag.PDOL, b"")
                case b"\xa8":
                    values = tlv.decode(Command.decode(command).data, where="recorded options").first(0x83) or b""
                    given |= dol.split(dol.decode(pdol, where="recorded PDOL"), values)
                    objects = {}
                case b"\xb2":
                    objects |= data
                case b"\xae":
                    listed = dol.decode(objects.get(Tag.CDOL_2 if filled else Tag.CDOL_1, b""), where="recorded list")
                    values = Command.decode(command).data
                    if len(values) == sum(entry.length for entry in listed):
                        filled.append(dol.split(listed, values))
        if not selected or not filled:
            raise DecodeError("trace", "no application is selected in it, or no cryptogram asked for")
        first = {**given, **filled[0]}
        second = filled[1] if len(filled) > 1 else None
        pins = frozenset(command[3] for command, _ in exchanges if command[1:2] == bytes((Ins.VERIFY,)))
        version = objects.get(Tag.APPLICATION_VERSION_CARD, b"").hex()
        return cls(first, selected, version, pins, _issuer(exchanges, second) if second is not None else None)

    def terminal(self, profile: EmvTerminal) -> EmvTerminal:
        """The profile with what the recording says of its terminal; the application joins it where it has none."""
        changes: dict[str, object] = {}
        for tag, name in (
            (Tag.TERMINAL_CAPABILITIES, "capabilities"),
            (Tag.TERMINAL_TYPE, "terminal_type"),
            (Tag.ADDITIONAL_CAPABILITIES, "additional_capabilities"),
        ):
            if any(self.given.get(tag, b"")):
                changes[name] = self.given[tag].hex().upper()
        country = self.given.get(Tag.TERMINAL_COUNTRY, b"").hex()
        currency = self.given.get(Tag.TRANSACTION_CURRENCY, b"").hex()
        if len(country) == 4 and country.isdigit():
            changes["country"] = country[1:]
        if len(currency) == 4 and currency.isdigit() and int(currency) in BY_NUMERIC:
            changes["currency"] = currency[1:]
        if not any(application.takes(self.aid) for application in profile.contact):
            own = ContactApplication(self.aid.hex().upper(), application_version=self.version or "0000")
            changes["contact"] = (*profile.contact, own)
        claimed = bytearray.fromhex(str(changes.get("capabilities", profile.capabilities)))
        if "capabilities" in changes:
            changes |= {"online_pin": bool(claimed[1] & 0x40), "signature": bool(claimed[1] & 0x20)}
        found = self.given.get(Tag.TVR)
        if found is not None and not Tvr.decode(found) & _ONLINE_PIN_TRIED:
            changes["online_pin"] = False
        claimed[1] |= 0x80 * (apdu.PLAIN_PIN in self.pins) | 0x10 * (apdu.ENCIPHERED_PIN in self.pins)
        changes |= {"offline_pin": bool(claimed[1] & 0x80), "enciphered_pin": bool(claimed[1] & 0x10)}
        changes["capabilities"] = claimed.hex().upper()
        return replace(profile, **changes)  # type: ignore[arg-type]  # each is of its field's type

    def request(self) -> TransactionRequest:
        """The payment; what the recording does not say is one minor unit on 1 January 2000."""
        date = self.given.get(Tag.TRANSACTION_DATE, b"").hex()
        time = self.given.get(Tag.TRANSACTION_TIME, b"").hex()
        kind = self.given.get(Tag.TRANSACTION_TYPE, b"\0")[0]
        cashback = _decimal(self.given.get(Tag.AMOUNT_OTHER_NUMERIC, b""))
        amount = max(1, _decimal(self.given.get(Tag.AMOUNT_AUTHORISED_NUMERIC, b"")), cashback)
        known = kind if kind in (PURCHASE, CASH) else CASHBACK if kind == CASHBACK and cashback else PURCHASE
        try:
            day = datetime.datetime.strptime(date or "000101", "%y%m%d").date()  # noqa: DTZ007  # the terminal's date
            at = datetime.datetime.strptime(time or "000000", "%H%M%S").time()  # noqa: DTZ007
        except ValueError:
            raise DecodeError("trace", "transaction date or time that is none") from None
        currency = self.given.get(Tag.TRANSACTION_CURRENCY, b"").hex()[1:]
        return TransactionRequest(
            amount=amount,
            currency=currency if len(currency) == 3 and currency.isdigit() else "999",
            date=day,
            time=at,
            unpredictable_number=self.given.get(Tag.UNPREDICTABLE_NUMBER, bytes(4)),
            transaction_type=known,
            cashback=cashback if known == CASHBACK else 0,
        )

    def compared(self, outcome: EmvOutcome) -> tuple[str, ...]:
        """Where the recorded terminal's findings are others than this machine's."""
        recorded = self.given.get(Tag.TVR)
        ours = next((note.words[:10] for note in outcome.notes if note.subject == "TVR"), "")
        if recorded is None or not ours or recorded.hex().upper() == ours:
            return ()
        theirs, own = Tvr.decode(recorded), Tvr.decode(bytes.fromhex(ours))
        said = [f"TVR: the recorded terminal sent {theirs.hex}, this one would send {own.hex}"]
        for bits, who in ((theirs & ~own, "only the recorded terminal"), (own & ~theirs, "only this one")):
            said += [f"TVR: {who} found: {words}" for words in Tvr(bits).words()]
        return tuple(said)


def _issuer(exchanges: tuple[Exchange, ...], second: Mapping[int, bytes]) -> _Issuer:
    """The issuer's answer as the card heard it."""
    code = second.get(Tag.AUTHORISATION_RESPONSE, b"00")
    proof = second.get(Tag.ISSUER_AUTHENTICATION_DATA, b"").rstrip(b"\0")
    scripts: tuple[list[bytes], list[bytes]] = ([], [])
    cryptograms = 0
    for command, _ in exchanges:
        cryptograms += command[1:2] == b"\xae"
        if command[1:2] == b"\x82":
            proof = Command.decode(command).data
        elif cryptograms and command[:1] and command[0] in SCRIPT_CLASSES:
            scripts[cryptograms > 1].append(command)
    if code in UNABLE and not proof:
        return _Issuer(None)
    before, after = (tuple([Script(bytes(4), tuple(found))] if found else ()) for found in scripts)
    text = code.decode("ascii", errors="replace")
    return _Issuer(IssuerAnswer(text, code in APPROVING, proof, before, after))


class _Replayed:
    """Answers commands with what was recorded for the same one, in the recorded order."""

    def __init__(self, exchanges: tuple[Exchange, ...], transaction: ContactTransaction) -> None:
        self._left = list(exchanges)
        self._transaction = transaction
        self.differences: list[str] = []

    def drive(self, machine: object) -> EmvOutcome:
        """Run a phase of the machine to its end."""
        try:
            wanted = next(machine)  # type: ignore[call-overload]  # a generator of the machine's
            while True:
                wanted = machine.send(self._said(wanted))  # type: ignore[attr-defined]
        except StopIteration as end:
            outcome: EmvOutcome = end.value
            return outcome

    def _said(self, wanted: object) -> Said:
        if isinstance(wanted, bytes):
            return self._answer(wanted)
        if isinstance(wanted, AskPin):
            return PinAnswer.ENTERED
        if isinstance(wanted, AskApplication):
            return 0
        p2 = apdu.PLAIN_PIN if isinstance(wanted, PinAtReader) else apdu.ENCIPHERED_PIN
        for place, (command, answer) in enumerate(self._left):
            if command[1:2] == bytes((Ins.VERIFY,)) and command[3] == p2:
                if p2 == apdu.PLAIN_PIN:
                    del self._left[place]
                    return answer[-2:]
                return Command.decode(command).data
        return PinAnswer.UNAVAILABLE

    def _answer(self, command: bytes) -> bytes:
        for place, (recorded, answer) in enumerate(self._left):
            if _same(recorded, command):
                del self._left[place]
                if command[1] in (Ins.GENERATE_AC, Ins.GET_PROCESSING_OPTIONS):
                    self._transaction.was_sent(Command.decode(recorded))
                if command[1] == Ins.GENERATE_AC and recorded[2] != command[2]:
                    kinds = [CryptogramType(octets[2] >> 6).name for octets in (recorded, command)]
                    if kinds[0] != kinds[1]:
                        said = f"the recorded terminal asked for {kinds[0]}, this one would ask for {kinds[1]}"
                        self.differences.append(f"GENERATE AC: {said}")
                return answer
        return _NO_ANSWER.get(Ins(command[1]), NOT_RECORDED) if command[1] in set(Ins) else NOT_RECORDED


def _same(recorded: bytes, command: bytes) -> bool:
    """Whether a recorded command is what the machine now sends, as far as a card tells them apart."""
    if recorded[1:2] != command[1:2]:
        return False
    if command[1] in (Ins.GENERATE_AC, Ins.GET_PROCESSING_OPTIONS, Ins.INTERNAL_AUTHENTICATE):
        return True
    if command[1] == Ins.SELECT:
        return recorded[:4] == command[:4] and _data(recorded) == _data(command)
    return recorded[:4] == command[:4]


def _data(command: bytes) -> bytes:
    try:
        return Command.decode(command).data
    except DecodeError:
        return b""


def _objects(answer: bytes) -> dict[int, bytes]:
    try:
        return dict(tlv.decode(answer[:-2], where="trace").leaves())
    except DecodeError:
        return {}


def _decimal(octets: bytes) -> int:
    text = octets.hex()
    return int(text) if text.isdigit() else 0
