# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""An extension of ours to ABECS: a pad proves who it is, and what it showed. Verifies nothing by itself, keeps no key.

Pads of the specification cannot: in the enciphered session nobody proves anything, and what a display shows is the
host's word for it. A pad with this extension has an Ed25519 key that never leaves it (RFC 8032), and knows one more
command, ``LNK``. Its public half stands in the terminal's profile, as a serial number does.

* ``LNK`` with ``S`` and 16 octets of the host's choice: signed are the pad's serial number, the host's RSA modulus and
  the session key as this pad knows them. A man in the middle has another modulus or another key on each side.
* ``LNK`` with ``P`` and 16 octets: signed are KSN, block and the words that stood above the last PIN entry, as this pad
  showed them. Words that were changed on the way, or an old answer, do not fit.

A pad that does not know the command answers ``ERR``, which is no proof.
"""

from enum import Enum
from hashlib import sha256

from protocols.errors import DecodeError, EncodeError
from protocols.serial.abecs_messages import BLOCK_OCTETS, KSN_OCTETS, Command, Response

NAME = "LNK"
CHALLENGE_OCTETS, PUBLIC_OCTETS, SIGNATURE_OCTETS = 16, 32, 64
_CONTEXT = b"tillguard pad statement, version 1\n"


class Statement(Enum):
    """What is proven."""

    SESSION = b"S"
    ENTRY = b"P"


def ask_proof(statement: Statement, challenge: bytes) -> Command:
    """LNK. ``challenge``: 16 octets that were never sent before. Host's side."""
    if len(challenge) != CHALLENGE_OCTETS:
        raise EncodeError(f"LNK takes a challenge of {CHALLENGE_OCTETS} octets")
    return Command(NAME, (statement.value + challenge,))


def decode_ask_proof(command: Command) -> tuple[Statement, bytes]:
    """Which proof is wanted, and the challenge: the pad's side."""
    block = command.blocks[0] if len(command.blocks) == 1 else b""
    if len(block) != 1 + CHALLENGE_OCTETS:
        raise DecodeError("ABECS LNK", f"one block of {1 + CHALLENGE_OCTETS} octets expected")
    try:
        return Statement(block[:1]), block[1:]
    except ValueError:
        raise DecodeError("ABECS LNK", "S or P expected first") from None


def decode_proof(response: Response) -> tuple[bytes, bytes]:
    """Public key and signature of a good response: the host's side."""
    block = response.blocks[0] if len(response.blocks) == 1 else b""
    if len(block) != PUBLIC_OCTETS + SIGNATURE_OCTETS:
        raise DecodeError("ABECS LNK", "a public key and a signature expected")
    return block[:PUBLIC_OCTETS], block[PUBLIC_OCTETS:]


def session_statement(challenge: bytes, serial: str, modulus: bytes, key: bytes) -> bytes:
    """What is signed for a session; without one, modulus and key are empty. Only digests of both, both sides."""
    return _signed(Statement.SESSION, challenge, serial.encode("ascii"), sha256(modulus).digest(), sha256(key).digest())


def entry_statement(challenge: bytes, serial: str, shown: str, ksn: bytes, block: bytes) -> bytes:
    """What is signed for a PIN entry: the words above it, KSN (10 octets) and enciphered block (8). Both sides."""
    if len(ksn) != KSN_OCTETS or len(block) != BLOCK_OCTETS:
        raise EncodeError(f"a KSN of {KSN_OCTETS} octets and a block of {BLOCK_OCTETS} expected")
    return _signed(Statement.ENTRY, challenge, serial.encode("ascii"), shown.encode("ascii"), ksn, block)


def _signed(statement: Statement, *parts: bytes) -> bytes:
    return _CONTEXT + statement.value + b"".join(len(part).to_bytes(2, "big") + part for part in parts)
