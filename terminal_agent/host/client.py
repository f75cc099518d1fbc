# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the terminal says to the acquirer and what it takes for an answer. No socket, no clock, no key.

A request is a draft: the pad computes the MAC over ``octets_to_mac``, then the draft becomes octets. An answer counts
only if it answers that very draft; its MAC the caller has computed by the pad and hands to ``Reply.require_mac``.
The trace number, the clock and the keys belong to others: they are arguments.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from protocols.acquirer.account import AccountData, EncipheredAccount
from protocols.acquirer.dialects import Dialect
from protocols.acquirer.message import Draft, Message, decode, draft, missing
from protocols.acquirer.mti import Mti, NetworkCode
from protocols.acquirer.response_codes import APPROVED, words
from protocols.acquirer.values import PinAlgorithm, PinFormat, SecurityControl, SessionKey
from protocols.errors import DecodeError
from protocols.identity.binding import Proof
from terminal_agent.host.port import HostGarbled
from terminal_agent.host.reversal import Reversal

PURCHASE = "000000"  # DE3: goods and services, default accounts (ISO 8583:1987, processing codes)
ATTENDED = "00"  # DE25: normal presentment
PIN_LENGTH = "12"  # DE26: the most digits the pad takes
ENTRY_MODES = {"contactless": "071", "contact": "051"}  # DE22: chip without and with contacts; 1 = PINs can be entered

_ECHOED = ("stan", "terminal", "transmitted")
_ECHOED_IF_PRESENT = ("amount", "currency", "reference", "network_code")
_NUMBERS = {
    "stan": 11,
    "terminal": 41,
    "transmitted": 7,
    "amount": 4,
    "currency": 49,
    "reference": 37,
    "network_code": 70,
}


@dataclass(frozen=True, slots=True)
class PinData:
    """An enciphered PIN as the pad gave it: a format 0 block under the DUKPT key of ``ksn``."""

    block: bytes
    ksn: bytes


@dataclass(frozen=True, slots=True)
class AuthorisationRequest:
    """What the issuer is asked: ``amount`` in minor units of ``currency`` (three digits)."""

    amount: int
    currency: str
    account: AccountData | EncipheredAccount
    """Enciphered, no element of the message says in clear what is in it."""
    sequence_number: int | None
    icc_data: bytes = field(repr=False)
    interface: Literal["contactless", "contact"]
    pin: PinData | None
    binding: Proof | None = None
    """That this terminal is the one that was bound; None where it has no binding."""


@dataclass(frozen=True, slots=True)
class OfflineAdvice:
    """What was approved without the host, when, and under which trace number; ``code`` is the terminal's DE39.

    The same content gives the same message; ``repeated`` changes its type alone.
    """

    request: AuthorisationRequest
    code: str
    stan: int
    at: datetime
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that matches its request. Whether it is authentic only its MAC says: see :meth:`require_mac`."""

    message: Message
    octets_to_mac: bytes = field(repr=False)

    @property
    def mac(self) -> bytes | None:
        """The MAC that came, 8 octets."""
        return self.message.mac

    @property
    def response_code(self) -> str:
        """DE39."""
        return self.message.response_code or ""

    @property
    def words(self) -> str:
        """DE39 in words."""
        return words(self.response_code)

    @property
    def approved(self) -> bool:
        """Whether the issuer said yes to the whole amount."""
        return self.response_code == APPROVED

    @property
    def approval(self) -> str:
        """DE38, empty where there is none."""
        return self.message.approval or ""

    @property
    def reference(self) -> str:
        """DE37, empty where there is none."""
        return self.message.reference or ""

    @property
    def icc(self) -> bytes:
        """DE55: issuer authentication data for the card, empty where there are none."""
        return self.message.icc or b""

    @property
    def session_key(self) -> SessionKey | None:
        """The MAC key of a sign-on answer, under the pad's master key."""
        return self.message.session_key

    def require_mac(self, computed: bytes) -> None:
        """Compare in constant time with the MAC that the pad computed; raises :class:`HostGarbled`."""
        kind = self.message.mti.digits
        if self.mac is None:
            hint = "the host does not know this terminal's session key: sign on again"
            said = f"{self.response_code}, {self.words}"
            raise HostGarbled(f"the answer {kind} ({said}) carries no MAC, so it is not believed", hint, sent=True)
        if not hmac.compare_digest(self.mac, computed):
            hint = "it was changed on the way, or the session key is not the host's: sign on again"
            raise HostGarbled(f"the MAC of the answer {kind} is wrong", hint, sent=True)


