# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Which session keys a PIN pad's twin has left behind. Remembers digests, holds no key.

Under master and session keys whoever speaks to the pad chooses the session key by its cryptogram. One that leaked years
ago is as good as today's, unless the pad refuses it: so a key that was replaced never comes back, whatever cryptogram
or slot brings it. The one in use may go on; how long is the acquirer's decision.
"""

import hashlib

from protocols.secret import ClearKey

DIGEST_OCTETS = 16
MOST = 1024  # memory is finite: a pad that has seen more takes no new key until it is loaded anew


class SessionKeys:
    """What one pad remembers of session keys for PINs."""

    def __init__(self) -> None:
        self._seen: list[bytes] = []

    def admit(self, key: ClearKey) -> bool:
        """Whether a PIN may go out under ``key``; a new one takes the place of the one in use."""
        digest = hashlib.sha256(b"session key" + bytes(key.reveal())).digest()[:DIGEST_OCTETS]
        if self._seen and self._seen[-1] == digest:
            return True
        if digest in self._seen or len(self._seen) >= MOST:
            return False
        self._seen.append(digest)
        return True

    def octets(self) -> bytes:
        """For the pad's memory."""
        return b"".join(self._seen)

    def restore(self, octets: bytes) -> None:
        """From the pad's memory."""
        self._seen = [octets[place : place + DIGEST_OCTETS] for place in range(0, len(octets), DIGEST_OCTETS)]

    def wipe(self) -> None:
        """Forget all of them: the keys they came under are gone too."""
        self._seen.clear()
