# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Both ends of a transport between the parties of the tests, and the tokens of a good run."""

import itertools
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cache
from typing import Any

import pytest
from cryptography import x509

from protocols.errors import ProtocolError
from protocols.keyblock.header import Header
from protocols.keyblock.tr34.cms import Credential
from protocols.keyblock.tr34.distributor import Distributor
from protocols.keyblock.tr34.receiver import Receiver, State
from tests.protocols.keyblock.tr34.pki import AT, party, revocations

HEADER = Header("B", "K0", "T", "B", "00", "N")
KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
FRESH = bytes(range(32))
_NONCES = itertools.count(1)


@cache
def listed() -> x509.CertificateRevocationList:
    """The hosts' list: nobody of the parties is on it."""
    return revocations(party("host authority"), [party("root")])


def nonce() -> bytes:
    """A random number that no other call gives."""
    return next(_NONCES).to_bytes(16, "big")


def device(name: str = "device 1", state: State | None = None, **how: Any) -> Receiver:
    """A device as it left the factory."""
    how = {"authority": party("device authority").certificate} | how
    return Receiver(
        party(name), [party("root").certificate], [party("host authority").certificate], state, **how
    )  # fmt: skip


def host(name: str = "host 1", credential: Credential | None = None) -> Distributor:
    """A host."""
    return Distributor(
        credential or party(name), [party("root").certificate], [party("device authority").certificate]
    )  # fmt: skip


def bound(name: str = "device 1", to: str = "host 1", **how: Any) -> Receiver:
    """A device that has taken a host."""
    made = device(name, **how)
    made.bind(host(to).credential_token(listed()), AT)
    return made


def key_token(
    answers: bytes | datetime, to: str = "device 1", of: str = "host 1", header: Header = HEADER, key: bytes = KEY,
    crl: x509.CertificateRevocationList | None = None,
) -> bytes:  # fmt: skip
    """A KT as a host makes it."""
    return host(of).key_token(party(to).certificate, header, key, FRESH, listed() if crl is None else crl, answers)


def rebind_token(answers: bytes, to: str = "host 2", of: str = "host 1", who: str = "device 1") -> bytes:
    return host(of).rebind_token(party(who).identity, host(to).credential_token(listed()), answers, listed())


def unbind_token(answers: bytes, of: str = "host 1", who: str = "device 1") -> bytes:
    return host(of).unbind_token(party(who).identity, answers, listed())


def refused(receiver: Receiver, act: Callable[[], object], match: str | None = None) -> None:
    """The act is refused with one of our errors, and the receiver is as before."""
    before = receiver.state
    with pytest.raises(ProtocolError, match=match):
        act()
    assert receiver.state == before


def mutations(octets: bytes) -> Iterator[bytes]:
    """Every octet changed in three ways, and every truncation."""
    for index, octet in enumerate(octets):
        for change in (0x01, 0x80, 0xFF):
            yield octets[:index] + bytes((octet ^ change,)) + octets[index + 1 :]
    for size in range(len(octets)):
        yield octets[:size]