class HostClient:
    """Makes requests of one terminal and reads their answers."""

    def __init__(self, dialect: Dialect, terminal_id: str, merchant_id: str) -> None:
        self._dialect = dialect
        self._terminal = terminal_id
        self._merchant = merchant_id

    def sign_on(self, stan: int, at: datetime) -> Draft:
        """0800, DE70 001: ask for a MAC session key. It goes without a MAC; the 0810 is MACed under the new key."""
        return self._network(NetworkCode.SIGN_ON, stan, at)

    def echo(self, stan: int, at: datetime) -> Draft:
        """0800, DE70 301: ask whether anybody is there."""
        return self._network(NetworkCode.ECHO, stan, at)

    def key_change(self, stan: int, at: datetime) -> Draft:
        """0800, DE70 101: ask for a new session key, MACed under the old one."""
        return self._network(NetworkCode.KEY_CHANGE, stan, at)

    def authorise(self, request: AuthorisationRequest, stan: int, at: datetime) -> Draft:
        """0100 for one purchase; raises :class:`~protocols.errors.EncodeError` that names the element."""
        return self._card_message(Mti.AUTHORISATION_REQUEST, request, stan, at)

    def purchase(self, request: AuthorisationRequest, stan: int, at: datetime) -> Draft:
        """0200: the same question, and the answer books."""
        return self._card_message(Mti.FINANCIAL_REQUEST, request, stan, at)

    def advise(self, advice: OfflineAdvice) -> Draft:
        """0220, or 0221 for a repeat: tell the host what was approved without it."""
        first = Mti.FINANCIAL_ADVICE
        kind = first.repeat if advice.repeated else first
        return self._card_message(kind, advice.request, advice.stan, advice.at, response_code=advice.code)

    def reverse(self, owed: Reversal) -> Draft:
        """0400 for a reversal not sent before, else 0401 with the same content (ISO 8583:1987, 4.1 and DE90)."""
        first = Mti.REVERSAL_REQUEST
        message = Message(
            mti=first.repeat if owed.attempts else first,
            processing_code=owed.processing_code,
            amount=owed.amount,
            transmitted=owed.transmitted,
            stan=owed.stan,
            reference=owed.reference or None,
            response_code=owed.reason.value,
            terminal=self._terminal,
            merchant=self._merchant,
            currency=owed.currency,
            original=owed.original,
        )
        return draft(message, self._dialect)

    def answers(self, asked: Draft) -> Callable[[bytes], bool]:
        """A test for a line that several answers may come along: False for a readable answer to something else."""

        def accepts(octets: bytes) -> bool:
            try:
                message = decode(octets, self._dialect).message
            except DecodeError:
                return True  # unreadable: whoever asked must hear of it
            return _difference(asked.message, message) is None

        return accepts

    def read_reply(self, asked: Draft, octets: bytes) -> Reply:
        """Read the answer to ``asked``; raises :class:`HostGarbled` that names the element, and quotes no card data."""
        why = ""
        try:
            received = decode(octets, self._dialect)
        except DecodeError as refused:
            why = str(refused)
        if why:
            raise HostGarbled(f"the host's answer is not readable: {why}", _OUT_OF_STEP, sent=True)
        message = received.message
        if message.mti is not asked.message.mti.response:
            wanted, found = asked.message.mti.response.digits, message.mti.digits
            raise HostGarbled(f"the host answered {found}, {wanted} expected", _OUT_OF_STEP, sent=True)
        if absent := missing(message):
            names = ", ".join(absent)
            raise HostGarbled(f"the host's answer {message.mti.digits} lacks {names}", _OUT_OF_STEP, sent=True)
        if (name := _difference(asked.message, message)) is not None:
            what = f"the answer {message.mti.digits} belongs to another request: DE{_NUMBERS[name]} differs"
            raise HostGarbled(what, "a late or repeated answer; the request counts as unanswered", sent=True)
        return Reply(message, received.octets_to_mac)

    def _network(self, code: NetworkCode, stan: int, at: datetime) -> Draft:
        message = Message(
            mti=Mti.NETWORK_REQUEST,
            transmitted=transmission_time(at),
            stan=stan,
            terminal=self._terminal,
            merchant=self._merchant,
            network_code=code,
        )
        return draft(message, self._dialect)

    def _card_message(
        self, mti: Mti, request: AuthorisationRequest, stan: int, at: datetime, response_code: str | None = None
    ) -> Draft:
        pin = request.pin
        clear = request.account if isinstance(request.account, AccountData) else None
        message = Message(
            mti=mti,
            pan=clear.pan if clear else None,
            processing_code=PURCHASE,
            amount=request.amount,
            transmitted=transmission_time(at),
            stan=stan,
            local_time=at.strftime("%H%M%S"),
            local_date=at.strftime("%m%d"),
            expiry=clear.expiry if clear else None,
            entry_mode=ENTRY_MODES[request.interface],
            sequence_number=request.sequence_number,
            condition_code=ATTENDED,
            pin_capture=PIN_LENGTH if pin else None,
            track2=clear.track2 if clear else None,
            reference=retrieval_reference(stan, at),
            response_code=response_code,
            terminal=self._terminal,
            merchant=self._merchant,
            currency=request.currency,
            pin_block=pin.block if pin else None,
            security_control=_security_control(pin, enciphered=clear is None),
            icc=request.icc_data or None,
            ksn=pin.ksn if pin else None,
            binding=request.binding,
            account=None if isinstance(request.account, AccountData) else request.account,
        )
        return draft(message, self._dialect)


