# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The sheet of one calculation: its steps, its result, its verdict. Reads no input and prints nothing.

Keys appear on it as check values only. A result that is itself secret (a PIN, a clear block, a derived key) is written
in clear only where the person asked with ``--reveal``; before that it is not even turned into text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from protocols.primitives import (
    AesKey,
    BlockKey,
    KeyOctets,
    Sm4Key,
    TdesKey,
    Use,
    check_value,
    check_value_cmac,
    has_odd_parity,
    is_single_strength,
)
from protocols.secret import Pin, Secret
from tillguard.voice import Voice

MASKED: Final = "masked"
CIPHERS: Final[dict[str, type[BlockKey]]] = {"tdes": TdesKey, "aes": AesKey, "sm4": Sm4Key}
"""Block ciphers by the names that options use."""

Row = Mapping[str, str]
Value = str | Sequence[Row] | bool | None


@dataclass(frozen=True, slots=True)
class Step:
    """One line of an explanation: what was done, and what came out."""

    words: str
    value: str


class Sheet:
    """Where a verb writes. ``explain`` keeps the steps, ``reveal`` permits secret results in clear."""

    def __init__(self, *, explain: bool, reveal: bool) -> None:
        self.explain = explain
        self.reveal = reveal
        self.steps: list[Step] = []
        self.result: dict[str, Value] = {}
        self.concealed: list[str] = []
        self.agrees: bool | None = None

    def step(self, words: str, value: str | bytes = "") -> None:
        """A step whose value may be seen."""
        if self.explain:
            self.steps.append(Step(words, value if isinstance(value, str) else value.hex().upper()))

    def secret_step(self, words: str, value: Secret, masked: str = MASKED) -> None:
        """A step whose value is secret: ``masked`` stands for it unless it may be revealed."""
        if self.explain:
            self.steps.append(Step(words, in_clear(value) if self.reveal else masked))

    def key_step(self, words: str, key: KeyOctets, cipher: str, *, derived: bool = False) -> None:
        """A key: its cipher, size and check value, never itself. ``cipher`` is a name of :data:`CIPHERS`.

        What is unusual about a TDES key that was read is remarked on; a ``derived`` one has no parity to speak of.
        """
        if self.explain:
            self.steps.append(Step(words, described(key, cipher) + ("" if derived else remarks(key, cipher))))

    def answer(self, name: str, value: Value) -> None:
        """A result that may be seen."""
        self.result[name] = value

    def secret_answer(self, name: str, value: Secret) -> None:
        """A result that is secret."""
        if self.reveal:
            self.result[name] = in_clear(value)
        else:
            self.result[name] = None
            self.concealed.append(name)

    def verdict(self, agrees: bool) -> None:
        """The result of a verification: the command ends in 6 unless the received value agrees."""
        self.agrees = agrees
        self.result["agrees"] = agrees

    def document(self, noun: str, verb: str) -> dict[str, object]:
        """The sheet as data."""
        document: dict[str, object] = {"noun": noun, "verb": verb, "test_data_only": True}
        if self.explain:
            document["steps"] = [{"step": step.words, "value": step.value} for step in self.steps]
        document["result"] = self.result
        if self.concealed:
            document["concealed"] = self.concealed
        return document

    def print_on(self, voice: Voice) -> None:
        """The sheet for a person: numbered steps, then the result."""
        width = max((len(step.words) for step in self.steps), default=0)
        for number, step in enumerate(self.steps, 1):
            voice.say(voice.paint(f"{number:>3}  {step.words:<{width}}  {step.value}".rstrip(), "dim"))
        width = max((len(name) for name in self.result), default=0)
        for name, value in self.result.items():
            for place, line in enumerate(_lines(value)):
                label = "" if place else name
                voice.say(f"{voice.paint(label.ljust(width), 'bold')}  {line}")
        for name in self.concealed:
            voice.tell(f"hint: {name} is masked; --reveal shows it")


def in_clear(value: Secret) -> str:
    """The secret as text: only for what the person asked to see. TEST data."""
    return "".join(map(str, value)) if isinstance(value, Pin) else bytes(value.reveal()).hex().upper()


def check_text(key: KeyOctets, cipher: str) -> str:
    """The check value of a key: the CMAC of a zero block for AES (5 octets), else that block enciphered (3 octets)."""
    with CIPHERS[cipher](key, Use.ENCIPHER | Use.CMAC) as made:
        return (check_value_cmac(made) if cipher == "aes" else check_value(made)).hex().upper()


def described(key: KeyOctets, cipher: str) -> str:
    """A key as a person may see it: cipher, octets, check value. A key of no block cipher (HMAC) has none."""
    size = len(key)
    words = f"{cipher.upper()}, {size} octets"
    if cipher not in CIPHERS:
        return words
    return f"{words}, check value {check_text(key, cipher)}"


def remarks(key: KeyOctets, cipher: str) -> str:
    """What an HSM would object to in a TDES key; empty for most."""
    if cipher != "tdes":
        return ""
    words = "" if has_odd_parity(key) else ", parity not odd"
    return words + (", equal halves: worth one DES key" if len(key) > 8 and is_single_strength(key) else "")


def _lines(value: Value) -> list[str]:
    if value is None:
        return [f"({MASKED})"]
    if isinstance(value, bool):
        return ["yes" if value else "no"]
    if isinstance(value, str):
        return [value]
    columns = list(zip(*(row.values() for row in value), strict=True))
    widths = [max(map(len, column)) for column in columns]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row.values(), widths, strict=True)).rstrip() for row in value
    ]
