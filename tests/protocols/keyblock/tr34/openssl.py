# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""TR-34 tokens by the ``openssl`` command: the second opinion on ours, and the maker of others.

What its command line cannot make (signed attributes of one's choice, lists inside a signed structure) is put together
here from its envelope and its signature, by a writer of DER that shares nothing with the one under test.
"""

import shutil
import subprocess
import tempfile
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from protocols.keyblock.tr34.cms import Credential
from tests.protocols.keyblock.tr34.pki import private_pem

THERE = shutil.which("openssl") is not None
_SHA256, _RSA = "608648016503040201", "2a864886f70d010101"
_SIGNED, _ENVELOPED, _DATA = "2a864886f70d010702", "2a864886f70d010703", "2a864886f70d010701"
_CONTENT_TYPE, _DIGEST, _TIME = "2a864886f70d010903", "2a864886f70d010904", "2a864886f70d010905"
_NONCE = "2a864886f70d01091903"


def version() -> str:
    """Which OpenSSL this is."""
    return _run("version").decode().strip()


def verified(token: bytes, signer: x509.Certificate) -> bytes:
    """The content of a token, if ``openssl cms`` finds it signed by ``signer``."""
    with tempfile.TemporaryDirectory() as folder:
        there = Path(folder)
        (there / "token").write_bytes(token)
        (there / "signer").write_bytes(signer.public_bytes(Encoding.PEM))
        return _run(
            "cms", "-verify", "-inform", "DER", "-binary", "-noverify", "-nointern",
            "-certfile", f"{folder}/signer", "-in", f"{folder}/token",
        )  # fmt: skip


def opened(envelope: bytes, recipient: Credential) -> bytes:
    """The content of enveloped data, by ``openssl cms``."""
    with tempfile.TemporaryDirectory() as folder:
        there = Path(folder)
        (there / "envelope").write_bytes(_element(0x30, _oid(_ENVELOPED) + _element(0xA0, envelope)))
        (there / "recipient").write_bytes(recipient.certificate.public_bytes(Encoding.PEM))
        (there / "key").write_bytes(private_pem(recipient))
        return _run(
            "cms", "-decrypt", "-inform", "DER", "-binary", "-in", f"{folder}/envelope",
            "-recip", f"{folder}/recipient", "-inkey", f"{folder}/key",
        )  # fmt: skip


def envelope(content: bytes, recipient: x509.Certificate, cipher: str) -> bytes:
    """Enveloped data by ``openssl cms``: OAEP with SHA-256; ``cipher`` such as aes-128-cbc."""
    with tempfile.TemporaryDirectory() as folder:
        there = Path(folder)
        (there / "content").write_bytes(content)
        (there / "recipient").write_bytes(recipient.public_bytes(Encoding.PEM))
        whole = _run(
            "cms", "-encrypt", f"-{cipher}", "-binary", "-outform", "DER", "-in", f"{folder}/content",
            "-recip", f"{folder}/recipient", "-keyopt", "rsa_padding_mode:oaep",
            "-keyopt", "rsa_oaep_md:sha256", "-keyopt", "rsa_mgf1_md:sha256",
        )  # fmt: skip
    return _inside(_after(_inside(whole)))


def signed(content: bytes, signer: Credential) -> bytes:
    """Signed data by ``openssl cms`` alone: content type, present time and digest as attributes."""
    with tempfile.TemporaryDirectory() as folder:
        there = Path(folder)
        (there / "content").write_bytes(content)
        (there / "signer").write_bytes(signer.certificate.public_bytes(Encoding.PEM))
        (there / "key").write_bytes(private_pem(signer))
        return _run(
            "cms", "-sign", "-binary", "-nodetach", "-nosmimecap", "-nocerts", "-md", "sha256", "-outform", "DER",
            "-in", f"{folder}/content", "-signer", f"{folder}/signer", "-inkey", f"{folder}/key",
        )  # fmt: skip


def credential(certificate: x509.Certificate, revocations: x509.CertificateRevocationList | None) -> bytes:
    """A certificate and a list as ``openssl crl2pkcs7`` puts them together."""
    with tempfile.TemporaryDirectory() as folder:
        there = Path(folder)
        (there / "certificate").write_bytes(certificate.public_bytes(Encoding.PEM))
        words = ["crl2pkcs7", "-outform", "DER", "-certfile", f"{folder}/certificate"]
        if revocations is None:
            return _run(*words, "-nocrl")
        (there / "list").write_bytes(revocations.public_bytes(Encoding.PEM))
        return _run(*words, "-in", f"{folder}/list")


def random_token(nonce: bytes) -> bytes:
    """RT by ``openssl asn1parse``."""
    with tempfile.TemporaryDirectory() as folder:
        there = Path(folder)
        (there / "form").write_text(
            "asn1=SEQUENCE:token\n[token]\nkind=OID:1.2.840.113549.1.9.25.3\nvalues=SET:values\n"
            f"[values]\nnonce=FORMAT:HEX,OCTETSTRING:{nonce.hex()}\n"
        )
        _run("asn1parse", "-genconf", f"{folder}/form", "-noout", "-out", f"{folder}/token")
        return (there / "token").read_bytes()


def key_token(
    sender: Credential,
    recipient: x509.Certificate,
    header: str,
    key: bytes,
    freshness: bytes | datetime,
    revocations: x509.CertificateRevocationList,
    cipher: str,
) -> bytes:
    """KT with an envelope by ``openssl cms`` and a signature by ``openssl dgst``."""
    announced = _element(0x30, _oid(_DATA) + _element(0x31, _element(0x04, header.encode())))
    block = _element(0x30, _element(0x02, b"\1") + _name(sender.certificate) + _element(0x04, key) + announced)
    sealed = envelope(block, recipient, cipher)
    digest = _run("dgst", "-sha256", "-binary", given=sealed)
    if isinstance(freshness, datetime):
        fresh = _attribute(_TIME, _element(0x17, freshness.strftime("%y%m%d%H%M%SZ").encode()))
    else:
        fresh = _attribute(_NONCE, _element(0x04, freshness))
    attributes = b"".join(
        sorted(
            (_attribute(_CONTENT_TYPE, _oid(_ENVELOPED)), fresh, announced, _attribute(_DIGEST, _element(0x04, digest)))
        )
    )
    with tempfile.TemporaryDirectory() as folder:
        key_file = Path(folder) / "key"
        key_file.write_bytes(private_pem(sender))
        signature = _run("dgst", "-sha256", "-sign", str(key_file), given=_element(0x31, attributes))
    sha256 = _element(0x30, _oid(_SHA256))
    signer = _element(
        0x30,
        _element(0x02, b"\1") + _name(sender.certificate) + sha256 + _element(0xA0, attributes)
        + _element(0x30, _oid(_RSA) + b"\5\0") + _element(0x04, signature),
    )  # fmt: skip
    body = (
        _element(0x02, b"\1") + _element(0x31, sha256)
        + _element(0x30, _oid(_ENVELOPED) + _element(0xA0, _element(0x04, sealed)))
        + _element(0xA1, revocations.public_bytes(Encoding.DER)) + _element(0x31, signer)
    )  # fmt: skip
    return _element(0x30, _oid(_SIGNED) + _element(0xA0, _element(0x30, body)))


def parties(*certificates: x509.Certificate) -> bytes:
    """Names of certificates side by side."""
    return b"".join(_name(certificate) for certificate in certificates)


def _name(certificate: x509.Certificate) -> bytes:
    serial = certificate.serial_number
    octets = serial.to_bytes(serial.bit_length() // 8 + 1, "big")
    return _element(0x30, certificate.issuer.public_bytes() + _element(0x02, octets))


def _attribute(kind: str, value: bytes) -> bytes:
    return _element(0x30, _oid(kind) + _element(0x31, value))


def _oid(octets: str) -> bytes:
    return _element(0x06, bytes.fromhex(octets))


def _element(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    digits = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(digits))) + digits + content


def _inside(element: bytes) -> bytes:
    """What is in the element at the beginning."""
    return element[2 + (element[1] & 0x7F if element[1] & 0x80 else 0) :]


def _after(elements: bytes) -> bytes:
    """What follows the (short) element at the beginning."""
    return elements[2 + elements[1] :]


def _run(*words: str, given: bytes = b"") -> bytes:
    done = subprocess.run(["openssl", *words], input=given, capture_output=True, check=False, timeout=60)
    if done.returncode:
        raise AssertionError(f"openssl {words[0]}: {done.stderr.decode(errors='replace')}")
    return done.stdout
