# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Forms of tokens: what a strict reader refuses, what a lenient one forgives and says; garbage is only that."""

import contextlib
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from protocols.errors import DecodeError, EncodeError, IntegrityError, ProtocolError
from protocols.keyblock.optional import Reading
from protocols.keyblock.tr34 import cms, envelope, tokens
from protocols.keyblock.tr34 import structures as der
from protocols.keyblock.tr34.cms import Credential
from protocols.keyblock.tr34.receiver import Phase
from protocols.secret import ClearKey
from tests.protocols import keys_evidence
from tests.protocols.keyblock.tr34.ends import HEADER, KEY, bound, device, host, key_token, listed, nonce
from tests.protocols.keyblock.tr34.pki import AT, issue, party

SEED = 20_261_122
HOST, DEVICE, AUTHORITY = party("host 1"), party("device 1"), party("device authority")
NAMES = b"".join(der.encode(cms.name_of(one.identity)) for one in (DEVICE, HOST))


def strict() -> Reading:
    return Reading(strict=True)


def lenient() -> Reading:
    return Reading(strict=False)


def element(tag: int, content: bytes) -> bytes:
    return bytes((tag,)) + der.length(len(content)) + content


# What the samples of TR-34:2019, Annex B, do and the standards they build on do not allow.


def misordered_credential_token() -> bytes:
    """B.6: the lists after the signers."""
    certificate = HOST.certificate.public_bytes(Encoding.DER)
    crl = listed().public_bytes(Encoding.DER)
    body = (
        b"\x02\x01\x01\x31\x00"
        + element(0x30, der.encode(cms.DATA) + element(0xA0, b"\x04\x00"))
        + element(0xA0, certificate)
        + b"\x31\x00"
        + element(0xA1, crl)
    )
    return element(0x30, der.encode(cms.SIGNED_DATA) + element(0xA0, element(0x30, body)))


def unsorted_key_token(answers: bytes) -> bytes:
    """B.9: signed attributes in the order of the sample, and signed in that order."""
    token = key_token(answers)
    read = cms.read_signed(token, strict())
    order = (cms.CONTENT_TYPE, tokens.RANDOM_NONCE, cms.DATA, cms.MESSAGE_DIGEST)
    attributes = b"".join(der.encode(cms.attribute(kind, read.attributes[kind])) for kind in order)
    assert attributes != read.covered[-len(attributes) :]
    return resigned(token, attributes)


def resigned(token: bytes, attributes: bytes | None, by: Credential = HOST) -> bytes:
    """The token with other signed attributes, or none, signed anew."""
    body = der.decode(der.SignedContent, token, "token").content
    assert body.encapsulated.content is not None
    covered = body.encapsulated.content if attributes is None else element(0x31, attributes)
    signature = by.key.sign(covered, padding.PKCS1v15(), SHA256())
    parts: dict[str, Any] = {
        "version": 1,
        "signer": cms.name_of(by.identity),
        "digest": der.Plain(kind=cms.SHA256_OID, parameters=None),
        "algorithm": der.Plain(kind=x509.ObjectIdentifier("1.2.840.113549.1.1.1"), parameters=der.Null()),
        "signature": signature,
    }
    made = (
        der.encode(der.BareSignerInfo(**parts))
        if attributes is None
        else der.encode(der.SignerInfo(attributes=der.element(element(0xA0, attributes)), **parts))
    )
    return der.encode(
        der.SignedContent(
            kind=cms.SIGNED_DATA,
            content=der.SignedData(
                version=1,
                digests=body.digests,
                encapsulated=body.encapsulated,
                certificates=body.certificates,
                crls=body.crls,
                signers=der.SetOf([der.element(made)]),
            ),
        )
    )


def headless_rebind_token() -> bytes:
    """B.10 and B.11: the inner token without its outermost tag and length."""
    carried = cms.inner(cms.unsigned(NAMES, [party("host 2").certificate]))
    assert carried[:2] == b"\x30\x82"
    return cms.sign(AUTHORITY, cms.SIGNED_DATA, carried[4:], {cms.SIGNING_TIME: AT})


def bare_unbind_token() -> bytes:
    """B.13: no signed attributes."""
    return resigned(cms.sign(AUTHORITY, cms.DATA, NAMES, {}), None, AUTHORITY)


def untagged_envelope() -> bytes:
    """B.2.2.3: the parameters of OAEP without tags."""
    made = der.decode(der.EnvelopedData, envelope.envelop(KEY, DEVICE.certificate, bytes(16), bytes(16)), "envelope")
    recipient = der.decode(der.Recipient, der.whole(made.recipients.as_list()[0], "recipient"), "recipient")
    parameters = recipient.algorithm.parameters
    bare = der.BareRecipient(
        version=0,
        recipient=recipient.recipient,
        algorithm=der.BareOaep(
            kind=recipient.algorithm.kind,
            parameters=der.BareOaepParameters(
                digest=parameters.digest,
                mask=parameters.mask,
                label=der.Label(kind=x509.ObjectIdentifier("1.2.840.113549.1.1.9"), parameters=b""),
            ),
        ),
        key=recipient.key,
    )
    return der.encode(
        der.EnvelopedData(
            version=0, recipients=der.SetOf([der.element(der.encode(bare))]), encrypted=made.encrypted
        )
    )  # fmt: skip


