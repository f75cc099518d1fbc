# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the issuer writes into a virtual card before it is handed out: objects and certificates. Takes no command.

EMV 4.4 Book 2, 5.1, 6.1 and 7.1. Certificates are made when the card is, with the TEST authority's private keys.
"""

from collections.abc import Mapping
from typing import NamedTuple

from device_profiles.authority_profile import EXPONENT, TestAuthority
from device_profiles.card_profile import Application
from device_profiles.twins import card_rsa
from device_profiles.twins.card_rsa import CardRsa
from protocols.emv import tlv
from protocols.emv.bits import Aip
from protocols.emv.tags import Tag

_EXPONENT = bytes((EXPONENT,))
DDOL = bytes.fromhex("9F3704")
TAG_LIST = bytes((Tag.AIP,))


class Personalised(NamedTuple):
    """An application as it is handed out."""

    objects: Mapping[int, bytes]
    key: CardRsa | None
    pin_key: CardRsa | None


def record_content(application: Application, objects: Mapping[int, bytes], sfi: int, number: int) -> bytes | None:
    """The objects of a record, run together; None where there is no such record. Objects it has not are left out."""
    for record in application.records:
        if (record.sfi, record.number) == (sfi, number):
            tags = [int(tag, 16) for tag in record.tags]
            return tlv.encode([(tag, objects[tag]) for tag in tags if objects.get(tag)])
    return None


def personalise(application: Application, authorities: Mapping[str, TestAuthority]) -> Personalised:
    """The objects that never change, with certificates where the application is authenticated offline."""
    objects = application.static_objects()
    wanted = application.authentication
    if wanted is None:
        return Personalised(objects, None, None)
    authority = authorities[wanted.authority]
    issuer = authority.issuers[wanted.issuer]
    methods = Aip.decode(objects[Tag.AIP])
    certificate = card_rsa.issuer_certificate(authority, issuer)
    objects |= {
        Tag.CA_KEY_INDEX_CARD: bytes.fromhex(authority.index),
        Tag.ISSUER_CERTIFICATE: certificate.octets,
        Tag.ISSUER_KEY_REMAINDER: certificate.remainder,
        Tag.ISSUER_KEY_EXPONENT: _EXPONENT,
        Tag.SDA_TAG_LIST: TAG_LIST,
    }
    static = _static_data(application, objects)
    issuer_key = CardRsa(issuer.key)
    if Aip.SDA in methods:
        objects[Tag.SIGNED_STATIC_DATA] = card_rsa.static_signature(issuer_key, bytes.fromhex(wanted.code), static)
    key = CardRsa(wanted.key) if wanted.key else None
    named = wanted.expires, application.pan, wanted.serial
    if key is not None:
        own = card_rsa.card_certificate(issuer_key, *named, key, static)
        objects |= {
            Tag.ICC_CERTIFICATE: own.octets,
            Tag.ICC_KEY_REMAINDER: own.remainder,
            Tag.ICC_KEY_EXPONENT: _EXPONENT,
            Tag.DDOL: DDOL,
        }
    pin_key = CardRsa(wanted.pin_key) if wanted.pin_key else None
    if pin_key is not None:
        own = card_rsa.card_certificate(issuer_key, *named, pin_key, b"")
        objects |= {
            Tag.PIN_CERTIFICATE: own.octets,
            Tag.PIN_KEY_REMAINDER: own.remainder,
            Tag.PIN_KEY_EXPONENT: _EXPONENT,
        }
    return Personalised(objects, key, pin_key or key)


def _static_data(application: Application, objects: Mapping[int, bytes]) -> bytes:
    """What the issuer's signature covers: signed records in the order of the locator, then the AIP (Book 3, 10.3)."""
    signed = [record for record in application.records if record.signed]
    parts = [record_content(application, objects, record.sfi, record.number) or b"" for record in signed]
    return b"".join(parts) + objects[Tag.AIP]
