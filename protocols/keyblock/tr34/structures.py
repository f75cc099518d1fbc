# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The ASN.1 structures of TR-34 in DER: the part of CMS (RFC 5652) that its tokens use, and the clear key block.

This is the only module that imports ``cryptography.hazmat.asn1``, whose authors do not promise its stability yet; its
classes go no further than :mod:`.cms`, :mod:`.envelope` and :mod:`.tokens`. What comes in two forms (a signer with or
without attributes, OAEP parameters with or without tags) is two classes, tried in turn.
"""

import warnings
from typing import Annotated, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat import asn1
from cryptography.hazmat.asn1 import TLV, GeneralizedTime, Null, SetOf, UTCTime
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning

from protocols.errors import DecodeError

__all__ = ["TLV", "GeneralizedTime", "Null", "SetOf", "UTCTime"]

LARGEST = 65_536  # octets: a token holds a key, a certificate or two and a revocation list; more is a mistake or a bomb
_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)
encode = asn1.encode_der
_T = TypeVar("_T")


@asn1.sequence
class Anything:
    """One element of any kind."""

    value: asn1.TLV


@asn1.sequence
class Plain:
    """An algorithm identifier without parameters, or with NULL."""

    kind: x509.ObjectIdentifier
    parameters: asn1.Null | None


@asn1.sequence
class Mgf1Hash:
    """The mask generation of OAEP and its hash."""

    kind: x509.ObjectIdentifier
    parameters: Plain


@asn1.sequence
class Label:
    """The label of OAEP."""

    kind: x509.ObjectIdentifier
    parameters: bytes


@asn1.sequence
class OaepParameters:
    """RFC 4055, 4.1. The defaults mean SHA-1, so digest and mask must be there."""

    digest: Annotated[Plain, asn1.Explicit(0)]
    mask: Annotated[Mgf1Hash, asn1.Explicit(1)]
    label: Annotated[Label | None, asn1.Explicit(2)]


@asn1.sequence
class BareOaepParameters:
    """The same without tags, as TR-34:2019 prints them."""

    digest: Plain
    mask: Mgf1Hash
    label: Label


@asn1.sequence
class Oaep:
    """The algorithm identifier of OAEP."""

    kind: x509.ObjectIdentifier
    parameters: OaepParameters


@asn1.sequence
class BareOaep:
    """The same with untagged parameters."""

    kind: x509.ObjectIdentifier
    parameters: BareOaepParameters


@asn1.sequence
class Name:
    """A certificate by issuer and serial number."""

    issuer: asn1.TLV
    serial: int


@asn1.sequence
class Attribute:
    """An attribute of a signer: values of the four kinds that TR-34 uses."""

    kind: x509.ObjectIdentifier
    values: asn1.SetOf[bytes | x509.ObjectIdentifier | asn1.UTCTime | asn1.GeneralizedTime]


@asn1.sequence
class Attributes:
    """Attributes in any order: a set in DER would have to be sorted."""

    values: list[Attribute]


@asn1.sequence
class Encapsulated:
    """What is signed."""

    kind: x509.ObjectIdentifier
    content: Annotated[bytes | None, asn1.Explicit(0)]


@asn1.sequence
class SignerInfo:
    """A signer; its attributes are cut out by :mod:`.cms`, which needs their octets."""

    version: int
    signer: Name
    digest: Plain
    attributes: asn1.TLV
    algorithm: Plain
    signature: bytes


@asn1.sequence
class BareSignerInfo:
    """A signer without attributes."""

    version: int
    signer: Name
    digest: Plain
    algorithm: Plain
    signature: bytes


@asn1.sequence
class SignedData:
    """RFC 5652, 5.1."""

    version: int
    digests: asn1.SetOf[Plain]
    encapsulated: Encapsulated
    certificates: Annotated[asn1.SetOf[x509.Certificate] | None, asn1.Implicit(0)]
    crls: Annotated[asn1.SetOf[x509.CertificateRevocationList] | None, asn1.Implicit(1)]
    signers: asn1.SetOf[asn1.TLV]


@asn1.sequence
class SignedContent:
    """Signed data with its content type in front."""

    kind: x509.ObjectIdentifier
    content: Annotated[SignedData, asn1.Explicit(0)]


@asn1.sequence
class MisorderedSignedData:
    """The same with the revocation lists last, as TR-34:2019, B.6, prints its credential token."""

    version: int
    digests: asn1.SetOf[Plain]
    encapsulated: Encapsulated
    certificates: Annotated[asn1.SetOf[x509.Certificate] | None, asn1.Implicit(0)]
    signers: asn1.SetOf[asn1.TLV]
    crls: Annotated[asn1.SetOf[x509.CertificateRevocationList], asn1.Implicit(1)]


@asn1.sequence
class MisorderedSignedContent:
    """The same with its content type in front."""

    kind: x509.ObjectIdentifier
    content: Annotated[MisorderedSignedData, asn1.Explicit(0)]


@asn1.sequence
class Recipient:
    """RFC 5652, 6.2.1."""

    version: int
    recipient: Name
    algorithm: Oaep
    key: bytes


@asn1.sequence
class BareRecipient:
    """The same with untagged OAEP parameters."""

    version: int
    recipient: Name
    algorithm: BareOaep
    key: bytes


@asn1.sequence
class ContentCipher:
    """A cipher in CBC mode with its initialisation vector."""

    kind: x509.ObjectIdentifier
    iv: bytes


@asn1.sequence
class EncryptedContent:
    """What is enciphered."""

    kind: x509.ObjectIdentifier
    cipher: ContentCipher
    content: Annotated[bytes, asn1.Implicit(0)]


@asn1.sequence
class EnvelopedData:
    """RFC 5652, 6.1."""

    version: int
    recipients: asn1.SetOf[asn1.TLV]
    encrypted: EncryptedContent


@asn1.sequence
class KeyBlock:
    """The clear key on its way (TR-34:2019, B.2.2.2): version 1, sender, key, and the header as an attribute."""

    version: int
    sender: Name
    key: bytes
    header: bytes | Attribute


@asn1.sequence
class Parties:
    """Names side by side: a binding token has them without anything around."""

    names: list[Name]


def decode(kind: type[_T], data: bytes, where: str) -> _T:
    """``data`` as one structure of DER; the error names ``where`` and never quotes the data."""
    if len(data) > LARGEST:
        raise DecodeError(where, f"{len(data)} octets, {LARGEST} at most expected")
    try:
        with warnings.catch_warnings(action="error", category=CryptographyDeprecationWarning):
            return asn1.decode_der(kind, data)
    except (ValueError, TypeError, x509.InvalidVersion, CryptographyDeprecationWarning):
        # `from None`: the inner message tells offsets and kinds of a foreign parser, which help nobody.
        raise DecodeError(where, "not the DER structure that is expected here") from None


def certificates(found: asn1.SetOf[x509.Certificate] | None) -> tuple[x509.Certificate, ...]:
    """Certificates that can be read to their end: the parser looks at most of them only when asked."""
    listed = tuple(found.as_list()) if found is not None else ()
    try:
        for one in listed:
            _ = one.subject, one.issuer, one.public_key(), one.signature_hash_algorithm, one.extensions
            _ = one.serial_number, one.not_valid_before_utc, one.not_valid_after_utc
            _check_signature_bits(one.public_bytes(Encoding.DER), one.signature)
    except _UNREADABLE:
        raise DecodeError("certificate", "cannot be read") from None
    return listed


def revocation_lists(
    found: asn1.SetOf[x509.CertificateRevocationList] | None,
) -> tuple[x509.CertificateRevocationList, ...]:
    """Revocation lists that can be read to their end."""
    listed = tuple(found.as_list()) if found is not None else ()
    try:
        for one in listed:
            _ = one.issuer, one.last_update_utc, one.next_update_utc, one.signature_hash_algorithm, list(one)
            _check_signature_bits(one.public_bytes(Encoding.DER), one.signature)
    except _UNREADABLE:
        raise DecodeError("revocation list", "cannot be read") from None
    return listed


def element(data: bytes) -> asn1.TLV:
    """Encoded octets as an element that can stand inside another structure."""
    return asn1.decode_der(Anything, sequence(data)).value


def _check_signature_bits(encoded: bytes, signature: bytes) -> None:
    """A signature is whole octets: the count of unused bits before it is covered by nothing, and parsers ignore it."""
    if encoded[-len(signature) - 1] != 0:
        raise ValueError


def whole(found: asn1.TLV, where: str) -> bytes:
    """An element as octets again; only a SEQUENCE will do."""
    if found.tag_bytes != b"\x30":
        raise DecodeError(where, "a SEQUENCE expected")
    return sequence(bytes(found.data))


def sequence(content: bytes) -> bytes:
    """A SEQUENCE around encoded elements (ITU-T X.690, 8.1.3 and 10.1)."""
    return b"\x30" + length(len(content)) + content


def length(size: int) -> bytes:
    """The length octets of DER (ITU-T X.690, 10.1)."""
    if size < 0x80:
        return bytes((size,))
    digits = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((0x80 | len(digits),)) + digits