def test_a_misordered_credential_token() -> None:
    with pytest.raises(DecodeError, match="not the DER structure"):
        device().bind(misordered_credential_token(), AT)
    reading = lenient()
    assert tokens.read_credential_token(misordered_credential_token(), reading).certificate == HOST.certificate
    assert reading.forgiven == ["token: its revocation lists are not where CMS has them"]
    one = device(strict=False)
    one.bind(misordered_credential_token(), AT)
    assert one.state.phase is Phase.BOUND


def test_unsorted_attributes() -> None:
    one = bound()
    token = unsorted_key_token(one.ask(nonce()))
    with pytest.raises(DecodeError, match="not sorted"):
        one.accept_key(token, AT)
    one = bound(strict=False)
    found = one.accept_key(unsorted_key_token(one.ask(nonce())), AT)
    assert (found.header, found.key) == (HEADER, ClearKey(KEY))
    assert found.forgiven == ("signed attributes: not sorted as DER asks",)


def test_attributes_sorted_after_signing_are_another_set() -> None:
    """The signature covers the set as it was signed: no reader sorts for the sender."""
    one = bound(strict=False)
    token = key_token(one.ask(nonce()))
    read = cms.read_signed(token, strict())
    listed_ = [der.encode(cms.attribute(kind, value)) for kind, value in read.attributes.items()]
    body = read.covered[-sum(map(len, listed_)) :]
    assert body == b"".join(listed_)
    swapped = b"".join([listed_[1], listed_[0], *listed_[2:]])
    assert token.count(body) == 1
    with pytest.raises(IntegrityError, match="not signed"):
        one.accept_key(token.replace(body, swapped), AT)


def test_a_headless_inner_token() -> None:
    with pytest.raises(DecodeError, match="no SEQUENCE around it"):
        bound().rebind(headless_rebind_token(), AT)
    one = bound(strict=False)
    one.rebind(headless_rebind_token(), AT)
    assert one.state.host == party("host 2").certificate


def test_an_unbind_token_without_attributes() -> None:
    with pytest.raises(DecodeError, match="no signed attributes"):
        bound().unbind(bare_unbind_token(), AT)
    one = bound(strict=False)
    one.unbind(bare_unbind_token(), AT)
    assert one.state.phase is Phase.UNBOUND


def test_only_plain_data_goes_without_attributes() -> None:
    """RFC 5652, 5.3. Otherwise a signed set of attributes could be passed off as a signed content."""
    one = bound(strict=False)
    with pytest.raises(DecodeError, match="no signed attributes, which this content needs"):
        one.accept_key(resigned(key_token(one.ask(nonce())), None), AT)


def test_untagged_parameters() -> None:
    sealed = untagged_envelope()
    with pytest.raises(DecodeError, match="without the tags of RFC 4055"):
        envelope.open_envelope(sealed, DEVICE, strict())
    reading = lenient()
    assert envelope.open_envelope(sealed, DEVICE, reading) == ClearKey(KEY)
    assert reading.forgiven == ["recipient: the parameters of OAEP without the tags of RFC 4055"]


def test_a_header_that_is_no_attribute() -> None:
    block = der.encode(der.KeyBlock(version=1, sender=cms.name_of(HOST.identity), key=KEY, header=b"B0016K0TB00N0000"))
    with pytest.raises(DecodeError, match="no attribute"):
        tokens.open_key_block(ClearKey(block), strict())
    assert tokens.open_key_block(ClearKey(block), lenient()).header == b"B0016K0TB00N0000"


# Envelopes.


@pytest.mark.parametrize("key_octets", [16, 24])
@pytest.mark.parametrize("size", [0, 1, 7, 8, 15, 16, 17, 300])
def test_what_is_sealed_is_opened(key_octets: int, size: int) -> None:
    content, block = bytes(range(256))[:size] or bytes(size), 16 if key_octets == 16 else 8
    sealed = envelope.envelop(content, DEVICE.certificate, bytes(range(key_octets)), bytes(block))
    with envelope.open_envelope(sealed, DEVICE, strict()) as found:
        assert found.reveal() == content
    with pytest.raises(IntegrityError, match="not for this device"):
        envelope.open_envelope(sealed, party("device 2"), strict())


def test_a_recipient_of_the_same_name_with_another_key() -> None:
    sealed = envelope.envelop(KEY, DEVICE.certificate, bytes(16), bytes(16))
    impostor = Credential(DEVICE.certificate, party("device 2").key)
    with pytest.raises(IntegrityError, match="not for this device"):
        envelope.open_envelope(sealed, impostor, strict())


