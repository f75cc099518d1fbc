# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What a field of an event may hold: types, bounds, and the refusal of card data. Knows no event.

No field can carry an unmasked account number. A number field stays below 13 digits, codes and identifiers are held to
their alphabet and shape, and free text is searched for runs of digits that read as an account number.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from protocols.pan import PAN_DIGITS, Pan

Value = str | int | bool

LARGEST_NUMBER = 10**12 - 1  # ISO 8583 DE4: an amount has 12 digits; one more and a number could be an account number
LONGEST_TEXT = 200
LONGEST_RANGES = 2_000
LARGEST_IN_RANGES = 10**11 - 1
LONGEST_ENVELOPE = 40_000  # what leaves room, in base64, for an order around it in 64 KiB
LONGEST_RUN = 12  # digits in an identifier with no letter between: an account number with a Luhn digit has 13 or more
_DIGITS = re.compile(r"[0-9](?:[ .\-]?[0-9])*")
_KSN_NAMED = re.compile(r"KSN [0-9A-F]{20}(?:[0-9A-F]{4})?(?![0-9A-Fa-f])")
_PAN_TAG = re.compile(r"5A0([7-9A])([0-9F]{14,20})", re.IGNORECASE)  # EMV tag 5A, its length, its value, in hexadecimal
_TOO_LONG = PAN_DIGITS.stop  # a run of 20 digits or more may hide an account number anywhere in it


def holds_account_number(text: str) -> bool:
    """Whether digits in ``text``, single blanks, dots and hyphens between them ignored, read as an account number.

    That is: 13 to 19 digits whose last is the check digit of ISO/IEC 7812-1:2017, Annex B, leading zeros aside; or a
    run of 20 digits and more without separators, in which no place can be excluded. A key serial number that is
    called one ("KSN FFFF…") is none, whatever its digits; the value of EMV's tag 5A in hexadecimal is looked at alone.
    """
    text = _KSN_NAMED.sub("KSN", text)
    for tagged in _PAN_TAG.finditer(text):
        if _suspicious(tagged[2][: 2 * int(tagged[1], 16)].rstrip("Ff")):
            return True
    for found in _DIGITS.finditer(text):
        run = re.sub(r"[ .\-]", "", found[0]).lstrip("0")
        if 13 <= len(run) < _TOO_LONG and Pan(run).has_luhn_digit():
            return True
        if any(_suspicious(piece) for piece in re.findall("[0-9]+", found[0])):
            return True
    return False


def _suspicious(run: str) -> bool:
    run = run.lstrip("0")
    if not run.isdigit():
        return False
    return len(run) >= _TOO_LONG or (len(run) >= 13 and Pan(run).has_luhn_digit())


def fit(text: str, limit: int = LONGEST_TEXT) -> str:
    """``text`` made fit for a text field: one line, printable, at most ``limit`` characters, account numbers starred.

    For words that come from elsewhere (an exception, a host), so that an event is never lost for its wording.
    """
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    line = "".join("?" if character.isdigit() and not character.isascii() else character for character in line)
    if len(line) > limit:
        line = line[: limit - 1] + "…"
    return re.sub("[0-9]", "*", line) if holds_account_number(line) else line


def one_time_reference(octets: bytes) -> str:
    """A name for the account number of one payment, made of random ``octets``: letters only, so that it reads as none.

    It says nothing of the number: the next payment with the same card has another one.
    """
    return "r" + octets.hex().translate(_LETTERS)


