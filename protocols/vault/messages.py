# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Requests to the vault, its replies and events, as values. Neither octets nor a pipe: :mod:`.wire` has the former.

No key and no PIN has a field here. A PIN's digits come to the vault by its keypad, keys under a transport key.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from protocols.vault.codes import Answer, Verb

Octets = bytes | memoryview


@dataclass(frozen=True, slots=True)
class Status:
    """Phase, fences, counters: one line each."""

    code: ClassVar[int] = Verb.STATUS


@dataclass(frozen=True, slots=True)
class Inventory:
    """All keys by slot, usage and check value: one line each."""

    code: ClassVar[int] = Verb.INVENTORY


@dataclass(frozen=True, slots=True)
class Challenge:
    """A fresh number that custodians sign together with what they approve."""

    code: ClassVar[int] = Verb.CHALLENGE


@dataclass(frozen=True, slots=True)
class Load:
    """A key block (ANSI X9.143) under the transport key, for a slot. An occupied slot keeps it until it is rotated."""

    code: ClassVar[int] = Verb.LOAD
    slot: str
    block: str
    ksn: Octets = b""
    """Initial KSN, where the block has none in its optional blocks."""
    approvals: Octets = b""


@dataclass(frozen=True, slots=True)
class Rotate:
    """The key that waits in a slot takes the place of the one that serves, which is destroyed."""

    code: ClassVar[int] = Verb.ROTATE
    slot: str
    approvals: Octets = b""


@dataclass(frozen=True, slots=True)
class Zeroise:
    """Destroy the key of a slot, or all keys where ``slot`` is empty."""

    code: ClassVar[int] = Verb.ZEROISE
    slot: str = ""
    approvals: Octets = b""


@dataclass(frozen=True, slots=True)
class Tamper:
    """Somebody opened, moved or changed the terminal: destroy all keys for good. Needs no approval."""

    code: ClassVar[int] = Verb.TAMPER
    source: str


@dataclass(frozen=True, slots=True)
class Renew:
    """After tampering, once the terminal was inspected: begin again without keys. No key that was here comes back."""

    code: ClassVar[int] = Verb.RENEW
    approvals: Octets = b""


@dataclass(frozen=True, slots=True)
class EnterPin:
    """Ask the person at the vault's keypad for the PIN; answered when the entry ends."""

    code: ClassVar[int] = Verb.ENTER_PIN
    pan: Octets = field(repr=False)
    """ASCII digits."""
    words: str
    """What the keypad's display shows besides its own prompt: an amount."""
    timeout_ms: int


@dataclass(frozen=True, slots=True)
class EnterCardPin:
    """As :class:`EnterPin`, for the card itself to check (EMV 4.4 Book 2, 7.2). The reply is data for VERIFY."""

    code: ClassVar[int] = Verb.ENTER_CARD_PIN
    modulus: Octets
    """Of the card's key for PINs, which the asker has recovered from certificates."""
    exponent: int
    challenge: Octets
    """Eight octets that the card drew for this one PIN."""
    words: str
    timeout_ms: int


@dataclass(frozen=True, slots=True)
class CancelPin:
    """End the entry that runs."""

    code: ClassVar[int] = Verb.CANCEL_PIN


@dataclass(frozen=True, slots=True)
class Mac:
    """Retail MAC of 8 octets over ``data`` under a session key that is enciphered under the MAC master key."""

    code: ClassVar[int] = Verb.MAC
    session_key: Octets
    data: Octets = field(repr=False)


@dataclass(frozen=True, slots=True)
class Encrypt:
    """Encipher account data under the next key of the data key's DUKPT. The reply is KSN and ciphertext."""

    code: ClassVar[int] = Verb.ENCRYPT
    data: Octets = field(repr=False)


@dataclass(frozen=True, slots=True)
class Prove:
    """What proves to the acquirer that this terminal is the one that was bound: CMAC over ``challenge``."""

    code: ClassVar[int] = Verb.PROVE
    challenge: Octets


@dataclass(frozen=True, slots=True)
class Verify:
    """Whether a slot's key has this check value, which is worked out anew from the key."""

    code: ClassVar[int] = Verb.VERIFY
    slot: str
    check_value: Octets


