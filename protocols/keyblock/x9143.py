# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Wrapping and unwrapping of key blocks, versions A to E. Decides nothing about use: see :mod:`.policy`.

A key block binds a key to the header that says what it is (ANSI X9.143:2021; TR-31:2018; ISO 20038:2017 for E): the
header as text, then enciphered key and authenticator in hexadecimal. :mod:`.binding` has the arithmetic. The clear text
is the key's length in bits, two octets, the key, and random fill. X9.143:2021 fills to the longest key of the
algorithm, which hides the length; TR-31 asked only for whole cipher blocks, and payment HSMs still write that.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple, NoReturn, Self

from protocols.errors import DecodeError, EncodeError
from protocols.keyblock import header as header_text
from protocols.keyblock.binding import KEY_LENGTHS, NOT_AUTHENTIC, Bound, bind
from protocols.keyblock.codes import FORMS, HIDDEN_OCTETS, KEY_OCTETS, Binding, Cipher, Form
from protocols.keyblock.header import FIXED, LONGEST, Header
from protocols.keyblock.optional import Reading
from protocols.primitives import KeyOctets
from protocols.secret import ClearKey, Secret

__all__ = ["NOT_AUTHENTIC", "ProtectionKey", "Unwrapped", "randomness_needed"]

LARGEST_KEY = 4_096  # octets: a PKCS#1 RSA key of 4096 bits has 2,400; more does not fit into a block's length field
LENGTH_OCTETS = 2
_NOT_HEX = "not an even number of upper-case hexadecimal digits"
_unhex = bytes.fromhex
_tuple = tuple.__new__  # a named tuple's own __new__ costs twice as much
_STRICT = Reading(strict=True)  # raises and keeps nothing, so one serves all


def _padded(form: Form, octets: int) -> int:
    """Octets of the enciphered part that holds a key, or a key and its fill, of ``octets``."""
    held = LENGTH_OCTETS + octets
    return held if form.binding is Binding.DERIVATION_CTR else held + -held % form.block_octets


# Plain dictionaries for what every block asks; the tables in codes.py are their source.
_HIDING = {
    form.version + algorithm: _padded(form, octets)
    for form in FORMS.values()
    for algorithm, octets in HIDDEN_OCTETS.items()
}  # by version and algorithm: the enciphered octets that hide the key's length
_KEY_ENDS = {
    str(algorithm): {(8 * octets).to_bytes(LENGTH_OCTETS, "big"): LENGTH_OCTETS + octets for octets in lengths}
    for algorithm, lengths in KEY_OCTETS.items()
}  # by algorithm, and by what the length field says in bits: where the key ends
_SHARING = {version: "AC" if version in "AC" else version for version in FORMS}  # versions with the same arithmetic


class Unwrapped(NamedTuple):
    """What a key block held: its header, the clear key, and what a lenient reader forgave, in words."""

    header: Header
    key: ClearKey
    forgiven: tuple[str, ...]


