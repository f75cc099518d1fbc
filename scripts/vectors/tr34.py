# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Makes ``tests/vectors/tr34.json``: TR-34 tokens of ours, checked by ``openssl cms``, and tokens made with OpenSSL.

There are no free vectors of TR-34. ``make`` draws new TEST keys and writes the file; ``check`` lets the OpenSSL that is
here look at the tokens of ours in the file again.
"""

import base64
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from cryptography import x509  # noqa: E402  # the path above comes first
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key  # noqa: E402
from cryptography.hazmat.primitives.serialization import (  # noqa: E402
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from protocols.keyblock.header import Header  # noqa: E402
from protocols.keyblock.optional import Reading  # noqa: E402
from protocols.keyblock.tr34 import tokens  # noqa: E402
from protocols.keyblock.tr34.cms import Credential  # noqa: E402
from protocols.keyblock.tr34.distributor import (  # noqa: E402
    Distributor,
    authority_rebind_token,
    authority_unbind_token,
)
from tests.protocols.keyblock.tr34 import openssl, pki  # noqa: E402

NONCE = bytes.fromhex("0F1E2D3C4B5A69788796A5B4C3D2E1F0")
TDES = ("B0016K0TB00E0000", "0123456789ABCDEFFEDCBA9876543210")
AES = ("D0016K0AB00E0000", "00112233445566778899AABBCCDDEEFF")
KEYS = {"TDES": TDES, "AES": AES}


def text(octets: bytes) -> str:
    """Octets in the file."""
    return base64.b64encode(octets).decode()


def parties() -> dict[str, Credential]:
    """New parties with new keys."""

    def made(name: str, issuer: Credential | None, serial: int, usage: str, *, ca: bool = False) -> Credential:
        key = generate_private_key(65_537, 2_048)
        found[name] = pki.issue(name, key, issuer, serial, usage=usage, ca=ca)
        return found[name]

    found: dict[str, Credential] = {}
    root = made("root", None, 0x3A01, "key_cert_sign", ca=True)
    hosts = made("host authority", root, 0x3A02, "key_cert_sign", ca=True)
    devices = made("device authority", root, 0x3A03, "key_cert_sign", ca=True)
    for number in (1, 2):
        made(f"host {number}", hosts, 0x3A10 + number, "digital_signature")
        made(f"device {number}", devices, 0x3A20 + number, "key_encipherment")
    return found


def ours(who: dict[str, Credential], crl: x509.CertificateRevocationList) -> Iterator[dict[str, Any]]:
    """Tokens of ours with what OpenSSL finds in them."""
    host, new_host, device = who["host 1"], who["host 2"], who["device 1"]
    kdh = Distributor(host, [who["root"].certificate], [who["device authority"].certificate])
    for name, (header, key) in KEYS.items():
        for passes, answers in ((2, tokens.random_token(NONCE)), (1, pki.AT)):
            form = Header(header[0], header[5:7], header[7], header[8], header[9:11], header[11])
            made = kdh.key_token(device.certificate, form, bytes.fromhex(key), os.urandom(32), crl, answers)
            yield {
                "kind": "KT", "passes": passes, "what": name, "signer": "host 1", "token": text(made),
                "header": header, "key": key,
            }  # fmt: skip
    device_name, host_name = device.identity, host.identity
    yield {
        "kind": "RBT", "signer": "host 1",
        "token": text(kdh.rebind_token(
            device_name, tokens.credential_token(new_host.certificate, crl), tokens.random_token(NONCE), crl
        )),
    }  # fmt: skip
    yield {
        "kind": "UBT", "signer": "host 1",
        "token": text(kdh.unbind_token(device_name, tokens.random_token(NONCE), crl)),
    }  # fmt: skip
    authority = who["device authority"]
    yield {
        "kind": "RBT", "signer": "device authority",
        "token": text(authority_rebind_token(authority, device_name, host_name, new_host.certificate, None, pki.AT)),
    }  # fmt: skip
    yield {
        "kind": "UBT", "signer": "device authority",
        "token": text(authority_unbind_token(authority, device_name, host_name, pki.AT)),
    }  # fmt: skip


def looked_at(entry: dict[str, Any], who: dict[str, Credential]) -> dict[str, Any]:
    """An entry with what OpenSSL says; an error if it says no."""
    token = base64.b64decode(entry["token"])
    content = openssl.verified(token, who[entry["signer"]].certificate)
    found = {"verified": True, "content_sha256": hashlib.sha256(content).hexdigest()}
    if entry["kind"] == "KT":
        block = openssl.opened(content, who["device 1"])
        sent = tokens.read_key_token(token, Reading(strict=True))
        assert bytes.fromhex(entry["key"]) in block, "OpenSSL finds another key in the envelope"
        assert sent.header in block, "OpenSSL finds another header in the envelope"
        found["opened_sha256"] = hashlib.sha256(block).hexdigest()
    return {**entry, "openssl": found}


def others(who: dict[str, Credential], crl: x509.CertificateRevocationList) -> Iterator[dict[str, Any]]:
    """Tokens made with OpenSSL."""
    host, device = who["host 1"], who["device 1"].certificate
    yield {"kind": "CT", "of": "host 1", "token": text(openssl.credential(host.certificate, crl))}
    yield {"kind": "CT", "of": "device 1", "token": text(openssl.credential(device, None))}
    yield {"kind": "RT", "nonce": NONCE.hex().upper(), "token": text(openssl.random_token(NONCE))}
    for what, cipher in (("TDES", "aes-128-cbc"), ("TDES", "des-ede3-cbc"), ("AES", "aes-128-cbc")):
        header, key = KEYS[what]
        for passes, freshness in ((2, NONCE), (1, pki.AT)):
            made = openssl.key_token(host, device, header, bytes.fromhex(key), freshness, crl, cipher)
            yield {
                "kind": "KT", "passes": passes, "what": what, "cipher": cipher, "signer": "host 1",
                "token": text(made), "header": header, "key": key,
            }  # fmt: skip
    names = openssl.parties(device, host.certificate)
    yield {
        "kind": "UBT", "signer": "device authority", "about": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "token": text(openssl.signed(names, who["device authority"])),
    }  # fmt: skip


def make() -> None:
    """Write the file."""
    who = parties()
    crl = pki.revocations(who["host authority"], [who["host authority"]])
    document = {
        "about": "TR-34 tokens and their parties; all keys are TEST keys, made for this file and public",
        "made_by": f"scripts/vectors/tr34.py with {openssl.version()}",
        "at": pki.AT.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "nonce": NONCE.hex().upper(),
        "parties": {
            name: {
                "certificate": text(one.certificate.public_bytes(Encoding.DER)),
                "key": text(one.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())),
            }
            for name, one in who.items()
        },
        "revocations": text(crl.public_bytes(Encoding.DER)),
        "ours": [looked_at(entry, who) for entry in ours(who, crl)],
        "openssl": list(others(who, crl)),
    }
    pki.VECTORS.write_text(json.dumps(document, indent=1) + "\n")
    print(f"{pki.VECTORS.relative_to(ROOT)}: {len(document['ours'])} of ours, {len(document['openssl'])} of OpenSSL")


def check() -> None:
    """Look at the tokens of ours again."""
    entries = pki.vectors()["ours"]
    who = {name: pki.party(name) for name in pki.vectors()["parties"]}
    for entry in entries:
        assert looked_at(entry, who) == entry, f"{openssl.version()} says something else than the file"
    print(f"{openssl.version()}: {len(entries)} tokens of ours verified, the keys in them found")


if __name__ == "__main__":
    if sys.argv[1:] not in (["make"], ["check"]):
        sys.exit("usage: scripts/vectors/tr34.py make|check")
    make() if sys.argv[1] == "make" else check()
