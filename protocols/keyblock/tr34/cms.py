# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Signed data as TR-34 uses CMS (RFC 5652), in DER. Knows no token and trusts no certificate by itself.

A deliberate part of CMS: one signer at most, named by issuer and serial number, SHA-256 with RSA (PKCS #1 v1.5). What
is outside is refused, since every choice left open is one for the attacker.

Sets are sorted in DER, and a signature covers the sorted set. The sample token of TR-34:2019, B.9, is not sorted even
as corrected, and devices copy it: a lenient reader verifies the signature over the set as received and says so. It also
takes the order of B.6 and the inner token of B.10 and B.11, which lacks its outermost tag and length. Signed data has
version 1 as in all samples, although RFC 5652, 5.1, wants 3 around an envelope; a reader takes both.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from protocols.errors import DecodeError, EncodeError, IntegrityError
from protocols.keyblock.optional import Reading
from protocols.keyblock.tr34 import structures as der

_OID = x509.ObjectIdentifier
DATA, SIGNED_DATA, ENVELOPED_DATA = (_OID(f"1.2.840.113549.1.7.{number}") for number in (1, 2, 3))
CONTENT_TYPE, MESSAGE_DIGEST, SIGNING_TIME = (_OID(f"1.2.840.113549.1.9.{number}") for number in (3, 4, 5))
SHA256_OID = _OID("2.16.840.1.101.3.4.2.1")
_RSA, _SHA256_WITH_RSA = _OID("1.2.840.113549.1.1.1"), _OID("1.2.840.113549.1.1.11")
_VERSIONS = (1, 3)  # RFC 5652, 5.1: 1 around plain data, 3 around anything else
_NOT_SIGNED = "the token is not signed by whom it should be, or changed"

Value = bytes | x509.ObjectIdentifier | datetime
"""What an attribute may hold."""


class Identity(NamedTuple):
    """Issuer (DER) and serial number: how CMS names a certificate."""

    issuer: bytes
    serial: int


@dataclass(frozen=True, slots=True)
class Credential:
    """A certificate with its private key."""

    certificate: x509.Certificate
    key: RSAPrivateKey

    @property
    def identity(self) -> Identity:
        """Who this is."""
        return identity(self.certificate)


@dataclass(frozen=True, slots=True)
class Signed:
    """Signed data as read: nothing of it is trustworthy before :func:`verify`."""

    content_type: x509.ObjectIdentifier
    content: bytes | None
    certificates: tuple[x509.Certificate, ...]
    crls: tuple[x509.CertificateRevocationList, ...]
    signer: Identity | None
    attributes: Mapping[x509.ObjectIdentifier, Value]
    covered: bytes
    """The octets that the signature covers."""
    signature: bytes


def identity(certificate: x509.Certificate) -> Identity:
    """Issuer and serial number of a certificate."""
    return Identity(certificate.issuer.public_bytes(), certificate.serial_number)


def sign(
    credential: Credential,
    content_type: x509.ObjectIdentifier,
    content: bytes,
    attributes: Mapping[x509.ObjectIdentifier, Value],
    crls: Sequence[x509.CertificateRevocationList] = (),
) -> bytes:
    """Signed data with the attributes given, content type and digest (RFC 5652, 5.3 to 5.6; TR-34:2019, Annex B)."""
    wanted: dict[x509.ObjectIdentifier, Value] = {
        CONTENT_TYPE: content_type, MESSAGE_DIGEST: hashlib.sha256(content).digest(), **attributes,
    }  # fmt: skip
    encoded = der.encode(der.SetOf([attribute(kind, value) for kind, value in wanted.items()]))
    info = der.SignerInfo(
        version=1,
        signer=name_of(credential.identity),
        digest=der.Plain(kind=SHA256_OID, parameters=None),
        attributes=der.element(b"\xa0" + encoded[1:]),
        algorithm=der.Plain(kind=_RSA, parameters=der.Null()),
        signature=credential.key.sign(encoded, padding.PKCS1v15(), SHA256()),
    )
    return _signed_data(content_type, content, (), crls, [info])


def unsigned(
    content: bytes | None,
    certificates: Sequence[x509.Certificate],
    crls: Sequence[x509.CertificateRevocationList] = (),
) -> bytes:
    """Signed data without a signer: CMS's way to carry certificates (RFC 5652, 5.2)."""
    return _signed_data(DATA, content, certificates, crls, [])


def inner(signed: bytes) -> bytes:
    """Signed data without the outer content type: what stands inside another (TR-34:2019, B.10 and B.11)."""
    return der.encode(der.decode(der.SignedContent, signed, "token").content)


def read_signed(data: bytes, reading: Reading, *, is_inner: bool = False) -> Signed:
    """Read signed data; ``is_inner`` for what stands inside another. At most one signer."""
    where = "token"
    body = _inner_body(data, reading) if is_inner else _body(data, reading)
    signers = body.signers.as_list()
    if body.version not in _VERSIONS or any(digest.kind != SHA256_OID for digest in body.digests.as_list()):
        raise DecodeError(where, "another version or digest than expected")
    if len(signers) > 1:
        raise DecodeError(where, f"{len(signers)} signers, one at most expected")
    content = body.encapsulated.content
    unsigned_: tuple[Identity | None, Mapping[x509.ObjectIdentifier, Value], bytes, bytes] = (None, {}, b"", b"")
    signer, attributes, covered, signature = (
        _signer(signers[0], body.encapsulated.kind, content, reading) if signers else unsigned_
    )
    return Signed(
        body.encapsulated.kind,
        content,
        der.certificates(body.certificates),
        der.revocation_lists(body.crls),
        signer,
        attributes,
        covered,
        signature,
    )


def verify(message: Signed, certificate: x509.Certificate) -> bytes:
    """The content, if ``certificate`` signed it; :class:`IntegrityError` with one constant text otherwise."""
    content, key = message.content, certificate.public_key()
    if message.signer != identity(certificate) or content is None or not isinstance(key, RSAPublicKey):
        raise IntegrityError(_NOT_SIGNED)
    if message.attributes:
        digest = message.attributes.get(MESSAGE_DIGEST)
        right = isinstance(digest, bytes) and hmac.compare_digest(digest, hashlib.sha256(content).digest())
        if not right or message.attributes.get(CONTENT_TYPE) != message.content_type:
            raise IntegrityError(_NOT_SIGNED)
    try:
        key.verify(message.signature, message.covered, padding.PKCS1v15(), SHA256())
    except InvalidSignature:
        raise IntegrityError(_NOT_SIGNED) from None
    return content


def name_of(found: Identity) -> der.Name:
    """An identity as a structure."""
    return der.Name(issuer=der.element(found.issuer), serial=found.serial)


def identity_of(name: der.Name) -> Identity:
    """A structure as an identity; the issuer's octets as they were, or nearly: they only serve comparison."""
    return Identity(b"".join((name.issuer.tag_bytes, der.length(len(name.issuer.data)), name.issuer.data)), name.serial)


def attribute(kind: x509.ObjectIdentifier, value: Value) -> der.Attribute:
    """An attribute with one value. A moment becomes UTCTime up to 2049 (RFC 5652, 11.3)."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise EncodeError("a signing time takes a moment with its time zone")
        moment = value.astimezone(UTC).replace(microsecond=0)
        made = der.UTCTime(moment) if moment.year < 2050 else der.GeneralizedTime(moment)
        return der.Attribute(kind=kind, values=der.SetOf([made]))
    return der.Attribute(kind=kind, values=der.SetOf([value]))


def value_of(found: der.Attribute) -> Value:
    """The one value of an attribute."""
    values = found.values.as_list()
    if len(values) != 1:
        raise DecodeError("attribute", f"{len(values)} values, one expected")
    value = values[0]
    if isinstance(value, (der.UTCTime, der.GeneralizedTime)):
        return value.as_datetime()
    return value


def _signed_data(
    kind: x509.ObjectIdentifier,
    content: bytes | None,
    certificates: Sequence[x509.Certificate],
    crls: Sequence[x509.CertificateRevocationList],
    signers: Sequence[der.SignerInfo],
) -> bytes:
    body = der.SignedData(
        version=1,
        digests=der.SetOf([der.Plain(kind=SHA256_OID, parameters=None)] if signers else []),
        encapsulated=der.Encapsulated(kind=kind, content=content),
        certificates=der.SetOf(list(certificates)) if certificates else None,
        crls=der.SetOf(list(crls)) if crls else None,
        signers=der.SetOf([der.element(der.encode(info)) for info in signers]),
    )
    return der.encode(der.SignedContent(kind=SIGNED_DATA, content=body))


def _body(data: bytes, reading: Reading) -> der.SignedData | der.MisorderedSignedData:
    where = "token"
    try:
        outer: der.SignedContent | der.MisorderedSignedContent = der.decode(der.SignedContent, data, where)
    except DecodeError:
        if reading.strict:
            raise
        outer = der.decode(der.MisorderedSignedContent, data, where)
        reading.fault(where, "its revocation lists are not where CMS has them")
    if outer.kind != SIGNED_DATA:
        raise DecodeError(where, "signed data expected")
    return outer.content


def _inner_body(data: bytes, reading: Reading) -> der.SignedData:
    where = "token inside the token"
    if data[:1] == b"\x02":
        reading.fault(where, "no SEQUENCE around it")
        data = der.sequence(data)
    return der.decode(der.SignedData, data, where)


def _signer(
    found: der.TLV, kind: x509.ObjectIdentifier, content: bytes | None, reading: Reading
) -> tuple[Identity, Mapping[x509.ObjectIdentifier, Value], bytes, bytes]:
    where = "signer"
    whole = der.whole(found, where)
    attributes: Mapping[x509.ObjectIdentifier, Value] = {}
    covered = content or b""
    try:
        info: der.SignerInfo | der.BareSignerInfo = der.decode(der.SignerInfo, whole, where)
    except DecodeError:
        info = der.decode(der.BareSignerInfo, whole, where)
        if kind != DATA:  # RFC 5652, 5.3: only plain data may go without
            raise DecodeError(where, "no signed attributes, which this content needs") from None
    if isinstance(info, der.SignerInfo):
        attributes, covered = _attributes(info.attributes, reading)
    if info.version != 1:
        raise DecodeError(where, "version 1 expected")
    if info.digest.kind != SHA256_OID or info.algorithm.kind not in (_RSA, _SHA256_WITH_RSA):
        raise DecodeError(where, "SHA-256 with RSA expected")
    return identity_of(info.signer), attributes, covered, info.signature


def _attributes(found: der.TLV, reading: Reading) -> tuple[Mapping[x509.ObjectIdentifier, Value], bytes]:
    """The attributes by kind, and the set that the signature covers (RFC 5652, 5.4)."""
    if found.tag_bytes != b"\xa0":
        raise DecodeError("signer", "signed attributes expected")
    content = bytes(found.data)
    listed = der.decode(der.Attributes, der.sequence(der.sequence(content)), "signed attributes").values
    if der.encode(der.SetOf(listed)) != b"\x31" + der.length(len(content)) + content:
        reading.fault("signed attributes", "not sorted as DER asks")
    kinds = [one.kind for one in listed]
    if not listed or len(set(kinds)) != len(kinds):
        raise DecodeError("signed attributes", "some, each kind once, expected")
    covered = b"\x31" + der.length(len(content)) + content
    return MappingProxyType({one.kind: value_of(one) for one in listed}), covered
