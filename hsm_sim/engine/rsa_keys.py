# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Where new RSA private keys come from: made when asked for, or ahead, by whoever can wait. Seals and wraps nothing.

Finding two primes takes up to seconds, and one thread answers all hosts. Who runs such a thread sets ``ahead``: then a
key that is not there raises :class:`Lengthy`, whose work any other thread may do, and the command is asked again.
"""

from collections import deque
from collections.abc import Callable
from functools import partial

from cryptography.hazmat.primitives.asymmetric import rsa

EXPONENT = 65_537


class Lengthy(Exception):  # nothing went wrong: the answer needs work that is better done elsewhere
    """The answer takes long: do ``work`` in another thread, then ask again; nothing was carried out so far."""

    def __init__(self, work: Callable[[], None]) -> None:
        super().__init__("work for another thread")
        self.work = work


class RsaKeys:
    """Keys made and not yet given out, by their length in bits."""

    __slots__ = ("_made", "ahead")

    def __init__(self) -> None:
        self._made: dict[int, deque[rsa.RSAPrivateKey]] = {}
        self.ahead = False
        """Whether :meth:`take` may raise :class:`Lengthy`."""

    def take(self, bits: int) -> rsa.RSAPrivateKey:
        """A fresh key, given out once."""
        made = self._made.setdefault(bits, deque())
        if made:
            return made.popleft()
        if self.ahead:
            raise Lengthy(partial(self._make, made, bits))
        return rsa.generate_private_key(EXPONENT, bits)

    @staticmethod
    def _make(made: "deque[rsa.RSAPrivateKey]", bits: int) -> None:
        made.append(rsa.generate_private_key(EXPONENT, bits))
