# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Ed25519 signatures verified by OpenSSL's libcrypto through ctypes: the one file that loads it. Holds no private key.

The warden must not carry a cryptographic package of its own; the library is on every terminal and is updated with it.
Where it is missing or older than 1.1.1 nothing is believed, so no policy is in force and no device is allowed.
"""

import ctypes

from protocols.public_key import PUBLIC_OCTETS
from terminal_agent.errors import AgentError

NAMES = ("libcrypto.so.3", "libcrypto.so.1.1")
SIGNATURE_OCTETS = 64  # RFC 8032, 5.1.6
EVP_PKEY_ED25519 = 1087  # NID_ED25519 (openssl/obj_mac.h)


class Libcrypto:
    """The library, loaded once; :class:`AgentError` where there is none."""

    def __init__(self, names: tuple[str, ...] = NAMES) -> None:
        self._library = _load(names)
        for name in ("EVP_PKEY_new_raw_public_key", "EVP_MD_CTX_new"):
            getattr(self._library, name).restype = ctypes.c_void_p

    def verify(self, public: bytes, message: bytes, signature: bytes) -> bool:
        """Whether a signature fits (EVP_DigestVerify(3)); anything but a clear yes is a no."""
        if len(public) != PUBLIC_OCTETS or len(signature) != SIGNATURE_OCTETS:
            return False
        library = self._library
        key = ctypes.c_void_p(
            library.EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, None, public, ctypes.c_size_t(len(public)))
        )
        context = ctypes.c_void_p(library.EVP_MD_CTX_new())
        try:
            if not key or not context or library.EVP_DigestVerifyInit(context, None, None, None, key) != 1:
                return False
            answer = library.EVP_DigestVerify(
                context, signature, ctypes.c_size_t(len(signature)), message, ctypes.c_size_t(len(message))
            )
            return bool(answer == 1)
        finally:
            library.EVP_MD_CTX_free(context)
            library.EVP_PKEY_free(key)


def _load(names: tuple[str, ...]) -> ctypes.CDLL:
    for name in names:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    raise AgentError(f"no {names[0]} on this machine", "install OpenSSL's library (Debian: libssl3)")
