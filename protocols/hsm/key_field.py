# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Keys as fields of host commands: cryptograms with a scheme tag, key blocks, places in user storage. Opens none.

16H, Z+16H    single length                     U+32H, T+48H    double, triple length, variant method
32H           double length, an old form that   X+32H, Y+48H    double, triple length, ANSI X9.17
              some commands allow               S+block         Thales key block, length in its header
K+3H          a place in user storage           R+block         X9.143 (TR-31) key block, likewise
"""

from binascii import unhexlify
from dataclasses import dataclass
from functools import lru_cache

from protocols.errors import EncodeError
from protocols.hsm.codes import SCHEME_OCTETS, ErrorCode, KeyScheme
from protocols.hsm.kinds import FieldError, Kind, Shortcut, Source, shortened

_TAGS = {ord(scheme.value): (scheme, 2 * octets) for scheme, octets in SCHEME_OCTETS.items()}
_UNTAGGED = _TAGS[ord(KeyScheme.SINGLE)]
_UNTAGGED_PAIR = _TAGS[ord(KeyScheme.DOUBLE_X917)]
_BLOCKS = {ord(scheme.value): scheme for scheme in (KeyScheme.KEY_BLOCK, KeyScheme.TR31)}
_BLOCK_SCHEMES = frozenset(_BLOCKS.values())
_STORED = ord(KeyScheme.STORED.value)
STORED_DIGITS = 3
_HEX = b"0123456789ABCDEFabcdef"
BLOCK_HEADER = 16  # characters of a key block in front of its optional blocks and key
_LENGTH_AT = slice(1, 5)
_USAGE_AT = slice(5, 7)
_ALGORITHM_AT = slice(7, 8)


@dataclass(frozen=True, slots=True, repr=False)
class KeyField:
    """A key under another key as it travels: its scheme and its cryptogram. Not a secret; prints shortened anyway.

    Of a key block the cryptogram is its characters, of a place in user storage the digits of its index. ``bare`` marks
    the old form of a double length key without tag.
    """

    scheme: KeyScheme
    cryptogram: bytes
    bare: bool = False

    def __hash__(self) -> int:
        return hash(self.cryptogram)

    def __post_init__(self) -> None:
        octets = SCHEME_OCTETS.get(self.scheme)
        if octets is not None and len(self.cryptogram) != octets:
            raise EncodeError(f"key of scheme {self.scheme}: {octets} octets expected")
        if self.bare and self.scheme is not KeyScheme.DOUBLE_X917:
            raise EncodeError("only a double length key in ECB mode has a form without tag")

    @classmethod
    def from_text(cls, text: str) -> "KeyField":
        """Read the field as text, with or without its tag: ``U`` and 32 digits, 16 digits, and so on."""
        source = Source(text.encode("ascii", "replace"))
        field = Key().read(source, "key")
        if source.at != len(source.data):
            raise FieldError("key", "characters behind the last digit")
        return field

    @property
    def text(self) -> str:
        """The field as text; a single-length key has no tag."""
        if self.scheme not in SCHEME_OCTETS:
            return self.scheme.value + self.cryptogram.decode("ascii")
        tag = "" if self.scheme is KeyScheme.SINGLE or self.bare else self.scheme.value
        return tag + self.cryptogram.hex().upper()

    @property
    def in_block(self) -> bool:
        """Whether the key is in a key block."""
        return self.scheme in _BLOCK_SCHEMES

    @property
    def usage(self) -> str:
        """What a key block says that its key is for, two characters; empty where the key is in no block."""
        return self.cryptogram[_USAGE_AT].decode("ascii") if self.scheme in _BLOCK_SCHEMES else ""

    @property
    def algorithm(self) -> str:
        """The algorithm that a key block says its key is for; empty where the key is in no block."""
        return self.cryptogram[_ALGORITHM_AT].decode("ascii") if self.scheme in _BLOCK_SCHEMES else ""

    def __repr__(self) -> str:
        if self.scheme not in SCHEME_OCTETS:
            return f"{self.scheme}{self.cryptogram[:BLOCK_HEADER].decode('ascii')}…/{len(self.cryptogram)}"
        return f"{self.scheme}{shortened(self.cryptogram)}"

    __str__ = __repr__


@dataclass(frozen=True, slots=True)
class Key(Kind[KeyField]):
    """A key: tag and digits, or 16 digits without tag; ``pair`` also allows 32 digits without tag, an old form."""

    pair: bool = False

    def read(self, source: Source, where: str) -> KeyField:
        data, at = source.data, source.at
        tag = data[at] if at < len(data) else 0
        tagged = _TAGS.get(tag)
        if tagged is None and tag in _BLOCKS:
            source.at += 1
            return KeyField(_BLOCKS[tag], _block(source, where))
        if tagged is None and tag == _STORED:
            source.at += 1
            return KeyField(KeyScheme.STORED, _index(source, where))
        if tagged is not None:
            at += 1
        scheme, count = tagged or (_UNTAGGED_PAIR if self.pair else _UNTAGGED)
        source.at = at
        try:
            return KeyField(scheme, unhexlify(source.take(count, where)), self.pair and tagged is None)
        except ValueError:
            raise FieldError(where, f"{count} hexadecimal digits expected") from None

    def write(self, value: KeyField, where: str) -> bytes:
        return self._text(value).encode("ascii")

    def _text(self, value: KeyField) -> str:
        """As the field's text; with its tag where 16 digits would be taken for half a pair."""
        if self.pair and value.scheme is KeyScheme.SINGLE:
            return KeyScheme.SINGLE.value + value.text
        return value.text

    def words(self) -> str:
        return "key (or 32H pair)" if self.pair else "key"

    def shortcut(self) -> Shortcut:
        digit = "[0-9A-Fa-f]"
        bare = f"{digit}{{{_UNTAGGED_PAIR[1] if self.pair else _UNTAGGED[1]}}}"
        tagged = [f"{chr(tag)}{digit}{{{count}}}" for tag, (_, count) in _TAGS.items()]
        return Shortcut("|".join((*tagged, bare)), _key_pair if self.pair else _key, self._text)


def _block(source: Source, where: str) -> bytes:
    """The characters of a key block; its header says how many there are, itself included."""
    length = source.data[source.at : source.at + 5][_LENGTH_AT]
    if len(length) != 4 or not length.isdigit():
        raise FieldError(where, "a key block with four digits of length expected", ErrorCode.KEY_BLOCK_FORMAT)
    if int(length) < BLOCK_HEADER:
        raise FieldError(where, "a key block longer than its header expected", ErrorCode.KEY_BLOCK_FORMAT)
    block = source.take(int(length), where)
    if not block.isascii() or not block.decode("ascii").isprintable():
        raise FieldError(where, "a key block of printable characters expected", ErrorCode.KEY_BLOCK_FORMAT)
    return block


def _index(source: Source, where: str) -> bytes:
    digits = source.take(STORED_DIGITS, where)
    if digits.translate(None, _HEX):
        raise FieldError(where, "three hexadecimal digits expected", ErrorCode.INVALID_INDEX)
    return digits.upper()


KEYS_REMEMBERED = 4096  # a host works with dozens; each is some 200 octets


@lru_cache(KEYS_REMEMBERED)
def _key(text: str) -> KeyField:
    """The key field of a text that matched; remembered, since hosts send the same keys over and over."""
    return Key().read(Source(text.encode("latin-1")), "key")


@lru_cache(KEYS_REMEMBERED)
def _key_pair(text: str) -> KeyField:
    return Key(pair=True).read(Source(text.encode("latin-1")), "key")