_LETTERS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")
_DIGITS_OF = str.maketrans("abcdefghijklmnop", "0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Kind:
    """A field's kind: a type, and what holds of a value beyond it."""

    name: str
    words: str
    type: type[str] | type[int]
    holds: Callable[[Any], object]
    """Whether a value of that type fits; true or false in an ``if``."""
    expected: str
    """What to say where it does not. The value is not quoted."""
    choices: tuple[str, ...] = ()
    pattern: str = ""
    """What a text matches as a whole, where that says all; a regular expression of both Python and ECMA-262."""

    def refusal(self, value: Value) -> str | None:
        """What was expected where a value does not fit; None where it does."""
        return None if type(value) is self.type and self.holds(value) else self.expected


def _text(value: str) -> bool:
    if not 1 <= len(value) <= LONGEST_TEXT or not value.isprintable():
        return False
    if not value.isascii() and any(character.isdigit() and not character.isascii() for character in value):
        return False
    return not holds_account_number(value)


def one_of(*choices: str) -> Kind:
    """A field that holds one of a few words."""
    words = f"one of {', '.join(choices)}"
    return Kind("choice", words, str, frozenset(choices).__contains__, words, choices)


def _shaped(name: str, words: str, pattern: str, expected: str = "") -> Kind:
    """A kind of which a regular expression says all."""
    return Kind(name, words, str, re.compile(pattern, re.ASCII).fullmatch, expected or words, pattern=pattern)


TEXT = Kind(
    "text", f"words, 1 to {LONGEST_TEXT} characters, without card data", str, _text,
    f"1 to {LONGEST_TEXT} printable characters, no digits but 0 to 9, none that read as an account number",
)  # fmt: skip
_NUMBER = "a whole number of at most 12 digits"
NUMBER = Kind("number", _NUMBER, int, range(-LARGEST_NUMBER, LARGEST_NUMBER + 1).__contains__, _NUMBER)
_IDENTIFIER = f"1 to 32 letters, digits, '-', '_', '.', at most {LONGEST_RUN} digits between letters"
IDENTIFIER = _shaped(
    "identifier", _IDENTIFIER, rf"(?!.*(?:[0-9][._-]*){{{LONGEST_RUN + 1}}})[A-Za-z0-9][A-Za-z0-9._-]{{0,31}}"
)
CURRENCY = _shaped("currency", "ISO 4217 letters", "[A-Z]{3}", "three capital letters")
RESPONSE_CODE = _shaped("response code", "ISO 8583 DE39", "[0-9A-Z]{2}", "two digits or capital letters")
MASKED_PAN = _shaped(
    "masked account number",
    "PCI DSS 4.0, 3.4.1: at most the first six and last four digits",
    r"(?:[0-9]{6}\*{3,9}|\*{4,8})[0-9]{4}",
    "at most the first six and last four digits, stars between",
)
KSN = _shaped(
    "key serial number",
    "X9.24-1 (10 octets) or X9.24-3 (12), hexadecimal",
    "[0-9A-F]{20}|[0-9A-F]{24}",
    "20 or 24 capital hexadecimal digits",
)
CHECK_VALUE = _shaped(
    "key check value",
    "3 octets or 5 (CMAC), hexadecimal",
    "[0-9A-F]{6}|[0-9A-F]{10}",
    "6 or 10 capital hexadecimal digits",
)
HASH = _shaped("hash", "SHA-256, hexadecimal", "[0-9a-f]{64}", "64 hexadecimal digits")
_RANGES = "ranges of at most 11 digits, such as 1..5,7,9..12"
_RANGE = r"[0-9]{1,11}(?:\.\.[0-9]{1,11})?"
RANGES = _shaped("ranges", _RANGES, f"(?=.{{1,{LONGEST_RANGES}}}$){_RANGE}(?:,{_RANGE})*")
LONGEST_DOCUMENT = 3_000  # octets of a document of an enrolment: within what a report may have
_DOCUMENT = f"a document, each octet as two letters a to p, at most {LONGEST_DOCUMENT} octets"
DOCUMENT = _shaped("document", _DOCUMENT, f"(?:[a-p]{{2}}){{1,{LONGEST_DOCUMENT}}}")


def document_text(octets: bytes) -> str:
    """A document's octets as a field's text: letters only, so that nothing in it reads as an account number."""
    return octets.hex().translate(_LETTERS)


def document_octets(text: str) -> bytes:
    """The other way, for text that :data:`DOCUMENT` takes."""
    return bytes.fromhex(text.translate(_DIGITS_OF))


def _envelope(value: str) -> bool:
    return 1 <= len(value) <= LONGEST_ENVELOPE and value.isascii() and value.isprintable()


# Of orders alone, which head office makes and persons sign; no event has a field of these kinds.
ENVELOPE = Kind(
    "envelope", "a signed statement, one line of JSON", str, _envelope,
    f"1 to {LONGEST_ENVELOPE} printable ASCII characters",
)  # fmt: skip
COUNT = Kind("count", "0 to 2**63-1", int, range(1 << 63).__contains__, "0 to 2**63-1")
KEY_BLOCK = _shaped("key block", "X9.143, capitals and digits", "[A-D][0-9A-Z]{15,2047}", "a key block")
