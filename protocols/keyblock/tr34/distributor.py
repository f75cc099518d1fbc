# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The distributing host (KDH) of TR-34, and the authority of devices. Chooses no key; keeps no store and no clock.

A host asks every device for its certificate and believes it only below its own anchors; what it sends is built for that
certificate. The authority of a device takes it from a host that is lost, knowing both by their names alone.
"""

from collections.abc import Sequence
from datetime import datetime

from cryptography import x509

from protocols.errors import EncodeError
from protocols.keyblock.header import Header
from protocols.keyblock.optional import Reading
from protocols.keyblock.tr34 import tokens, trust
from protocols.keyblock.tr34.cms import Credential, Identity
from protocols.keyblock.tr34.trust import Purpose
from protocols.primitives import KeyOctets

_Revocations = x509.CertificateRevocationList


class Distributor:
    """A host with its credential and the authorities of devices that it trusts."""

    __slots__ = ("_anchors", "_credential", "_intermediates", "_strict")

    def __init__(
        self,
        credential: Credential,
        anchors: Sequence[x509.Certificate],
        intermediates: Sequence[x509.Certificate] = (),
        *,
        strict: bool = True,
    ) -> None:
        self._credential = credential
        self._anchors = tuple(anchors)
        self._intermediates = tuple(intermediates)
        self._strict = strict

    def credential_token(self, revocations: _Revocations) -> bytes:
        """CT of this host, to which a device binds itself."""
        return tokens.credential_token(self._credential.certificate, revocations)

    def accept_device(self, token: bytes, at: datetime, revocations: _Revocations | None = None) -> x509.Certificate:
        """The certificate in a device's CT, if it is good now; ``revocations`` is the list of the devices' authority.

        Its public key is for this device alone: compare its name with what was ordered, since any device of the
        authority has a good certificate.
        """
        found = tokens.read_credential_token(token, Reading(strict=self._strict))
        device = found.certificate
        issuer = trust.verify_chain(device, Purpose.RECEIVE, self._anchors, self._intermediates, at)
        if revocations is not None:
            trust.check_revocation(device, issuer, revocations, at)
        return device

    def key_token(
        self,
        device: x509.Certificate,
        header: Header,
        key: KeyOctets,
        fresh: bytes,
        revocations: _Revocations,
        answers: bytes | datetime,
    ) -> bytes:
        """KT for a device: ``answers`` is its RT (two passes) or the time (one pass).

        ``fresh`` are 32 random octets: the envelope's key and initialisation vector.
        """
        if len(fresh) != 32:
            raise EncodeError(f"{len(fresh)} random octets, 32 expected")
        freshness = answers if isinstance(answers, datetime) else tokens.read_random_token(answers)
        return tokens.key_token(
            self._credential, device, header, key, fresh[:16], fresh[16:], freshness, revocations
        )  # fmt: skip

    def rebind_token(self, device: Identity, new_host: bytes, random_token: bytes, revocations: _Revocations) -> bytes:
        """RBT: hand a device over to the host whose CT is given."""
        certificate = tokens.read_credential_token(new_host, Reading(strict=self._strict)).certificate
        nonce = tokens.read_random_token(random_token)
        return tokens.rebind_token(self._credential, device, certificate, nonce, revocations)

    def unbind_token(self, device: Identity, random_token: bytes, revocations: _Revocations) -> bytes:
        """UBT: let a device go."""
        nonce = tokens.read_random_token(random_token)
        return tokens.unbind_token(self._credential, device, nonce, revocations)


def authority_rebind_token(
    authority: Credential,
    device: Identity,
    host: Identity,
    new_host: x509.Certificate,
    revocations: _Revocations | None,
    at: datetime,
) -> bytes:
    """RBT: give a device of this authority to another host (TR-34:2019, B.10); a list is of the hosts' authority."""
    return tokens.rebind_token(authority, device, new_host, at, revocations, host)


def authority_unbind_token(authority: Credential, device: Identity, host: Identity, at: datetime) -> bytes:
    """UBT: take a device of this authority from its host. Unlike TR-34:2019, B.13, with a signed time."""
    return tokens.unbind_token(authority, device, at, None, host)
