# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The documents of an enrolment: what a terminal asks, what head office answers. Bytes only; decides on no key.

Each is a line of :mod:`protocols.telemetry.seal` and one line of JSON, so it can go by any way, a memory stick too:

=========== ============================================ ==========================================================
application the terminal, sealed by its new key          who it is, the five elements, and the request for a
                                                         certificate (PKCS #10, RFC 2986)
endorsement the key in force, or a technician's          an application inside: a renewal, or one proof of a recovery
review      head office, sealed by the issuing authority accepted, or what is wrong with each field
activation  the terminal, sealed by its new key          that the merchant's activation code is known
issue       head office, sealed by the issuing authority the certificate, and the version of the binding
=========== ============================================ ==========================================================

Every answer names the application by the SHA-256 of its body, so none can be taken for another's.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any

from protocols.errors import DecodeError, EncodeError
from protocols.identity.binding import LARGEST_VERSION, Binding
from protocols.strict_json import strict_object
from protocols.telemetry.events import TIME_MS
from protocols.telemetry.seal import Sealed, Signer, open_seal, seal
from protocols.telemetry.topics import is_terminal_name

APPLICATION = b"tillguard application, version 1\n"
ENDORSEMENT = b"tillguard endorsement, version 1\n"
REVIEW = b"tillguard review, version 1\n"
ACTIVATION = b"tillguard activation, version 1\n"
ISSUE = b"tillguard issue, version 1\n"
LARGEST = 16_384
VERSION = 1
_DIGEST_SIGNS = 64
_LONGEST_TEXT = 4_096


@dataclass(frozen=True, slots=True)
class Application:
    """A terminal's request. ``request`` is the PKCS #10 request in PEM; ``nonce`` tells two equal ones apart."""

    terminal: str
    binding: Binding
    model: str
    request: str
    nonce: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Review:
    """What head office says of an application. ``faults``: field to cause; empty means accepted."""

    terminal: str
    application: str
    at_ms: int
    faults: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Activation:
    """The proof that the code is known (:func:`protocols.identity.activation.proof_of`)."""

    terminal: str
    application: str
    at_ms: int
    proof: str


@dataclass(frozen=True, slots=True)
class Issue:
    """A certificate in PEM, and the version of the binding that it stands for."""

    terminal: str
    application: str
    at_ms: int
    certificate: str
    binding: int


def digest(body: bytes) -> str:
    """What the answers name an application by."""
    return hashlib.sha256(body).hexdigest()


def encode_application(application: Application, signer: Signer) -> bytes:
    """Sealed by the key that the certificate is for."""
    document = asdict(application)
    document |= document.pop("binding")
    document["at"] = document.pop("at_ms")
    return _sealed(APPLICATION, document, signer)


def read_application(sealed: Sealed) -> Application:
    """What an application says; its fields are bounded and of their types, and not judged."""
    texts = ("terminal", "acquirer", "merchant", "licence", "serial", "location", "model", "request", "nonce")
    found = _document(sealed, "application", texts)
    binding = Binding(*(found[name] for name in ("acquirer", "merchant", "licence", "serial", "location")))
    return Application(found["terminal"], binding, found["model"], found["request"], found["nonce"], found["at"])


def endorse(application: bytes, signer: Signer) -> bytes:
    """An application's octets, with its seal, inside the seal of somebody who stands for it."""
    return seal(ENDORSEMENT, application, signer)


def encode_review(review: Review, signer: Signer) -> bytes:
    """Sealed by the issuing authority."""
    return _sealed(REVIEW, _plain(review) | {"faults": dict(review.faults)}, signer)


def read_review(sealed: Sealed) -> Review:
    """What a review says."""
    found = _document(sealed, "review", ("terminal", "application"), "faults")
    faults = found["faults"]
    if not isinstance(faults, dict) or not all(isinstance(words, str) for words in faults.values()):
        raise DecodeError("review, faults", "fields and causes expected")
    return Review(found["terminal"], _named(found, "review"), found["at"], MappingProxyType(faults))


def encode_activation(activation: Activation, signer: Signer) -> bytes:
    """Sealed by the key that the certificate is for."""
    return _sealed(ACTIVATION, _plain(activation), signer)


def read_activation(sealed: Sealed) -> Activation:
    """What an activation says."""
    found = _document(sealed, "activation", ("terminal", "application", "proof"))
    return Activation(found["terminal"], _named(found, "activation"), found["at"], found["proof"])


def encode_issue(issue: Issue, signer: Signer) -> bytes:
    """Sealed by the issuing authority."""
    return _sealed(ISSUE, _plain(issue), signer)


def read_issue(sealed: Sealed) -> Issue:
    """What an issue says; the certificate itself is not looked into."""
    found = _document(sealed, "issue", ("terminal", "application", "certificate"), "binding")
    version = found["binding"]
    if type(version) is not int or not 1 <= version <= LARGEST_VERSION:
        raise DecodeError("issue, binding", f"1 to {LARGEST_VERSION} expected")
    return Issue(found["terminal"], _named(found, "issue"), found["at"], found["certificate"], version)


def open_document(octets: bytes, where: str) -> Sealed:
    """Seal and body of any of them; verify it with the key that its sender is known by before reading it."""
    return open_seal(octets, where, LARGEST)


def _plain(document: Any) -> dict[str, Any]:
    found = {name: getattr(document, name) for name in document.__slots__}
    found["at"] = found.pop("at_ms")
    return found


def _sealed(context: bytes, document: dict[str, Any], signer: Signer) -> bytes:
    body = json.dumps({"v": VERSION, **document}, ensure_ascii=True, separators=(",", ":")).encode("ascii") + b"\n"
    octets = seal(context, body, signer)
    if len(octets) > LARGEST:
        raise EncodeError(f"document of {len(octets)} octets, at most {LARGEST} expected")
    return octets


def _document(sealed: Sealed, where: str, texts: tuple[str, ...], *more: str) -> dict[str, Any]:
    if not sealed.body.endswith(b"\n"):
        raise DecodeError(where, "one line expected")
    found = strict_object(sealed.body[:-1], where, {"v", "at", *texts, *more})
    if type(found["v"]) is not int or found["v"] != VERSION:
        raise DecodeError(f"{where}, v", f"version {VERSION} expected")
    if type(found["at"]) is not int or found["at"] not in TIME_MS:
        raise DecodeError(f"{where}, at", "milliseconds since 1970 expected, below 2**53")
    for name in texts:
        if not isinstance(found[name], str) or len(found[name]) > _LONGEST_TEXT:
            raise DecodeError(f"{where}, {name}", f"a text of at most {_LONGEST_TEXT} signs expected")
    if not is_terminal_name(found["terminal"]):
        raise DecodeError(f"{where}, terminal", "a terminal's name expected")
    return found


def _named(found: dict[str, Any], where: str) -> str:
    name: str = found["application"]
    if len(name) != _DIGEST_SIGNS or not set(name) <= set("0123456789abcdef"):
        raise DecodeError(f"{where}, application", f"{_DIGEST_SIGNS} hexadecimal digits expected")
    return name
