# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Account data of a card, clear and enciphered, and how they are written. Enciphers nothing and holds no key.

Who enciphers account data where they are read sends them as one piece: the clear text below, zero-filled to whole
blocks, in CBC from a zero block under a DUKPT data key that serves this one card (X9.24-1:2009, A.4.1), beside that
key's serial number and the masked number, which a receipt may show. A cut or changed piece does not decipher to this
text: it begins with digits, has one place for everything, ends with its own end mark, and behind that is zero.

A text of this project, since ISO 8583:1987 has no element for such a piece; a bank's own specification decides.
"""

import re
from dataclasses import dataclass, field

from protocols.errors import DecodeError, EncodeError
from protocols.pan import Pan, Track2

_CLEAR = re.compile(rb"([0-9]{8,19})=([0-9]{4})(?:;([0-9]{8,19}=[0-9]{7,27}))?\?(\x00*)", re.ASCII)
_SENT = re.compile(
    r"AD1:([0-9A-F]{20}|[0-9A-F]{24}):([0-9]{6}\*{3,9}[0-9]{4}|\*{4,8}[0-9]{4}):((?:[0-9A-F]{16}){1,16})", re.ASCII
)
LARGEST_FILL = 15  # octets behind the end mark: less than a block of AES


@dataclass(frozen=True, slots=True)
class AccountData:
    """What a card says of its account. ``expiry`` is YYMM."""

    pan: Pan
    track2: Track2 | None
    expiry: str = field(repr=False)

    @property
    def masked(self) -> str:
        """What may be shown of the account number."""
        return self.pan.masked

    def clear_octets(self) -> bytearray:
        """``PAN=YYMM``, track 2 behind a semicolon where there is one, a question mark; to be wiped. Originating side.

        Raises :class:`EncodeError` for an expiry date that is none.
        """
        if not (len(self.expiry) == 4 and self.expiry.isascii() and self.expiry.isdigit()):
            raise EncodeError("account data: an expiry date of four digits expected")
        clear = bytearray(self.pan.digits.encode("ascii") + b"=" + self.expiry.encode("ascii"))
        if self.track2 is not None:
            clear += b";" + self.track2.text("=").encode("ascii")
        return clear + b"?"


def read_account_data(octets: bytes) -> AccountData:
    """Account data from what was deciphered; :class:`DecodeError`, which quotes nothing. Receiving side."""
    found = _CLEAR.fullmatch(octets)
    if found is None or len(found.group(4)) > LARGEST_FILL:
        raise DecodeError("account data", "they do not decipher to an account: cut, changed, or under another key")
    pan, expiry, track, _ = found.groups()
    track2 = Track2.from_text(track.decode("ascii")) if track is not None else None
    return AccountData(Pan(pan.decode("ascii")), track2, expiry.decode("ascii"))


@dataclass(frozen=True, slots=True)
class EncipheredAccount:
    """The same as it is sent: serial number of the data key (10 octets, of AES 12), masked number, ciphertext."""

    ksn: bytes
    masked: str
    cryptogram: bytes = field(repr=False)

    def text(self) -> str:
        """``AD1:``, serial number, masked number and ciphertext with colons between, hexadecimal digits."""
        made = f"AD1:{self.ksn.hex().upper()}:{self.masked}:{self.cryptogram.hex().upper()}"
        if _SENT.fullmatch(made) is None:
            raise EncodeError("account data: a KSN of 10 or 12 octets, a masked number and whole blocks expected")
        return made

    @classmethod
    def from_text(cls, text: str) -> "EncipheredAccount":
        """Read :meth:`text`; :class:`DecodeError` for anything else."""
        found = _SENT.fullmatch(text)
        if found is None:
            raise DecodeError("account data", "AD1, serial number, masked number and whole blocks expected")
        ksn, masked, cryptogram = found.groups()
        return cls(bytes.fromhex(ksn), masked, bytes.fromhex(cryptogram))
