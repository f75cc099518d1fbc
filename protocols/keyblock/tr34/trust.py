# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Whether a certificate is good now: chain to an anchor, validity, key, purpose, revocation. Fetches nothing.

As in TR-34:2019, B.3 to B.7: a root, below it one authority for hosts and one for devices, below these the parties. A
revocation list is of the authority that issued the certificate, in force, and not older than the last one seen.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509.oid import ExtensionOID

from protocols.errors import IntegrityError

LEAST_MODULUS = 2_048  # bits: that of TR-34's samples, worth 112 bits (NIST SP 800-57 part 1, table 2)
LONGEST_CHAIN = 4  # certificates from the party to the anchor; TR-34 has three
_HASHES = ("sha256", "sha384", "sha512")


class Purpose(Enum):
    """What a party's key is for; the value is the name of the key usage bit (RFC 5280, 4.2.1.3)."""

    SIGN = "digital_signature"
    """Of a host: it signs tokens."""
    RECEIVE = "key_encipherment"
    """Of a device: keys are enciphered for it."""


def verify_chain(
    certificate: x509.Certificate,
    purpose: Purpose,
    anchors: Sequence[x509.Certificate],
    intermediates: Sequence[x509.Certificate],
    at: datetime,
) -> x509.Certificate:
    """The authority that issued ``certificate``, if all is well up to an anchor; else :class:`IntegrityError`."""
    _check_key(certificate, at, "certificate")
    usage = _usage(certificate)
    if usage is not None and not getattr(usage, purpose.value):
        raise IntegrityError("the certificate is for another purpose")
    return authority_of(certificate, anchors, intermediates, at)


def authority_of(
    certificate: x509.Certificate,
    anchors: Sequence[x509.Certificate],
    intermediates: Sequence[x509.Certificate],
    at: datetime,
) -> x509.Certificate:
    """Who issued ``certificate``, if that leads to an anchor; the certificate itself is not looked at."""
    issuer = current = certificate
    for depth in range(1, LONGEST_CHAIN):
        anchored = _issued_by(current, anchors)
        above = anchored or _issued_by(current, intermediates)
        if above is None:
            raise IntegrityError("the certificate does not lead to a trusted authority")
        _check_authority(above, depth, at)
        if depth == 1:
            issuer = above
        if anchored is not None:
            return issuer
        current = above
    raise IntegrityError(f"more than {LONGEST_CHAIN} certificates to a trusted authority")


def verify_authority(
    authority: x509.Certificate,
    anchors: Sequence[x509.Certificate],
    intermediates: Sequence[x509.Certificate],
    at: datetime,
) -> None:
    """:class:`IntegrityError` unless the authority is one and leads to an anchor, or is one."""
    _check_authority(authority, 1, at)
    if authority not in anchors:
        authority_of(authority, anchors, intermediates, at)


def check_revocation(
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    revocations: x509.CertificateRevocationList,
    at: datetime,
    seen: datetime | None = None,
) -> datetime:
    """When the list was made. :class:`IntegrityError` if it is not the issuer's, not in force, or has the certificate.

    ``seen`` is when the newest list so far was made: an older one is a replay.
    """
    key = issuer.public_key()
    if revocations.issuer != issuer.subject or not isinstance(key, RSAPublicKey):
        raise IntegrityError("the revocation list is of another authority")
    try:
        genuine = revocations.is_signature_valid(key)
    except (TypeError, ValueError):
        genuine = False
    if not genuine:
        raise IntegrityError("the revocation list is not signed by its authority")
    made, until = revocations.last_update_utc, revocations.next_update_utc
    if until is None or not made <= at <= until:
        raise IntegrityError("the revocation list is not in force now")
    if seen is not None and made < seen:
        raise IntegrityError("the revocation list is older than one already seen")
    if revocations.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None:
        raise IntegrityError("the certificate has been revoked")
    return made


def _issued_by(certificate: x509.Certificate, candidates: Sequence[x509.Certificate]) -> x509.Certificate | None:
    for candidate in candidates:
        if candidate.subject != certificate.issuer:
            continue
        try:
            certificate.verify_directly_issued_by(candidate)
        except (InvalidSignature, ValueError, TypeError):
            continue
        return candidate
    return None


def _check_authority(certificate: x509.Certificate, depth: int, at: datetime) -> None:
    _check_key(certificate, at, "authority's certificate")
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        raise IntegrityError("the issuer is no certification authority") from None
    usage = _usage(certificate)
    if not constraints.ca or (usage is not None and not usage.key_cert_sign):
        raise IntegrityError("the issuer is no certification authority")
    if constraints.path_length is not None and constraints.path_length < depth - 1:
        raise IntegrityError("the chain is longer than an authority in it allows")


def _check_key(certificate: x509.Certificate, at: datetime, what: str) -> None:
    key, digest = certificate.public_key(), certificate.signature_hash_algorithm
    if not isinstance(key, RSAPublicKey) or key.key_size < LEAST_MODULUS:
        raise IntegrityError(f"the {what} has no RSA key of at least {LEAST_MODULUS} bits")
    if digest is None or digest.name not in _HASHES:
        raise IntegrityError(f"the {what} is signed with a hash that is too weak")
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        raise IntegrityError(f"the {what} is not valid now")


def _usage(certificate: x509.Certificate) -> x509.KeyUsage | None:
    found = [one.value for one in certificate.extensions if one.oid == ExtensionOID.KEY_USAGE]
    return found[0] if found and isinstance(found[0], x509.KeyUsage) else None
