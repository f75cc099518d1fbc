# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Enveloped data as TR-34 uses CMS (RFC 5652, 6), in DER: for one recipient, under a fresh key. Signs nothing.

The content is enciphered with AES-128 or triple DES in CBC, its key by RSA-OAEP with SHA-256. The sample in TR-34:2019,
B.2.2.3, writes the parameters of OAEP without the tags that RFC 4055 gives them, and so do devices: a lenient reader
takes both.
"""

from collections.abc import Mapping
from types import MappingProxyType

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from protocols.errors import DecodeError, EncodeError, IntegrityError
from protocols.keyblock.optional import Reading
from protocols.keyblock.tr34 import structures as der
from protocols.keyblock.tr34.cms import DATA, SHA256_OID, Credential, Identity, identity, identity_of, name_of
from protocols.primitives import AesKey, BlockKey, KeyOctets, TdesKey, Use
from protocols.secret import ClearKey, Secret

LEAST_MODULUS = 2_048  # bits: that of TR-34's samples, worth 112 bits (NIST SP 800-57 part 1, table 2)
_OID = x509.ObjectIdentifier
_OAEP, _MGF1, _P_SPECIFIED = (_OID(f"1.2.840.113549.1.1.{number}") for number in (7, 8, 9))
_AES_128_CBC, _TDES_CBC = _OID("2.16.840.1.101.3.4.1.2"), _OID("1.2.840.113549.3.7")
_CIPHERS: Mapping[x509.ObjectIdentifier, tuple[type[BlockKey], int]] = MappingProxyType(
    {_AES_128_CBC: (AesKey, 16), _TDES_CBC: (TdesKey, 24)}
)
_NOT_OURS = "the envelope is not for this device, or changed"


def envelop(content: KeyOctets, recipient: x509.Certificate, content_key: KeyOctets, iv: bytes) -> bytes:
    """Enveloped data for one recipient, without an outer content type (RFC 5652, 6; TR-34:2019, B.2.2.3).

    ``content_key`` is fresh: 16 octets for AES-128, 24 for triple DES; ``iv`` is one fresh block. OAEP draws its own
    randomness.
    """
    key = recipient.public_key()
    if not isinstance(key, RSAPublicKey) or key.key_size < LEAST_MODULUS:
        raise EncodeError(f"an RSA certificate of at least {LEAST_MODULUS} bits expected")
    found = [(kind, maker) for kind, (maker, octets) in _CIPHERS.items() if octets == len(content_key)]
    if not found:
        raise EncodeError(f"content key of {len(content_key)} octets, 16 or 24 expected")
    (kind, maker), secret = found[0], ClearKey(_octets(content_key))
    with maker(secret, Use.CHAIN) as cipher:
        size = cipher.block_octets
        clear = _octets(content)
        fill = size - len(clear) % size
        clear += bytes((fill,)) * fill
        enciphered = cipher.cbc_encipher(iv, clear)
        clear[:] = bytes(len(clear))
    wrapped = key.encrypt(bytes(secret.reveal()), _oaep())
    secret.wipe()
    transport = der.Recipient(
        version=0,
        recipient=name_of(identity(recipient)),
        algorithm=der.Oaep(
            kind=_OAEP,
            parameters=der.OaepParameters(
                digest=der.Plain(kind=SHA256_OID, parameters=der.Null()),
                mask=der.Mgf1Hash(kind=_MGF1, parameters=der.Plain(kind=SHA256_OID, parameters=der.Null())),
                label=None,
            ),
        ),
        key=wrapped,
    )
    return der.encode(
        der.EnvelopedData(
            version=0,
            recipients=der.SetOf([der.element(der.encode(transport))]),
            encrypted=der.EncryptedContent(kind=DATA, cipher=der.ContentCipher(kind=kind, iv=iv), content=enciphered),
        )
    )


def open_envelope(data: bytes, credential: Credential, reading: Reading) -> ClearKey:
    """The content of enveloped data for this recipient (RFC 5652, 6). Verify the signature around it first.

    :class:`DecodeError` for another structure, :class:`IntegrityError` with one constant text for all that keys decide.
    """
    where = "envelope"
    envelope = der.decode(der.EnvelopedData, data, where)
    recipients = envelope.recipients.as_list()
    if envelope.version != 0 or envelope.encrypted.kind != DATA or len(recipients) != 1:
        raise DecodeError(where, "data for one recipient expected")
    chosen = _CIPHERS.get(envelope.encrypted.cipher.kind)
    if chosen is None:
        raise DecodeError(where, "AES-128 or triple DES in CBC expected")
    maker, key_octets = chosen
    named, wrapped = _transport(recipients[0], reading)
    if named != credential.identity:
        raise IntegrityError(_NOT_OURS)
    try:
        content_key = bytearray(credential.key.decrypt(wrapped, _oaep()))
    except ValueError:
        raise IntegrityError(_NOT_OURS) from None
    enciphered, iv = envelope.encrypted.content, envelope.encrypted.cipher.iv
    if len(content_key) != key_octets or not enciphered:
        content_key[:] = bytes(len(content_key))
        raise IntegrityError(_NOT_OURS)
    with maker(content_key, Use.DECIPHER) as cipher:
        content_key[:] = bytes(len(content_key))
        if len(iv) != cipher.block_octets or len(enciphered) % cipher.block_octets:
            raise IntegrityError(_NOT_OURS)
        clear = bytearray(cipher.cbc_decipher(iv, enciphered))
        fill = clear[-1]
        good = 1 <= fill <= cipher.block_octets and clear.endswith(bytes((fill,)) * fill)
    if not good:
        clear[:] = bytes(len(clear))
        raise IntegrityError(_NOT_OURS)
    content = ClearKey(clear[:-fill])
    clear[:] = bytes(len(clear))
    return content


def _transport(found: der.TLV, reading: Reading) -> tuple[Identity, bytes]:
    """For whom the content key is, and that key enciphered."""
    where = "recipient"
    whole = der.whole(found, where)
    try:
        recipient: der.Recipient | der.BareRecipient = der.decode(der.Recipient, whole, where)
    except DecodeError:
        recipient = der.decode(der.BareRecipient, whole, where)
        reading.fault(where, "the parameters of OAEP without the tags of RFC 4055")
    if recipient.version != 0:
        raise DecodeError(where, "version 0 expected")
    algorithm, parameters = recipient.algorithm.kind, recipient.algorithm.parameters
    label = parameters.label
    kinds = (algorithm, parameters.digest.kind, parameters.mask.kind, parameters.mask.parameters.kind)
    if kinds != (_OAEP, SHA256_OID, _MGF1, SHA256_OID):
        raise DecodeError(where, "RSA-OAEP with SHA-256 expected")
    if label is not None and (label.kind != _P_SPECIFIED or label.parameters):
        raise DecodeError(where, "OAEP without a label expected")
    return identity_of(recipient.recipient), recipient.key


def _oaep() -> padding.OAEP:
    return padding.OAEP(padding.MGF1(SHA256()), SHA256(), None)


def _octets(key: KeyOctets) -> bytearray:
    return bytearray(key.reveal() if isinstance(key, Secret) else key)