def test_no_mutation_of_an_envelope_is_opened_as_the_same_key() -> None:
    """An envelope alone has no integrity: what it says is believed only below a good signature."""
    sealed = envelope.envelop(KEY, DEVICE.certificate, bytes(range(16)), bytes(16))
    generator = random.Random(SEED)
    for index in range(len(sealed)):
        changed = bytearray(sealed)
        changed[index] ^= generator.randrange(1, 256)
        try:
            found = envelope.open_envelope(bytes(changed), DEVICE, strict())
        except ProtocolError:
            continue
        assert found != ClearKey(KEY)


def test_what_cannot_be_sealed() -> None:
    with pytest.raises(EncodeError, match="16 or 24"):
        envelope.envelop(KEY, DEVICE.certificate, bytes(32), bytes(16))
    weak = issue("weak", rsa.generate_private_key(65_537, 1_024), None, 1)
    with pytest.raises(EncodeError, match="2048"):
        envelope.envelop(KEY, weak.certificate, bytes(16), bytes(16))


def test_times_have_a_zone() -> None:
    with pytest.raises(EncodeError, match="time zone"):
        cms.attribute(cms.SIGNING_TIME, datetime(2026, 11, 22))  # noqa: DTZ001
    far = datetime(2050, 1, 1, 12, 30, 15, tzinfo=UTC)
    for moment in (far, AT):
        assert cms.value_of(cms.attribute(cms.SIGNING_TIME, moment)) == moment


def test_two_signers_are_one_too_many() -> None:
    body = der.decode(der.SignedContent, key_token(AT), "token").content
    (one,) = body.signers.as_list()
    other = der.element(der.sequence(bytes(one.data)[:-1] + b"\x00"))
    twice = der.SignedData(
        version=1,
        digests=body.digests,
        encapsulated=body.encapsulated,
        certificates=None,
        crls=body.crls,
        signers=der.SetOf([one, other]),
    )
    with pytest.raises(DecodeError, match="2 signers"):
        cms.read_signed(der.encode(der.SignedContent(kind=cms.SIGNED_DATA, content=twice)), lenient())


def test_a_token_too_long_is_not_looked_at() -> None:
    with pytest.raises(DecodeError, match="65536 at most"):
        bound().accept_key(element(0x30, bytes(70_000)), AT)


def test_nothing_secret_in_errors_and_texts() -> None:
    """Also not in the repr of what a transport delivers."""
    one = bound()
    found = one.accept_key(key_token(AT), AT)
    assert KEY.hex() not in repr(found).lower()
    assert "redacted" in repr(found)


# Garbage.

READERS: tuple[Callable[[bytes], object], ...] = (
    tokens.read_random_token,
    lambda data: tokens.read_credential_token(data, lenient()),
    lambda data: tokens.read_key_token(data, lenient()),
    lambda data: tokens.read_binding_token(data, lenient()),
    lambda data: envelope.open_envelope(data, DEVICE, lenient()),
    lambda data: tokens.open_key_block(ClearKey(data), lenient()),
)


def garbage(generator: random.Random, good: list[bytes]) -> bytes:
    """Noise, noise in a good frame, or a good token with pieces cut, doubled, moved or changed."""
    kind = generator.randrange(4)
    if kind == 0:
        return generator.randbytes(generator.randrange(200))
    if kind == 1:
        return element(0x30, der.encode(cms.SIGNED_DATA) + element(0xA0, generator.randbytes(generator.randrange(90))))
    octets = bytearray(generator.choice(good))
    for _ in range(generator.randrange(1, 6)):
        at = generator.randrange(len(octets))
        piece = octets[at : at + generator.randrange(1, 40)]
        match generator.randrange(4):
            case 0:
                octets[at] ^= generator.randrange(1, 256)
            case 1:
                del octets[at : at + len(piece)]
            case 2:
                octets[at:at] = piece
            case _:
                octets[at : at + len(piece)] = generator.randbytes(len(piece))
        if not octets:
            break
    return bytes(octets)


def run_garbage(cases: int, seed: int) -> None:
    """Readers raise only our errors; a bound device takes nothing and stays as it is."""
    generator = random.Random(seed)
    one = bound(strict=False)
    answers = one.ask(nonce())
    good = [
        answers,
        key_token(answers),
        key_token(AT),
        host().credential_token(listed()),
        host().rebind_token(DEVICE.identity, host("host 2").credential_token(listed()), answers, listed()),
        host().unbind_token(DEVICE.identity, answers, listed()),
        headless_rebind_token(),
        untagged_envelope(),
    ]
    before = one.state
    acts: tuple[Callable[[bytes, datetime], object], ...] = (one.accept_key, one.rebind, one.unbind)
    for _ in range(cases):
        data = garbage(generator, good)
        if data in good:
            continue
        with contextlib.suppress(ProtocolError):
            generator.choice(READERS)(data)
        with pytest.raises(ProtocolError):
            generator.choice(acts)(data, AT)
    assert one.state == before
    one.accept_key(good[1], AT)


def test_garbage() -> None:
    run_garbage(3_000, SEED)


@pytest.mark.long
def test_garbage_long() -> None:
    name = "garbage into TR-34 tokens"
    with keys_evidence.recorded(name, SEED + 1):
        run_garbage(keys_evidence.RUNS[name], SEED + 1)
