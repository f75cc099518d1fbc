# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The receiving device (KRD) of TR-34: to whom it is bound and which tokens it takes. Keeps no store and no clock.

======== ======= =======
phase    message then
======== ======= =======
unbound  bind    bound
bound    ask     bound
bound    key     bound
bound    rebind  bound
bound    unbind  unbound
======== ======= =======

All else is refused. :attr:`Receiver.state` is what has to survive a restart; store it before acting on what a method
returned, or an old one-pass token could be played again.
"""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from types import MappingProxyType

from cryptography import x509

from protocols.errors import DecodeError, IntegrityError
from protocols.keyblock import header as header_text
from protocols.keyblock.header import Header
from protocols.keyblock.optional import Reading
from protocols.keyblock.tr34 import cms, envelope, tokens, trust
from protocols.keyblock.tr34.cms import Credential
from protocols.keyblock.tr34.tokens import BindingToken
from protocols.keyblock.tr34.trust import Purpose
from protocols.secret import ClearKey

WINDOW = timedelta(minutes=15)
"""How far a token's signing time may be from the device's: TR-34:2019 leaves it to the implementation."""
_STALE = "the token is not fresh"
_OTHER_KEY = "the envelope does not hold the key that the token announces"


class Phase(Enum):
    """Whether the device has a host."""

    UNBOUND = "unbound"
    BOUND = "bound"


class Message(Enum):
    """What a device is told."""

    BIND = "bind"
    ASK = "ask for a random number"
    KEY = "key"
    REBIND = "rebind"
    UNBIND = "unbind"


TRANSITIONS: Mapping[tuple[Phase, Message], Phase] = MappingProxyType(
    {
        (Phase.UNBOUND, Message.BIND): Phase.BOUND,
        (Phase.BOUND, Message.ASK): Phase.BOUND,
        (Phase.BOUND, Message.KEY): Phase.BOUND,
        (Phase.BOUND, Message.REBIND): Phase.BOUND,
        (Phase.BOUND, Message.UNBIND): Phase.UNBOUND,
    }
)


@dataclass(frozen=True, slots=True)
class State:
    """What survives a restart. The random number given out does not: the host asks for another."""

    host: x509.Certificate | None = None
    signed: datetime | None = None
    """Of the latest token that had a signing time: later ones only."""
    lists: Mapping[bytes, datetime] = field(default_factory=lambda: MappingProxyType({}))
    """Authority (DER name) → when its newest revocation list so far was made."""

    @property
    def phase(self) -> Phase:
        """Bound if there is a host."""
        return Phase.UNBOUND if self.host is None else Phase.BOUND


@dataclass(frozen=True, slots=True)
class DeliveredKey:
    """A key that came, what it is for, and what was forgiven in the token (nothing if read strictly)."""

    header: Header
    key: ClearKey
    forgiven: tuple[str, ...] = ()


class Receiver:
    """A device. Nothing in it changes unless a token was good in every respect."""

    __slots__ = ("_anchors", "_authority", "_credential", "_intermediates", "_nonce", "_strict", "_window", "state")

    def __init__(
        self,
        credential: Credential,
        anchors: Sequence[x509.Certificate],
        intermediates: Sequence[x509.Certificate] = (),
        state: State | None = None,
        *,
        authority: x509.Certificate | None = None,
        strict: bool = True,
        window: timedelta = WINDOW,
    ) -> None:
        """``anchors`` and ``intermediates``: the authorities of hosts, in the device since its making.

        ``authority``: who may take the device from its host; in TR-34:2019, B.10 and B.13, who issued its certificate.
        """
        self._credential = credential
        self._anchors = tuple(anchors)
        self._authority = authority
        self._intermediates = tuple(intermediates)
        self._nonce: bytes | None = None
        self._strict = strict
        self._window = window
        self.state = State() if state is None else state

    def credential_token(self) -> bytes:
        """CT: this device's certificate, which the host asks for when binding and before sending keys."""
        return tokens.credential_token(self._credential.certificate)

    def bind(self, token: bytes, at: datetime) -> None:
        """Take a host from its credential token (TR-34:2019, B.6)."""
        self._next(Message.BIND)
        found = tokens.read_credential_token(token, self._reading())
        lists = self._check_host(found.certificate, found.revocations, at)
        self.state = replace(self.state, host=found.certificate, lists=lists)

    def ask(self, nonce: bytes) -> bytes:
        """RT over a fresh random number of 16 octets. It is good for one token; a new one replaces it."""
        self._next(Message.ASK)
        token = tokens.random_token(nonce)
        self._nonce = nonce
        return token

    def accept_key(self, token: bytes, at: datetime) -> DeliveredKey:
        """The key in a KT of the bound host, of two passes or one (TR-34:2019, B.9 and B.8)."""
        host, reading = self._next(Message.KEY), self._reading()
        found = tokens.read_key_token(token, reading)
        sealed = cms.verify(found.signed, host)
        signed = self._check_fresh(found.nonce, found.signing_time, at)
        lists = self._check_host(host, found.revocations, at)
        with envelope.open_envelope(sealed, self._credential, reading) as content:
            block = tokens.open_key_block(content, reading)
        try:
            header = _announced(found.header)
            if block.sender != cms.identity(host) or not hmac.compare_digest(block.header, found.header):
                raise IntegrityError(_OTHER_KEY)
            if not tokens.is_transportable(header, len(block.key)):
                raise DecodeError("key token", "a key of another length or algorithm than TR-34 transports")
        except (DecodeError, IntegrityError):
            block.key.wipe()
            raise
        self._nonce = None
        self.state = replace(self.state, signed=signed, lists=lists)
        return DeliveredKey(header, block.key, tuple(reading.forgiven))

    def rebind(self, token: bytes, at: datetime) -> None:
        """Take another host, because the present one or the authority says so (TR-34:2019, B.11 and B.10)."""
        host = self._next(Message.REBIND)
        found = tokens.read_binding_token(token, self._reading())
        if found.new_host is None:
            raise DecodeError("rebind token", "the new host's certificate expected")
        after = self._check_binding(found, host, at)
        # What a host signs is nothing without a list; the authority of B.10 sends none.
        lists = self._check_host(found.new_host, found.revocations, at, optional=found.host is not None)
        self._nonce = None
        self.state = replace(after, host=found.new_host, lists=lists)

    def unbind(self, token: bytes, at: datetime) -> None:
        """Have no host any more, because the host or the authority says so (TR-34:2019, B.14 and B.13)."""
        host = self._next(Message.UNBIND)
        found = tokens.read_binding_token(token, self._reading())
        if found.new_host is not None:
            raise DecodeError("unbind token", "a new host's certificate, none expected")
        after = self._check_binding(found, host, at)
        self._nonce = None
        self.state = replace(after, host=None)

    def _next(self, message: Message) -> x509.Certificate:
        """The present host, if the message may come now (the device's own certificate stands in for none)."""
        if (self.state.phase, message) not in TRANSITIONS:
            raise IntegrityError(f"a device that is {self.state.phase.value} does not take: {message.value}")
        return self.state.host or self._credential.certificate

    def _reading(self) -> Reading:
        return Reading(strict=self._strict)

    def _check_host(
        self,
        host: x509.Certificate,
        revocations: x509.CertificateRevocationList | None,
        at: datetime,
        *,
        optional: bool = False,
    ) -> Mapping[bytes, datetime]:
        """The newest lists after this one, if the host is good now; ``optional``: a list need not be there."""
        issuer = trust.verify_chain(host, Purpose.SIGN, self._anchors, self._intermediates, at)
        if revocations is None:
            if optional:
                return self.state.lists
            raise DecodeError("token", "a revocation list expected")
        name = issuer.subject.public_bytes()
        made = trust.check_revocation(host, issuer, revocations, at, self.state.lists.get(name))
        return MappingProxyType({**self.state.lists, name: made})

    def _check_binding(self, found: BindingToken, host: x509.Certificate, at: datetime) -> State:
        """The state after a token that changes the host, but for the host: signer, device and freshness are right.

        The authority's token names the host it takes the device from, and is fresh by its time; a lenient reader takes
        the one of TR-34:2019, B.13, which has no signed attributes and so no time.
        """
        if found.host is None:
            signer = host
        elif self._authority is not None:
            signer = self._authority
            trust.verify_authority(signer, self._anchors, self._intermediates, at)
        else:
            raise IntegrityError("no authority may take this device from its host")
        cms.verify(found.signed, signer)
        if found.device != self._credential.identity:
            raise IntegrityError("the token is for another device")
        if found.host is None:
            if found.nonce is None:
                raise IntegrityError(_STALE)
            lists = self._check_host(host, found.revocations, at)
            return replace(self.state, signed=self._check_fresh(found.nonce, found.signing_time, at), lists=lists)
        if found.host != cms.identity(host):
            raise IntegrityError("the token takes the device from another host")
        if found.signed.attributes:
            return replace(self.state, signed=self._check_fresh(found.nonce, found.signing_time, at))
        if self._strict:
            raise DecodeError("binding token", "no signed attributes, so nothing that tells an old token")
        return self.state

    def _check_fresh(self, nonce: bytes | None, signing_time: datetime | None, at: datetime) -> datetime | None:
        """The latest signing time after this token. A random number, where there is one, must be the one given out."""
        if nonce is not None:
            if self._nonce is None or not hmac.compare_digest(nonce, self._nonce):
                raise IntegrityError(_STALE)
            return self.state.signed
        last = self.state.signed
        if signing_time is None or abs(at - signing_time) > self._window or (last is not None and signing_time <= last):
            raise IntegrityError(_STALE)
        return signing_time


def _announced(text: bytes) -> Header:
    """The header that a token announces: no optional blocks; its length, of a block that does not exist, is ignored."""
    try:
        found = header_text.fixed(text.decode("ascii"))
    except UnicodeDecodeError:
        raise DecodeError("key token", "its key's header is not ASCII") from None
    if found.optional_blocks:
        raise DecodeError("key token", "a header with optional blocks, which are not expected here")
    return found.header
