# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What each TR-34 token is made of: octets and values, both ways. Reading a token does not mean believing it.

The names are those of TR-34:2019 (B.6 to B.14): CT credential token, RT random number token, KT key token, RBT rebind
token, UBT unbind token; KDH the distributing host, KRD the receiving device, CA the authority above both.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from cryptography import x509

from protocols.errors import DecodeError, EncodeError
from protocols.keyblock import header as header_text
from protocols.keyblock.codes import Algorithm
from protocols.keyblock.header import Header
from protocols.keyblock.optional import Reading
from protocols.keyblock.tr34 import cms, envelope
from protocols.keyblock.tr34 import structures as der
from protocols.keyblock.tr34.cms import Credential, Identity, Signed, Value
from protocols.primitives import KeyOctets
from protocols.secret import ClearKey, Secret

RANDOM_NONCE = x509.ObjectIdentifier("1.2.840.113549.1.9.25.3")
NONCE = range(8, 17)  # octets: both lengths occur in TR-34:2019, Annex B; we send 16
KEY_BLOCK_VERSION = 1  # the standard's module says v1(0), its samples and everybody else 1
_TRANSPORTED: Mapping[str, tuple[int, ...]] = MappingProxyType({Algorithm.TDES: (16, 24), Algorithm.AES: (16,)})
"""Algorithm → lengths in octets. Longer AES keys are much stronger than an envelope of RSA with 2,048 bits."""


@dataclass(frozen=True, slots=True)
class CredentialToken:
    """CT: a certificate, and for a host its revocation list."""

    certificate: x509.Certificate
    revocations: x509.CertificateRevocationList | None


@dataclass(frozen=True, slots=True)
class KeyToken:
    """KT as read: outer content and attributes, the envelope still closed."""

    signed: Signed
    header: bytes
    nonce: bytes | None
    """Of two passes: what the device asked with."""
    signing_time: datetime | None
    """Of one pass: when it was signed."""
    revocations: x509.CertificateRevocationList | None


@dataclass(frozen=True, slots=True)
class BindingToken:
    """RBT or UBT as read: for which device, from which host (if the authority says it), to which host (if to any)."""

    signed: Signed
    device: Identity
    host: Identity | None
    new_host: x509.Certificate | None
    nonce: bytes | None
    signing_time: datetime | None
    revocations: x509.CertificateRevocationList | None


@dataclass(frozen=True, slots=True)
class ClearKeyBlock:
    """What the envelope holds: who sent the key, its header, and the key."""

    sender: Identity
    header: bytes
    key: ClearKey


def random_token(nonce: bytes) -> bytes:
    """RT of a device: its random number of 8 to 16 octets (B.12)."""
    if len(nonce) not in NONCE:
        raise EncodeError(f"random number of {len(nonce)} octets, 8 to 16 expected")
    return der.encode(cms.attribute(RANDOM_NONCE, nonce))


def read_random_token(data: bytes) -> bytes:
    """The random number in an RT."""
    found = der.decode(der.Attribute, data, "random number token")
    if found.kind != RANDOM_NONCE:
        raise DecodeError("random number token", "a random number expected")
    return _nonce(cms.value_of(found))


def credential_token(certificate: x509.Certificate, revocations: x509.CertificateRevocationList | None = None) -> bytes:
    """CT of a host (B.6, with its revocation list) or of a device (B.7, without)."""
    return cms.unsigned(b"", [certificate], [revocations] if revocations is not None else [])


def read_credential_token(data: bytes, reading: Reading) -> CredentialToken:
    """A CT: one certificate, one list at most, no signer."""
    found = cms.read_signed(data, reading)
    if found.content_type != cms.DATA or found.content:
        raise DecodeError("credential token", "nothing but certificate and list expected")
    if len(found.certificates) != 1 or found.signer is not None:
        raise DecodeError("credential token", "one certificate and no signer expected")
    return CredentialToken(found.certificates[0], _revocations(found))


def key_token(
    sender: Credential,
    device: x509.Certificate,
    header: Header,
    key: KeyOctets,
    content_key: KeyOctets,
    iv: bytes,
    freshness: bytes | datetime,
    revocations: x509.CertificateRevocationList,
) -> bytes:
    """KT of a host (B.8, B.9): ``freshness`` is the device's random number (two passes) or the time (one pass).

    ``content_key`` and ``iv`` are fresh random octets; OAEP draws its own.
    """
    if not is_transportable(header, len(key)):
        raise EncodeError("TR-34 transports TDES keys of 16 and 24 octets and AES keys of 16")
    text = header_text.encode(header.with_blocks([]), 0).encode("ascii")
    octets = bytes(key.reveal() if isinstance(key, Secret) else key)
    block = der.KeyBlock(
        version=KEY_BLOCK_VERSION,
        sender=cms.name_of(sender.identity),
        key=octets,
        header=cms.attribute(cms.DATA, text),
    )
    sealed = envelope.envelop(ClearKey(bytearray(der.encode(block))), device, content_key, iv)
    attributes = {cms.DATA: text, **_freshness(freshness)}
    return cms.sign(sender, cms.ENVELOPED_DATA, sealed, attributes, [revocations])


