# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The warden's Ed25519 against RFC 8032 and against the package that signs."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from terminal_agent.errors import AgentError
from terminal_agent.usb.libcrypto import Libcrypto

# RFC 8032, 7.1: public key, message, signature of tests 1 to 3.
VECTORS = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
        "387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
        "4a7c15e9716ed28dc027beceea1ec40a",
    ),
]


@pytest.mark.parametrize(("public", "message", "signature"), VECTORS)
def test_rfc_8032(public: str, message: str, signature: str) -> None:
    octets = [bytes.fromhex(one) for one in (public, message, signature)]
    verify = Libcrypto().verify
    assert verify(*octets)
    for place in range(3):
        for turned in range(0, len(octets[place]), 7):
            changed = bytearray(octets[place])
            changed[turned] ^= 1
            assert not verify(*(bytes(changed) if one == place else octets[one] for one in range(3)))


def test_what_the_package_signs_is_believed_and_nothing_shorter() -> None:
    verify, key = Libcrypto().verify, Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    for size in (0, 1, 63, 64, 65, 4096, 1 << 20):
        message = bytes(size)
        signature = key.sign(message)
        assert verify(public, message, signature)
        assert not verify(public, message + b"\0", signature)
        assert not verify(public, message, signature[:-1])
        assert not verify(public[:-1], message, signature)
        assert not verify(bytes(32), message, signature)


def test_without_the_library_a_fault_names_the_package() -> None:
    with pytest.raises(AgentError) as fault:
        Libcrypto(("libcrypto.so.no-such",))
    assert "libssl3" in fault.value.hint
