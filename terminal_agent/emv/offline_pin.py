# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""An offline PIN: the card verifies it, in clear or enciphered. It holds no digit, drives no pad and no vault.

EMV 4.4 Book 3, 10.5.1, and Book 2, 7. In clear, the reader takes the PIN on its own keys and sends VERIFY itself;
enciphered, the vault gives octets that only the card can read. Either way the machine sees a status word. House rule:
a PIN in clear only where the issuer signed the list that asks for it, since a list edited on its way turns the reader
into a PIN harvester (Barisani and Bianco 2011).
"""

from collections.abc import Callable, Generator
from typing import NamedTuple, TypeAlias

from protocols.emv import apdu, status, tlv
from protocols.emv.apdu import Response
from protocols.emv.bits import Tvr
from protocols.emv.oda import PublicKey
from protocols.emv.status import Status
from protocols.emv.tags import Tag
from protocols.errors import DecodeError, ProtocolError
from protocols.pan import Pan
from terminal_agent.emv.contact_run import Ask, PinAnswer, PinAtReader, PinToEncipher, Said
from terminal_agent.emv.outcome import Alert, Trail

SOURCE = "Book 3, 10.5.1"
MOST_TRIES = 15  # 63Cx counts in one hexadecimal digit
CHALLENGE = 8  # octets: Book 3, 6.5.6.4
STATUS = 2


Attempt: TypeAlias = "Callable[[int | None], Generator[Ask, Said, int | PinAnswer]]"
"""One entry of the PIN, told how many are left: the card's status word, or what the cardholder did."""


class Tried(NamedTuple):
    """What became of an offline PIN."""

    verified: bool
    found: Tvr = Tvr(0)


class OfflinePinRun:
    """The offline PINs of one run through a list."""

    def __init__(self, key: Callable[[], PublicKey], pan: Pan, trail: Trail, *, listed_proven: bool) -> None:
        """``key`` recovers the card's key for PINs and raises ProtocolError; ``listed_proven``: see the house rule."""
        self._key = key
        self._pan = pan
        self._trail = trail
        self._proven = listed_proven

    def refuses_plain(self) -> bool:
        """Whether the house rule forbids a PIN in clear here; then it says so."""
        if self._proven:
            return False
        self._trail.alert(Alert.PLAIN_PIN_REFUSED)
        self._note("no PIN in clear: nobody signed the list that asks for it", "house rule")
        return True

    def plain(self) -> Generator[Ask, Said, Tried]:
        """A PIN in clear, by way of the reader's own keys."""
        return (yield from self._tries(lambda left: self._at_reader(left)))

    def enciphered(self) -> Generator[Ask, Said, Tried]:
        """A PIN that is enciphered under the card's key (Book 2, 7.1 and 7.2)."""
        try:
            key = self._key()
        except ProtocolError as fault:
            self._note(f"the card's key for PINs cannot be used: {fault}", "Book 2, 7.1")
            return Tried(False)
        return (yield from self._tries(lambda left: self._by_vault(key, left)))

    def _tries(self, attempt: Attempt) -> Generator[Ask, Said, Tried]:
        """Ask until the PIN is right, the card blocks it, or the cardholder leaves it (Book 4, 6.3.4)."""
        left = yield from self._counter()
        if left == 0:
            self._note("the card's PIN is blocked", SOURCE)
            return Tried(False, Tvr.PIN_TRIES_EXCEEDED)
        for _ in range(MOST_TRIES):
            word = yield from attempt(left)
            if word is PinAnswer.BYPASSED or word is PinAnswer.ENTERED:
                return Tried(False, Tvr.PIN_NOT_ENTERED)
            if isinstance(word, PinAnswer):
                return Tried(False, Tvr.PIN_PAD_MISSING)
            if word == Status.OK:
                self._note("the card says that the PIN is right", SOURCE)
                return Tried(True)
            if word in (Status.AUTHENTICATION_METHOD_BLOCKED, Status.REFERENCED_DATA_INVALIDATED, 0x63C0):
                self._note("wrong PIN, and the last try" if word == 0x63C0 else "the card's PIN is blocked", SOURCE)
                return Tried(False, Tvr.PIN_TRIES_EXCEEDED)
            if word & 0xFFF0 != 0x63C0 or (left is not None and word & 0xF >= left):
                self._note(f"not verified: {status.words(word)}", SOURCE)
                return Tried(False)
            left = word & 0xF
            self._note(f"wrong PIN, {left} {'try' if left == 1 else 'tries'} left", SOURCE)
        return Tried(False)

    def _counter(self) -> Generator[Ask, Said, int | None]:
        """How many tries are left, where the card says so; a card that does not is asked all the same (10.5.1)."""
        response = Response.decode(octets_of((yield apdu.get_data(Tag.PIN_TRY_COUNTER).encode())))
        if not response.ok:
            return None
        value = tlv.decode(response.data, where="answer to GET DATA").first(Tag.PIN_TRY_COUNTER)
        return value[0] if value is not None and len(value) == 1 else None

    def _at_reader(self, left: int | None) -> Generator[Ask, Said, int | PinAnswer]:
        said = yield PinAtReader(apdu.PLAIN_PIN_TEMPLATE, left)
        if isinstance(said, PinAnswer):
            return said
        octets = octets_of(said)
        if len(octets) != STATUS:
            raise DecodeError("answer to VERIFY", f"{len(octets)} octets, {STATUS} expected")
        return int.from_bytes(octets, "big")

    def _by_vault(self, key: PublicKey, left: int | None) -> Generator[Ask, Said, int | PinAnswer]:
        """A fresh number of the card for every try, so that what was enciphered serves once (Book 2, 7.2)."""
        response = Response.decode(octets_of((yield apdu.get_challenge().encode())))
        if not response.ok or len(response.data) != CHALLENGE:
            raise DecodeError("answer to GET CHALLENGE", f"{len(response.data)} octets, {CHALLENGE} expected")
        said = yield PinToEncipher(key, response.data, self._pan, left)
        if isinstance(said, PinAnswer):
            return said
        data = octets_of(said)
        if len(data) != key.octets:
            raise ValueError(f"an enciphered PIN has as many octets as the card's key, {key.octets}")
        return Response.decode(octets_of((yield apdu.verify_enciphered(data).encode()))).status

    def _note(self, words: str, source: str) -> None:
        self._trail.note("offline PIN", words, source)


def octets_of(said: Said) -> bytes:
    """An answer that must be octets; anything else is the caller's fault."""
    if not isinstance(said, bytes):
        raise TypeError("octets expected as the answer to a command")
    return said
