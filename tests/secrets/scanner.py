# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Finds marked values in octets, in every form they might take. Knows no wire and no file format.

Forms: as text, UTF-16, hexadecimal of either case (also of the text), packed BCD, one digit per octet, base64 at
each of its three alignments (standard and URL alphabet), and for keys each half alone. Text is also searched with
the separators that printers put between octets left out.

Nearly everything that is searched holds nothing, so a quick look comes first. It folds the data and the forms alike,
octet by octet: capitals become small, and NULs, signs of base64 and all octets that occur in separators are left out.
What holds a form, with separators in it or without, then holds the folded form as well. So the quick look misses
nothing, and many forms are one to it; what it takes for a find, the exact search judges.
"""

import base64
import io
import re
import string
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_SEPARATORS = re.compile(rb"[ :\-_,\n\r\t]|\\x|0x")
_SMALL = bytes.maketrans(string.ascii_uppercase.encode(), string.ascii_lowercase.encode())
_LEFT_OUT = b" :-_,\n\r\t\\x0" + b"\0+/"


@dataclass(frozen=True)
class Marked:
    """One marked value and its forms."""

    name: str
    forms: tuple[tuple[str, bytes], ...]

    @classmethod
    def digits(cls, name: str, digits: str) -> "Marked":
        """A PAN or PIN: a run of decimal digits."""
        text = digits.encode()
        forms = {
            "text": text,
            "UTF-16": digits.encode("utf-16-le")[:-1],  # in either order of octets
            "digits": bytes(int(c) for c in digits),
        }
        forms |= {"BCD": bytes.fromhex(digits.ljust(len(digits) + len(digits) % 2, "F"))}
        forms |= {"BCD shifted": bytes.fromhex("0" + digits + "F" * (1 - len(digits) % 2))[1:-1]}
        forms |= _encoded("text", text) | _encoded("BCD", forms["BCD"])
        return cls(name, tuple((form, value) for form, value in forms.items() if len(value) >= 5))

    @classmethod
    def block(cls, name: str, value: bytes) -> "Marked":
        """Octets that mean something only as a whole."""
        forms = {"octets": value} | _encoded("octets", value)
        return cls(name, tuple(forms.items()))

    @classmethod
    def octets(cls, name: str, value: bytes) -> "Marked":
        """A key: octets, whole or either half."""
        forms: dict[str, bytes] = {}
        for part, piece in (("left half", value[: len(value) // 2]), ("right half", value[len(value) // 2 :])):
            forms |= {part: piece} | {f"{part}, {form}": found for form, found in _encoded("octets", piece).items()}
        return cls(name, tuple(forms.items()))


def _encoded(what: str, value: bytes) -> dict[str, bytes]:
    forms: dict[str, bytes] = {}
    for kind, text in (("hex", value.hex()), ("HEX", value.hex().upper())):
        forms |= {f"{kind} of {what}": text.encode(), f"{kind} of {what}, UTF-16": text.encode("utf-16-le")[:-1]}
    for shift in range(3):
        for kind, encode in (("base64", base64.b64encode), ("base64url", base64.urlsafe_b64encode)):
            # Characters that mix in bits of neighbouring octets are cut off at both ends.
            whole = encode(b"\0" * shift + value)
            start = (0, 2, 3)[shift]
            end = len(whole) - (0, 3, 2)[(len(value) + shift) % 3]
            forms[f"{kind} of {what}, alignment {shift}"] = whole[start:end]
    return forms


class Scanner:
    """Searches octets and files for all marked values."""

    def __init__(self, marked: tuple[Marked, ...]) -> None:
        self._names: dict[bytes, str] = {}
        for one in marked:
            for kind, form in one.forms:
                self._names.setdefault(form, f"{one.name} as {kind}")  # some forms are the same: the plainest names it
        self._pattern = re.compile(b"|".join(re.escape(form) for form in sorted(self._names, key=len, reverse=True)))
        folded = {_folded(form) for form in self._names}
        self._folded = [one for one in folded if not any(other in one for other in folded - {one})]

    def scan(self, data: bytes) -> list[str]:
        """What was found, as words that do not quote it, with the offset."""
        seen = _folded(data)
        if not any(form in seen for form in self._folded):
            return []
        hits = [f"{self._names[hit.group()]} at octet {hit.start()}" for hit in self._pattern.finditer(data)]
        if not hits and len(bare := _SEPARATORS.sub(b"", data)) != len(data):
            hits = [f"{self._names[hit.group()]}, between separators" for hit in self._pattern.finditer(bare)]
        return hits

    def scan_tree(self, folder: Path) -> Iterator[tuple[Path, str]]:
        """Every hit in every file below ``folder``, names of files included."""
        for path in sorted(folder.rglob("*")):
            yield from ((path, f"in the name: {hit}") for hit in self.scan(path.name.encode()))
            if path.is_file() and not path.is_symlink():
                data = path.read_bytes()
                yield from ((path, hit) for hit in self.scan(data))
                if zipfile.is_zipfile(io.BytesIO(data)):
                    yield from ((path, hit) for hit in self._scan_archive(data))

    def _scan_archive(self, data: bytes) -> Iterator[str]:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in archive.namelist():
                yield from (f"in {name}: {hit}" for hit in self.scan(archive.read(name)))


def _folded(data: bytes) -> bytes:
    return data.translate(_SMALL, _LEFT_OUT)
