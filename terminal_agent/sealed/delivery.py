# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The vault as key receiving device of TR-34: its own credential, its one host, keys that come by certificates.

The RSA key is made here and never leaves; only a request for its certificate does. The vault takes one authority that
certifies hosts, binds itself to one host below it, and from then on takes key tokens of that host alone: with the
random number that it gave out last, or with a later time than any before. What has to survive (the host, the last
time, the newest revocation list, a random number that was given out) is in the ring, and saved before a key is used.

Only a vault that was started to be loaded has this module: certificates cost memory and a slower start.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from protocols.errors import DecodeError, IntegrityError
from protocols.keyblock.tr34 import trust
from protocols.keyblock.tr34.cms import Credential
from protocols.keyblock.tr34.receiver import Receiver, State
from protocols.vault import (
    Announce,
    AskHost,
    Bind,
    Binding,
    Certify,
    Done,
    LoadToken,
    Refusal,
    Refused,
    Reply,
    RequestCredential,
    Result,
    Verb,
)
from terminal_agent.sealed.keys import inject
from terminal_agent.sealed.keys.inject import LoadRefused
from terminal_agent.sealed.keys.ring import LARGEST_DELIVERY, Ring
from terminal_agent.sealed.keys.slots import CREDENTIAL, Way
from terminal_agent.sealed.vault import Circumstances, Vault

BITS: Final = 3_072
"""Of the vault's own key: worth 128 bits, the longest AES key that TR-34 brings (NIST SP 800-57 part 1, table 2)."""
EXPONENT: Final = 65_537
_PRIME: Final = BITS // 16
NONCE_OCTETS: Final = 16
CHECK_OCTETS: Final = 5
_WAY: Final = Way("TR-34", 128)
_NO_CREDENTIAL: Final = "the vault has no certificate of its own: terminal-agent keys credential, then keys certify"


@dataclass(frozen=True, slots=True)
class Remembered:
    """The ring's ``delivery``: for people in its first place, then what a :class:`Receiver` has to be told again."""

    certificate: x509.Certificate
    hosts: x509.Certificate
    """The authority that certifies hosts."""
    state: State
    nonce: bytes = b""

    @classmethod
    def of(cls, octets: tuple[bytes, ...]) -> "Remembered":
        """Read what :meth:`octets` made."""
        _, certificate, hosts, host, signed, nonce, *lists = octets
        state = State(
            x509.load_der_x509_certificate(host) if host else None,
            _moment(signed) if signed else None,
            MappingProxyType({name: _moment(at) for name, at in zip(lists[::2], lists[1::2], strict=True)}),
        )
        return cls(x509.load_der_x509_certificate(certificate), x509.load_der_x509_certificate(hosts), state, nonce)

    def octets(self) -> tuple[bytes, ...]:
        """For the ring; :class:`DecodeError` where it is more than the store has room for."""
        host, signed = self.state.host, self.state.signed
        words = f"bound to {_name(host)}" if host else f"certified as {_name(self.certificate)}, bound to no host"
        found = (
            words.encode(),
            _der(self.certificate),
            _der(self.hosts),
            _der(host) if host else b"",
            _octets(signed) if signed else b"",
            self.nonce,
            *(part for name, at in self.state.lists.items() for part in (name, _octets(at))),
        )
        if sum(map(len, found)) > LARGEST_DELIVERY:
            raise DecodeError("certificate", f"the certificates together have more than {LARGEST_DELIVERY} octets")
        return found