def read_key_token(data: bytes, reading: Reading) -> KeyToken:
    """A KT: signed attributes with the key's header and either random number or time."""
    found = cms.read_signed(data, reading)
    header = found.attributes.get(cms.DATA)
    if found.content_type != cms.ENVELOPED_DATA or not isinstance(header, bytes):
        raise DecodeError("key token", "an envelope and the header of its key expected")
    nonce, moment = _fresh(found.attributes)
    if (nonce is None) == (moment is None):
        raise DecodeError("key token", "a random number or a signing time expected")
    return KeyToken(found, header, nonce, moment, _revocations(found))


def open_key_block(content: ClearKey, reading: Reading) -> ClearKeyBlock:
    """The clear key block out of an opened envelope (B.2.2.2)."""
    where = "clear key block"
    found = der.decode(der.KeyBlock, bytes(content.reveal()), where)
    if found.version != KEY_BLOCK_VERSION:
        raise DecodeError(where, f"version {KEY_BLOCK_VERSION} expected")
    if isinstance(found.header, bytes):
        reading.fault(where, "its header is no attribute")
        header: Value = found.header
    else:
        header = cms.value_of(found.header)
        if found.header.kind != cms.DATA:
            raise DecodeError(where, "its header is of another kind")
    if not isinstance(header, bytes):
        raise DecodeError(where, "its header is no text")
    return ClearKeyBlock(cms.identity_of(found.sender), header, ClearKey(bytearray(found.key)))


def is_transportable(header: Header, octets: int) -> bool:
    """Whether a key of that length fits its header and is not stronger than the envelope."""
    return octets in _TRANSPORTED.get(header.algorithm, ())


def rebind_token(
    sender: Credential,
    device: Identity,
    new_host: x509.Certificate,
    freshness: bytes | datetime,
    revocations: x509.CertificateRevocationList | None,
    host: Identity | None = None,
) -> bytes:
    """RBT: of the host (B.11, with its random number), or of the authority (B.10, with ``host`` and a time)."""
    carried = cms.inner(cms.unsigned(_parties(device, host), [new_host]))
    lists = [revocations] if revocations is not None else []
    return cms.sign(sender, cms.SIGNED_DATA, carried, _freshness(freshness), lists)


def unbind_token(
    sender: Credential,
    device: Identity,
    freshness: bytes | datetime,
    revocations: x509.CertificateRevocationList | None,
    host: Identity | None = None,
) -> bytes:
    """UBT: of the host (B.14, with its random number), or of the authority (B.13, with ``host`` and a time)."""
    lists = [revocations] if revocations is not None else []
    return cms.sign(sender, cms.DATA, _parties(device, host), _freshness(freshness), lists)


def read_binding_token(data: bytes, reading: Reading) -> BindingToken:
    """An RBT or UBT, of a host or of the authority."""
    where = "binding token"
    found = cms.read_signed(data, reading)
    if found.signer is None or found.content is None:
        raise DecodeError(where, "a signer and a content expected")
    new_host, named = None, found.content
    if found.content_type == cms.SIGNED_DATA:
        carried = cms.read_signed(found.content, reading, is_inner=True)
        if len(carried.certificates) != 1 or carried.content is None or carried.signer is not None:
            raise DecodeError(where, "the new host's certificate expected")
        new_host, named = carried.certificates[0], carried.content
    elif found.content_type != cms.DATA:
        raise DecodeError(where, "names of device and host expected")
    parties = der.decode(der.Parties, der.sequence(der.sequence(named)), where).names
    if not 1 <= len(parties) <= 2:
        raise DecodeError(where, "one or two names expected")
    host = cms.identity_of(parties[1]) if len(parties) == 2 else None
    nonce, moment = _fresh(found.attributes)
    return BindingToken(found, cms.identity_of(parties[0]), host, new_host, nonce, moment, _revocations(found))


def _parties(device: Identity, host: Identity | None) -> bytes:
    """Names side by side, without anything around them: so the standard's samples have it."""
    return b"".join(der.encode(cms.name_of(party)) for party in (device, host) if party is not None)


def _freshness(freshness: bytes | datetime) -> dict[x509.ObjectIdentifier, Value]:
    if isinstance(freshness, datetime):
        return {cms.SIGNING_TIME: freshness}
    if len(freshness) not in NONCE:
        raise EncodeError(f"random number of {len(freshness)} octets, 8 to 16 expected")
    return {RANDOM_NONCE: freshness}


def _fresh(attributes: Mapping[x509.ObjectIdentifier, Value]) -> tuple[bytes | None, datetime | None]:
    nonce, moment = attributes.get(RANDOM_NONCE), attributes.get(cms.SIGNING_TIME)
    if moment is not None and not isinstance(moment, datetime):
        raise DecodeError("signing time", "a moment expected")
    return (None if nonce is None else _nonce(nonce)), moment


def _nonce(value: Value) -> bytes:
    if not isinstance(value, bytes) or len(value) not in NONCE:
        raise DecodeError("random number", "8 to 16 octets expected")
    return value


def _revocations(found: Signed) -> x509.CertificateRevocationList | None:
    if len(found.crls) > 1:
        raise DecodeError("token", f"{len(found.crls)} revocation lists, one at most expected")
    return found.crls[0] if found.crls else None
