# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the acquirer twin remembers: transactions, key serial numbers, counters, money. Judges nothing; writes no file.

Its snapshot holds no card number: accounts go by their names and keys as the HSM's cryptograms.
"""

from collections import OrderedDict
from dataclasses import asdict, dataclass, field
from typing import Any

from protocols.hsm.fields import KeyField

FACTORS = 1_000  # of one terminal's binding proofs
REMEMBERED = 20_000
"""Transactions kept: a day of a large shop; older ones can be neither repeated nor reversed."""
DEVICES = 100_000
"""Pads whose counters are kept. A full memory refuses new ones rather than forgetting an old counter."""
WINDOW = 1_024
"""How far behind a device's newest data key an older one may still come: advices wait while payments go on."""
KSN_COUNTER = (1 << 21) - 1  # ANSI X9.24-1: the rightmost 21 bits of a KSN count, the others name the device


@dataclass(frozen=True, slots=True)
class Key:
    """What names a request: terminal, STAN, DE7."""

    terminal: str
    stan: int
    transmitted: str


@dataclass(slots=True)
class Entry:
    """One transaction, from its arrival on."""

    mti: int
    digest: str
    """Of the request without its MAC: a repeat has the same, another request under one name has not."""
    account: str = ""
    amount: int = 0
    code: str = ""
    """Empty while it is being decided."""
    approval: str = ""
    reference: str = ""
    icc: str = ""
    held: int = 0
    """Minor units taken from the account."""
    reversed: bool = False


@dataclass(slots=True)
class Ledger:
    """Everything that must outlive one request."""

    entries: OrderedDict[Key, Entry] = field(default_factory=OrderedDict)
    counters: dict[str, int] = field(default_factory=dict)
    """Device part of a KSN to the highest counter seen."""
    atcs: dict[str, int] = field(default_factory=dict)
    """Account to the highest application transaction counter seen."""
    wrong_pins: dict[str, int] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)
    session_keys: dict[str, str] = field(default_factory=dict)
    """Terminal to its TAK, as a cryptogram under the LMK."""
    number: int = 0
    factors: dict[str, list[str]] = field(default_factory=dict)
    """Terminal to the random factors of its binding proofs, the newest last."""
    data_keys: dict[str, list[int]] = field(default_factory=dict)
    """Device part of a data key's KSN to the highest counter seen and a bit for each of the :data:`WINDOW` up to it."""

    def find(self, key: Key) -> Entry | None:
        """The transaction of that name."""
        return self.entries.get(key)

    def add(self, key: Key, entry: Entry) -> None:
        """Remember a transaction, forgetting the oldest beyond the bound."""
        self.entries[key] = entry
        while len(self.entries) > REMEMBERED:
            self.entries.popitem(last=False)

    def forget(self, key: Key) -> None:
        """A transaction that was not decided and is not to be remembered."""
        self.entries.pop(key, None)

    def next_number(self) -> int:
        """A running number for approval codes and references."""
        self.number += 1
        return self.number

    def take_ksn(self, ksn: bytes) -> str:
        """Accept a key serial number once: empty, or the words why it must not be used again."""
        device, counter = _halves(ksn)
        last = self.counters.get(device, 0)
        if counter <= last:
            again = "was used before" if counter == last else f"is lower than {last:X}, the last one seen"
            return f"KSN replay: counter {counter:X} {again}"
        if device not in self.counters and len(self.counters) >= DEVICES:
            return "KSN of a device beyond the number that can be remembered"
        self.counters[device] = counter
        return ""

    def take_data_key(self, ksn: bytes) -> str:
        """As :meth:`take_ksn` for a key of account data, which may come late by a window (as RFC 4303, 3.4.3)."""
        device, counter = _halves(ksn)
        highest, seen = self.data_keys.get(device, (0, 0))
        if counter <= highest - WINDOW:
            return f"KSN replay: counter {counter:X} is too far behind {highest:X}, the last one seen"
        if counter <= highest and seen >> (highest - counter) & 1:
            return f"KSN replay: counter {counter:X} was used before"
        if device not in self.data_keys and len(self.data_keys) >= DEVICES:
            return "KSN of a device beyond the number that can be remembered"
        if counter > highest:
            highest, seen = counter, (seen << (counter - highest)) % (1 << WINDOW)
        self.data_keys[device] = [highest, seen | 1 << (highest - counter)]
        return ""

    def give_back_data_key(self, ksn: bytes) -> None:
        """Nothing was deciphered with it, since the HSM did not answer: it may come again."""
        device, counter = _halves(ksn)
        highest, seen = self.data_keys[device]
        self.data_keys[device] = [highest, seen & ~(1 << (highest - counter))]

    def take_factor(self, terminal: str, factor: bytes) -> bool:
        """Accept a binding proof's random factor once, among the last ones of a terminal."""
        known = self.factors.setdefault(terminal, [])
        if factor.hex() in known:
            return False
        known.append(factor.hex())
        del known[:-FACTORS]
        return True

    def session_key(self, terminal: str) -> KeyField | None:
        """The TAK of a terminal that has signed on."""
        text = self.session_keys.get(terminal)
        return None if text is None else KeyField.from_text(text)

    def snapshot(self) -> dict[str, Any]:
        """Everything as JSON values."""
        return {
            "version": 1,
            "entries": [[key.terminal, key.stan, key.transmitted, asdict(one)] for key, one in self.entries.items()],
            "counters": self.counters,
            "atcs": self.atcs,
            "wrong_pins": self.wrong_pins,
            "held": self.held,
            "session_keys": self.session_keys,
            "number": self.number,
            "factors": self.factors,
            "data_keys": self.data_keys,
        }

    @classmethod
    def restored(cls, document: Any) -> "Ledger":
        """From :meth:`snapshot`; raises ValueError for anything else."""
        try:
            if document["version"] != 1:
                raise ValueError("of another version")
            ledger = cls(
                counters=dict(document["counters"]),
                atcs=dict(document["atcs"]),
                wrong_pins=dict(document["wrong_pins"]),
                held=dict(document["held"]),
                session_keys=dict(document["session_keys"]),
                number=int(document["number"]),
                factors={name: list(known) for name, known in document.get("factors", {}).items()},
                data_keys={name: [int(a), int(b)] for name, (a, b) in document.get("data_keys", {}).items()},
            )
            for terminal, stan, transmitted, values in document["entries"]:
                ledger.entries[Key(str(terminal), int(stan), str(transmitted))] = Entry(**values)
        except (KeyError, TypeError, AttributeError):
            raise ValueError("not what this twin wrote") from None
        return ledger


def _halves(ksn: bytes) -> tuple[str, int]:
    """The part that names the device, and the counter."""
    number = int.from_bytes(ksn, "big")
    return f"{number & ~KSN_COUNTER:020X}", number & KSN_COUNTER
