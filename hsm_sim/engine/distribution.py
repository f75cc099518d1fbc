# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The unit as key distribution host of TR-34: its own RSA key, and keys on their way to terminals. Knows no wire.

A terminal's initial key of DUKPT is derived for its serial number and leaves at once, enciphered for the one device
whose certificate the authority of devices has signed; a key that is kept leaves where it says that it may.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key

from hsm_sim.engine.check_values import key_check_value
from hsm_sim.engine.dukpt import initial_key
from hsm_sim.engine.key_types import Use
from hsm_sim.engine.key_usages import EXPORT_NONE, USAGES
from hsm_sim.engine.keyring import Keyring
from hsm_sim.engine.purpose import AES, TDES
from hsm_sim.engine.refusal import Reason, Refused
from hsm_sim.engine.requests import KeyUnderLmk, Request, record
from hsm_sim.engine.rsa_keys import EXPONENT
from hsm_sim.engine.sealing import seal, unseal
from protocols.dukpt.ksn import AesKsn, Ksn
from protocols.keyblock.header import Header
from protocols.keyblock.tr34.cms import Credential
from protocols.keyblock.tr34.distributor import Distributor
from protocols.secret import ClearKey

PURPOSE = "TR-34 private keys"
LABEL = b"KDH1"
BITS = 3_072
CHECK_OCTETS: Mapping[str, int] = MappingProxyType({TDES: 3, AES: 5})
_SENT: Mapping[str, tuple[str, str]] = MappingProxyType({"002": ("K0", "B")})
"""Key type under a variant LMK → usage and mode of use in the token; others have no counterpart in a terminal."""


@record
class HostKey:
    """A new private key, sealed, and the request for its certificate in DER (PKCS #10)."""

    sealed: bytes
    request: bytes


@record
class MakeHostKey(Request[HostKey]):
    """A new RSA key for a host of that name."""

    subject: x509.Name


@record
class SentToken:
    """A key token, for whom it is, and the check value of its key."""

    token: bytes
    device: x509.Certificate
    check_value: bytes


@record
class SendByToken(Request[SentToken]):
    """Send a key: with ``ksn`` the initial key that ``key``, a BDK, gives for it; else ``key`` itself.

    ``transport``: a terminal's master key goes as what opens key blocks, K1, whatever the unit calls it.
    ``answers`` is the device's random number token (two passes), or the time (one pass).
    """

    sealed: bytes
    certificate: x509.Certificate
    devices: x509.Certificate
    """The authority that certifies devices."""
    device: bytes
    """The device's credential token."""
    revocations: x509.CertificateRevocationList
    key: KeyUnderLmk
    ksn: Ksn | None
    transport: bool
    answers: bytes | datetime
    at: datetime


def make_host_key(keyring: Keyring, request: MakeHostKey) -> HostKey:
    """An RSA key whose private half lies under the LMK."""
    made = rsa.generate_private_key(EXPONENT, BITS)  # at once: in the state that this takes no host is served
    asked = x509.CertificateSigningRequestBuilder().subject_name(request.subject).sign(made, SHA256())
    octets = bytearray(made.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
    with ClearKey(octets) as clear:
        return HostKey(seal(keyring, PURPOSE, LABEL, clear), asked.public_bytes(Encoding.DER))


def host_credential(keyring: Keyring, sealed: bytes, certificate: x509.Certificate) -> Credential:
    """The private key with its certificate; refuses a certificate for another key."""
    _, clear = unseal(keyring, PURPOSE, sealed)
    with clear:
        key = load_der_private_key(bytes(clear.reveal()), None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, rsa.RSAPrivateKey) or key.public_key() != certificate.public_key():
        raise Refused(Reason.PRIVATE_KEY)
    return Credential(certificate, key)


@record
class CheckHost(Request[None]):
    """Whether a certificate is for a private key of :class:`MakeHostKey`."""

    sealed: bytes
    certificate: x509.Certificate


def check_host(keyring: Keyring, request: CheckHost) -> None:
    """Refuse a certificate for another key."""
    host_credential(keyring, request.sealed, request.certificate)


def send_by_token(keyring: Keyring, request: SendByToken) -> SentToken:
    """The key token; a device that its authority does not vouch for is an ``IntegrityError``, before a key is made."""
    host = Distributor(host_credential(keyring, request.sealed, request.certificate), [request.devices])
    device = host.accept_device(request.device, request.at)
    header, clear = _key(keyring, request)
    with clear:
        check_value = key_check_value(clear, CHECK_OCTETS[header.algorithm], header.algorithm)
        fresh = keyring.random(32)
        token = host.key_token(device, header, clear, fresh, request.revocations, request.answers)
        return SentToken(token, device, check_value)


def _key(keyring: Keyring, request: SendByToken) -> tuple[Header, ClearKey]:
    if request.ksn is not None:
        version, algorithm = ("D", AES) if isinstance(request.ksn, AesKsn) else ("B", TDES)
        return Header(version, "B1", algorithm, "X"), initial_key(keyring, request.key, request.ksn)
    keyring.release(request.key)
    header, clear = _kept(keyring, request)
    if not request.transport:
        return header, clear
    if not USAGES.get(header.usage, Use(0)) & Use.TERMINAL_TRANSPORT:
        clear.wipe()
        raise Refused(Reason.NOT_PERMITTED)
    return Header(header.version, "K1", header.algorithm, "D"), clear


def _kept(keyring: Keyring, request: SendByToken) -> tuple[Header, ClearKey]:
    key = keyring.resolved(request.key)
    block = keyring.header(key)
    if block is None:
        if key.kind.code not in _SENT:
            raise Refused(Reason.NOT_PERMITTED)
        usage, mode = _SENT[key.kind.code]
        return Header("B", usage, TDES, mode), keyring.unwrap(key)
    if block.exportability == EXPORT_NONE:
        raise Refused(Reason.KEY_BLOCK_EXPORT)
    version = "D" if block.algorithm == AES else "B"
    return Header(version, block.usage, block.algorithm, block.mode), keyring.unwrap(key)


OPERATIONS: Mapping[type, Callable[[Keyring, Any], Any]] = {
    MakeHostKey: make_host_key,
    CheckHost: check_host,
    SendByToken: send_by_token,
}
