# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""An enciphered swipe in reports of a vendor's HID device. Deciphers nothing; knows no keyboard.

Heads that encipher send a KSN and a cryptogram of the track, with a masked number for people. Vendors lay this out each
in their own way; here it is as plain as can be: ``length (2) | masked length (1) | masked | KSN (10) | cryptogram``,
cut into reports behind their number (1: the only one; 2, 3 and 4: first, middle and last). A reader of a vendor needs a
decoder of its own beside this one.
"""

from dataclasses import dataclass, field

from protocols.errors import DecodeError, EncodeError

KSN_OCTETS, BLOCK = 10, 8
LONGEST_TRACK = 112  # octets: tracks 1 to 3 have at most 107 characters (ISO/IEC 7811-6), in whole blocks
LONGEST_MASKED = 19
ONLY, FIRST, MIDDLE, LAST = 1, 2, 3, 4
_HEAD = 2


@dataclass(frozen=True, slots=True)
class Swipe:
    """One swipe. Prints the masked number only."""

    masked: str
    ksn: bytes = field(repr=False)
    cryptogram: bytes = field(repr=False)

    def reports(self, octets: int) -> tuple[bytes, ...]:
        """Reports of so many octets, filled with zeros. The reader's side."""
        if len(self.ksn) != KSN_OCTETS or len(self.masked) > LONGEST_MASKED or not self.masked.isascii():
            raise EncodeError(f"a KSN of {KSN_OCTETS} octets and a masked number of up to {LONGEST_MASKED} expected")
        if not self.cryptogram or len(self.cryptogram) % BLOCK or len(self.cryptogram) > LONGEST_TRACK:
            raise EncodeError(f"a cryptogram of whole blocks, up to {LONGEST_TRACK} octets, expected")
        body = bytes((len(self.masked),)) + self.masked.encode("ascii") + self.ksn + self.cryptogram
        whole = len(body).to_bytes(_HEAD, "big") + body
        room = octets - 1
        pieces = [whole[place : place + room] for place in range(0, len(whole), room)]
        numbers = [ONLY] if len(pieces) == 1 else [FIRST, *[MIDDLE] * (len(pieces) - 2), LAST]
        return tuple(bytes((number,)) + piece.ljust(room, b"\0") for number, piece in zip(numbers, pieces, strict=True))


class ReportJoiner:
    """Reports to swipes. Holds at most one; a report out of turn drops what was begun."""

    def __init__(self) -> None:
        self._begun = bytearray()

    def feed(self, report: bytes) -> Swipe | None:
        """The swipe that this report ends. :class:`DecodeError` for one that is out of turn or malformed."""
        number, piece = report[:1], report[1:]
        begins, ends = number in (b"\x01", b"\x02"), number in (b"\x01", b"\x04")
        if number not in (b"\x01", b"\x02", b"\x03", b"\x04") or begins != (not self._begun):
            self._begun.clear()
            raise DecodeError("swipe report", "a report in its turn expected")
        self._begun += piece
        if len(self._begun) > LONGEST_TRACK + 4 * len(report):
            self._begun.clear()
            raise DecodeError("swipe report", "no end")
        if not ends:
            return None
        whole, self._begun = bytes(self._begun), bytearray()
        return _decoded(whole)


def _decoded(whole: bytes) -> Swipe:
    size = int.from_bytes(whole[:_HEAD], "big")
    body, rest = whole[_HEAD : _HEAD + size], whole[_HEAD + size :]
    masked = body[1 : 1 + body[0]] if body else b""
    ksn = body[1 + len(masked) : 1 + len(masked) + KSN_OCTETS]
    cryptogram = body[1 + len(masked) + KSN_OCTETS :]
    sound = len(body) == size and len(ksn) == KSN_OCTETS and 0 < len(cryptogram) <= LONGEST_TRACK and not any(rest)
    if not sound or len(masked) > LONGEST_MASKED or len(cryptogram) % BLOCK or not masked.isascii():
        raise DecodeError("swipe", "a masked number, a KSN and whole blocks expected")
    return Swipe(masked.decode("ascii"), ksn, cryptogram)