_OUT_OF_STEP = "check that terminal and host speak the same dialect"


def transmission_time(at: datetime) -> str:
    """DE7, MMDDhhmmss in UTC; ``at`` must know its zone."""
    if at.tzinfo is None:
        raise ValueError("a time with its zone expected")
    return at.astimezone(UTC).strftime("%m%d%H%M%S")


def retrieval_reference(stan: int, at: datetime) -> str:
    """DE37: last digit of the year, day of the year, hour, STAN: unique per terminal within an hour and a decade."""
    moment = at.astimezone(UTC)
    return f"{moment.year % 10}{moment.timetuple().tm_yday:03d}{moment.hour:02d}{stan:06d}"


def _security_control(pin: PinData | None, *, enciphered: bool) -> SecurityControl | None:
    """DE53; None where nothing in the message is enciphered."""
    if pin is not None:
        return SecurityControl(PinFormat.WITH_PAN, PinAlgorithm.TDES_DOUBLE_LENGTH, enciphered)
    return SecurityControl(PinFormat.NO_PIN, PinAlgorithm.DES, enciphered) if enciphered else None


def _difference(asked: Message, answer: Message) -> str | None:
    """The first element in which an answer is not the request's, or None."""
    for name in _ECHOED:
        if getattr(asked, name) != getattr(answer, name):
            return name
    for name in _ECHOED_IF_PRESENT:
        found, wanted = getattr(answer, name), getattr(asked, name)
        if found is not None and wanted is not None and found != wanted:
            return name
    return None