class ProtectionKey:
    """A key block protection key. The keys derived from it are made once per binding and kept. Bound to one thread."""

    __slots__ = ("_bound", "_octets", "cipher")

    def __init__(self, cipher: Cipher, key: KeyOctets) -> None:
        """Copy ``key``: TDES of 16 or 24 octets for versions A to C, AES of 16, 24 or 32 for D and E."""
        self._octets = ClearKey(key.reveal() if isinstance(key, Secret) else memoryview(key))
        if len(self._octets) not in KEY_LENGTHS[cipher]:
            self._octets.wipe()
            raise EncodeError(
                f"{cipher.value} protection key of {len(self._octets)} octets, expected one of {KEY_LENGTHS[cipher]}"
            )
        self.cipher = cipher
        self._bound: dict[str, Bound] = {}

    @classmethod
    def tdes(cls, key: KeyOctets) -> Self:
        """For versions A, B and C."""
        return cls(Cipher.TDES, key)

    @classmethod
    def aes(cls, key: KeyOctets) -> Self:
        """For versions D and E."""
        return cls(Cipher.AES, key)

    @property
    def octets(self) -> int:
        """Length of the protection key."""
        return len(self._octets)

    def unwrap(self, text: str, *, strict: bool = True) -> Unwrapped:
        """The key in a block (X9.143:2021, 7). Receiving side.

        :class:`DecodeError` for what is not a key block of this key's cipher, :class:`IntegrityError` with one constant
        text for whatever does not authenticate. ``strict`` demands X9.143:2021; without it, what TR-31 (2005 to 2018)
        and its implementations allow is taken, and ``forgiven`` says what that was.
        """
        reading = _STRICT if strict else Reading(strict=False)
        header, form, front, length, hiding, lengths = _plan(text[:FIXED])
        start = FIXED
        if length != len(text):  # or, since then it is negative, there are optional blocks
            header, start = header_text.decode(text, reading)
            front = text[:start].encode()
        bound = self._bound.get(form.version) or self._bind(form)
        digits = text[start:]
        try:
            binary = _unhex(digits)
        except ValueError:
            binary = b""
        # Upper case only (X9.143:2021, 4): else one block would have many texts. fromhex also skips white space.
        if 2 * len(binary) != len(digits) or digits.upper() != digits:
            raise DecodeError(f"key block, from character {start}", _NOT_HEX)
        size = len(binary) - form.mac_octets
        if size != hiding:
            _judge_size(size, header, form, reading)
        clear = bound.open(front, binary[:size], binary[size:])
        end = lengths.get(clear[:LENGTH_OCTETS], LONGEST)
        if end > size:
            end = LENGTH_OCTETS + _judge_key(clear, header, form, reading)
        key = ClearKey(clear[LENGTH_OCTETS:end])
        return _tuple(Unwrapped, (header, key, () if strict else tuple(reading.forgiven)))

    def wrap(self, header: Header, key: KeyOctets, randomness: bytes, *, hide_length: bool = True) -> str:
        """A block of ``key`` with ``header`` (X9.143:2021, 7). Sending side.

        ``randomness`` is fresh octets for fill and padding block; :func:`randomness_needed` says how many at most.
        ``hide_length`` pads as X9.143:2021 does; without it only to whole cipher blocks, as TR-31 and payShield do.
        """
        form = header.form
        bound = self._bound.get(form.version) or self._bind(form)
        octets = key.reveal() if isinstance(key, Secret) else key
        size = len(octets)
        if size not in KEY_OCTETS.get(header.algorithm, range(1, LARGEST_KEY + 1)):
            raise EncodeError(f"a key of {size} octets is none of algorithm {header.algorithm}")
        held = _padded(form, HIDDEN_OCTETS.get(header.algorithm, size) if hide_length else size)
        fill = held - LENGTH_OCTETS - size
        if len(randomness) < fill:
            raise EncodeError(f"{len(randomness)} octets of randomness, {fill} needed")
        front = header_text.encode(header, held + form.mac_octets, randomness[fill:])
        clear = bytearray((size >> 5, size << 3 & 0xFF))
        clear += octets
        clear += randomness[:fill]
        sealed = bound.seal(front.encode(), clear)
        clear[:] = bytes(held)
        return front + sealed.hex().upper()

    def wipe(self) -> None:
        """Overwrite the protection key and drop what was derived from it. Any later use is refused."""
        self._octets.wipe()
        self._octets = ClearKey(b"")
        for bound in self._bound.values():
            bound.wipe()
        self._bound.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.wipe()

    def __repr__(self) -> str:
        return f"ProtectionKey({self.cipher.value}, redacted)"

    def _refuse(self, *_: object) -> NoReturn:
        raise TypeError("ProtectionKey refuses to be copied or serialised")

    __copy__ = __deepcopy__ = __reduce_ex__ = __reduce__ = __getstate__ = _refuse

    def _bind(self, form: Form) -> Bound:
        if form.cipher is not self.cipher:
            raise DecodeError(
                "key block, character 0", f"version {form.version} is not under a {self.cipher.value} key"
            )
        bound = bind(self.cipher, form.binding, self._octets)
        for version in _SHARING[form.version]:
            self._bound[version] = bound
        return bound


def randomness_needed(header: Header, key_octets: int) -> int:
    """Octets of randomness that wrapping such a key can take: fill, and the characters of a padding block."""
    return max(HIDDEN_OCTETS.get(header.algorithm, 0) - key_octets, 0) + 2 * header.form.block_octets


@lru_cache(maxsize=256)
def _plan(text: str) -> tuple[Header, Form, bytes, int, int | None, Mapping[bytes, int]]:
    """What the first 16 characters settle; they recur from block to block.

    Header, form, the characters as octets, the block's length (-1 if optional blocks follow), the enciphered octets
    that hide the key's length, and where a key of the algorithm ends, by its length field.
    """
    header, length, count = header_text.fixed(text)
    return (
        header,
        header.form,
        text.encode(),
        -1 if count else length,
        _HIDING.get(header.version + header.algorithm),
        _KEY_ENDS.get(header.algorithm, {}),
    )


def _judge_size(size: int, header: Header, form: Form, reading: Reading) -> None:
    """What is wrong with an enciphered part that does not hide the key's length, if anything."""
    where = "enciphered key"
    streaming = form.binding is Binding.DERIVATION_CTR
    least = LENGTH_OCTETS + 1 if streaming else form.block_octets
    if size < least or (not streaming and size % form.block_octets):
        raise DecodeError(where, f"{size} octets, whole cipher blocks expected")
    hiding = _HIDING.get(form.version + header.algorithm)
    if hiding is not None:
        reading.fault(where, f"{size} octets, {hiding} expected: the length of the key is not hidden")
    if form.binding is Binding.VARIANT and sum(len(block.encode()) for block in header.optional) % form.block_octets:
        raise DecodeError(where, "header and key are not whole cipher blocks, which this version's MAC is made over")


def _judge_key(clear: bytes, header: Header, form: Form, reading: Reading) -> int:
    """Octets of the key in an authentic clear text, or what is wrong: the holder of the protection key wrapped it."""
    octets = clear[0] << 5 | clear[1] >> 3
    if clear[1] & 7 or not 1 <= octets <= len(clear) - LENGTH_OCTETS:
        raise DecodeError("wrapped key", "its length field does not fit the block")
    lengths = KEY_OCTETS.get(header.algorithm)
    if lengths is None:
        fill = len(clear) - _padded(form, octets)
        if fill:
            reading.fault("wrapped key", f"{fill} octets of fill more than needed")
    elif octets != 8 or header.algorithm != "T":
        raise DecodeError("wrapped key", f"{octets} octets, one of {lengths} expected for this algorithm")
    else:
        reading.fault("wrapped key", "a single DES key under the algorithm triple DES")
    return octets