@dataclass(frozen=True, slots=True)
class Stop:
    """Write what is not written yet and end."""

    code: ClassVar[int] = Verb.STOP


@dataclass(frozen=True, slots=True)
class RequestCredential:
    """Make a new RSA key in the vault; the reply is a certificate signing request (PKCS #10) for it."""

    code: ClassVar[int] = Verb.REQUEST_CREDENTIAL
    subject: str
    """The name to be certified (RFC 4514)."""
    approvals: Octets = b""


@dataclass(frozen=True, slots=True)
class Certify:
    """The certificate for the vault's RSA key, and the one of the authority that certifies hosts; both in DER."""

    code: ClassVar[int] = Verb.CERTIFY
    certificate: Octets
    hosts: Octets
    approvals: Octets = b""


@dataclass(frozen=True, slots=True)
class Announce:
    """The credential token (TR-34:2019, B.6) by which a host knows this vault."""

    code: ClassVar[int] = Verb.ANNOUNCE


@dataclass(frozen=True, slots=True)
class Bind:
    """Take a host, another one, or none: ``how`` is a number of :class:`Binding`, ``token`` what says so."""

    code: ClassVar[int] = Verb.BIND
    how: int
    token: Octets
    approvals: Octets = b""


@dataclass(frozen=True, slots=True)
class AskHost:
    """A random number token (TR-34:2019, B.12), good for one key token; a new one takes its place."""

    code: ClassVar[int] = Verb.ASK_HOST


@dataclass(frozen=True, slots=True)
class LoadToken:
    """As :class:`Load`, with a key token of the host (TR-34:2019, B.8 and B.9)."""

    code: ClassVar[int] = Verb.LOAD_TOKEN
    slot: str
    token: Octets
    ksn: Octets = b""
    """Initial KSN of a DUKPT key: no TR-34 token has a place for it."""
    approvals: Octets = b""


@dataclass(frozen=True, slots=True)
class Done:
    """It was done; ``words`` are lines for people and programs, none of them secret."""

    code: ClassVar[int] = Answer.DONE
    words: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """Octets that may leave: a MAC, a ciphertext, a token, a proof. ``ksn`` is empty where no DUKPT key was used."""

    code: ClassVar[int] = Answer.RESULT
    value: Octets
    ksn: Octets = b""


@dataclass(frozen=True, slots=True)
class PinMade:
    """An enciphered PIN block and the KSN of its key."""

    code: ClassVar[int] = Answer.PIN_MADE
    ksn: Octets
    block: Octets
    block_format: int


@dataclass(frozen=True, slots=True)
class PinEnded:
    """No PIN: ``how`` is a number of :class:`Ended`."""

    code: ClassVar[int] = Answer.PIN_ENDED
    how: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was done. ``why`` is a number of :class:`Refusal`."""

    code: ClassVar[int] = Answer.REFUSED
    why: int
    words: str


@dataclass(frozen=True, slots=True)
class Happened:
    """Something that nobody asked for: a tamper input, a key near its end."""

    code: ClassVar[int] = Answer.EVENT
    name: str
    words: str


REQUESTS: tuple[type, ...] = (
    *(Status, Inventory, Challenge, Load, Rotate, Zeroise, Tamper, Renew, Verify, Stop),
    *(EnterPin, EnterCardPin, CancelPin, Mac, Encrypt, Prove),
    *(RequestCredential, Certify, Announce, Bind, AskHost, LoadToken),
)
Request = (
    Status
    | Inventory
    | Challenge
    | Load
    | Rotate
    | Zeroise
    | Tamper
    | Renew
    | Verify
    | Stop
    | EnterPin
    | EnterCardPin
    | CancelPin
    | Mac
    | Encrypt
    | Prove
    | RequestCredential
    | Certify
    | Announce
    | Bind
    | AskHost
    | LoadToken
)
REPLIES: tuple[type, ...] = (Done, Result, PinMade, PinEnded, Refused, Happened)
Reply = Done | Result | PinMade | PinEnded | Refused | Happened