class Delivery:
    """The TR-34 part of one vault."""

    def __init__(self, vault: Vault, ring: Ring, around: Circumstances) -> None:
        self._vault = vault
        self._ring = ring
        self._around = around

    def handlers(self) -> Mapping[int, Callable[..., Reply]]:
        """For :meth:`.vault.Vault.also`."""
        return MappingProxyType(
            {
                Verb.REQUEST_CREDENTIAL: self._request,
                Verb.CERTIFY: self._certify,
                Verb.ANNOUNCE: self._announce,
                Verb.BIND: self._bind,
                Verb.ASK_HOST: self._ask,
                Verb.LOAD_TOKEN: self._load,
            }
        )

    def _request(self, request: RequestCredential) -> Reply:
        """A new key in place of the one before, whose certificate and host are forgotten with it."""
        try:
            subject = x509.Name.from_rfc4514_string(request.subject)
        except ValueError:
            raise DecodeError("subject", "a name as CN=terminal 42,O=Shop expected (RFC 4514)") from None
        key = rsa.generate_private_key(EXPONENT, BITS)
        numbers, held = key.private_numbers(), self._ring.credential
        primes = bytearray(b"".join(prime.to_bytes(_PRIME, "big") for prime in (numbers.p, numbers.q)))
        held.put(primes)
        primes[:] = bytes(len(primes))
        spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        held.usage, held.algorithm, held.origin = "TR-34", "R", "made here"
        held.check_value = hashlib.sha256(spki).digest()[:CHECK_OCTETS]
        held.loaded_ms = self._around.now_ms()
        self._ring.delivery = ()
        self._vault.save()
        self._vault.save()  # the older place still had the key before
        made = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, SHA256())
        return Result(made.public_bytes(Encoding.DER))

    def _certify(self, request: Certify) -> Reply:
        key = self._key()
        certificate, hosts = _certificate(bytes(request.certificate)), _certificate(bytes(request.hosts))
        if certificate.public_key() != key.public_key():
            raise IntegrityError("the certificate is for another key than the vault's")
        trust.verify_authority(hosts, [hosts], (), self._now())
        state = Remembered.of(self._ring.delivery).state if self._ring.delivery else State()
        self._remember(Remembered(certificate, hosts, replace(state, host=None)))  # times go on: old tokens stay old
        return Done(f"{CREDENTIAL} {self._ring.credential.check_value.hex().upper()} {self._words()}")

    def _announce(self, _: Announce) -> Reply:
        return Result(self._receiver()[0].credential_token())

    def _bind(self, request: Bind) -> Reply:
        receiver, known = self._receiver()
        how: Mapping[int, Callable[[bytes, datetime], None]] = {
            Binding.BIND: receiver.bind,
            Binding.REBIND: receiver.rebind,
            Binding.UNBIND: receiver.unbind,
        }
        if request.how not in how:
            return Refused(Refusal.MALFORMED, "bind, rebind or unbind expected")
        how[request.how](bytes(request.token), self._now())
        self._remember(Remembered(known.certificate, known.hosts, receiver.state))
        return Done(f"{CREDENTIAL} {self._ring.credential.check_value.hex().upper()} {self._words()}")

    def _ask(self, _: AskHost) -> Reply:
        receiver, known = self._receiver()
        nonce = self._around.random(NONCE_OCTETS)
        token = receiver.ask(nonce)
        self._remember(Remembered(known.certificate, known.hosts, receiver.state, nonce))
        return Result(token)

    def _load(self, request: LoadToken) -> Reply:
        refused = self._vault.too_many_failed_loads()
        if refused is not None:
            return refused
        receiver, known = self._receiver()
        self._ring.failed_loads += 1
        self._vault.save()  # counted before the vault's key is used
        delivered = receiver.accept_key(bytes(request.token), self._now())
        with delivered.key as key:
            self._ring.failed_loads = 0
            self._remember(Remembered(known.certificate, known.hosts, receiver.state))  # before the key is looked at
            ring, now = self._ring, self._around.now_ms()
            return self._vault.accept(
                request.slot,
                lambda: inject.take(ring, request.slot, delivered.header, key, _WAY, bytes(request.ksn), now),
            )

    def _receiver(self) -> tuple[Receiver, Remembered]:
        key = self._key()
        if not self._ring.delivery:
            raise LoadRefused(_NO_CREDENTIAL)
        known = Remembered.of(self._ring.delivery)
        receiver = Receiver(Credential(known.certificate, key), [known.hosts], (), known.state)
        if known.nonce:
            receiver.ask(known.nonce)
        return receiver, known

    def _key(self) -> rsa.RSAPrivateKey:
        primes = self._ring.credential.octets
        if not primes:
            raise LoadRefused(_NO_CREDENTIAL)
        p, q = (int.from_bytes(primes[start : start + _PRIME], "big") for start in (0, _PRIME))
        private = pow(EXPONENT, -1, (p - 1) * (q - 1))
        numbers = rsa.RSAPrivateNumbers(
            p,
            q,
            private,
            rsa.rsa_crt_dmp1(private, p),
            rsa.rsa_crt_dmq1(private, q),
            rsa.rsa_crt_iqmp(p, q),
            rsa.RSAPublicNumbers(EXPONENT, p * q),
        )
        return numbers.private_key(unsafe_skip_rsa_key_validation=True)  # the store's seal says that it was made here

    def _remember(self, found: Remembered) -> None:
        self._ring.delivery = found.octets()
        self._vault.save()

    def _words(self) -> str:
        return self._ring.delivery[0].decode() + self._vault.approvers

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._around.now_ms() / 1000, UTC)


def _certificate(octets: bytes) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(octets)
    except ValueError:
        raise DecodeError("certificate", "a certificate in DER expected") from None


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def _name(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string()


def _octets(moment: datetime) -> bytes:
    return round(moment.timestamp() * 1000).to_bytes(8, "big")


def _moment(octets: bytes) -> datetime:
    return datetime.fromtimestamp(int.from_bytes(octets, "big") / 1000, UTC)
