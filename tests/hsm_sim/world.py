# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A unit, its hosts' keys and random cases for the trials: everything that is drawn comes from one seed. No test.

A world lives under one of the three TEST LMKs and in one form of key fields. What it hands to the unit as keys is made
by :mod:`tests.hsm_sim.oracle`, which shares no code with the unit.
"""

import random
from dataclasses import dataclass, field

from hsm_sim.engine.block_lmk import BlockLmk
from hsm_sim.engine.engine import Engine
from hsm_sim.engine.lmk import Lmk
from tests.hsm_sim import oracle
from tests.hsm_sim.asking import Ask, an_engine, asking_of, every_lmk

DIGITS = "0123456789"


@dataclass(frozen=True, slots=True)
class Form:
    """How keys come to the unit."""

    name: str
    kind: str = "variant"
    lmk: str = "00"
    stored: bool = False

    @property
    def in_blocks(self) -> bool:
        """Whether keys lie in key blocks."""
        return self.kind != "variant"

    @property
    def lmks(self) -> dict[str, Lmk]:
        """The unit's LMKs."""
        if self.in_blocks and self.lmk == "00":
            make = BlockLmk.of_tdes_test_key if self.kind == "tdes" else BlockLmk.of_aes_test_key
            return {"00": make("00")}
        return every_lmk()


VARIANT = Form("variant")
FORMS = (
    VARIANT,
    Form("variant, user storage", stored=True),
    Form("TDES key blocks", "tdes", "01"),
    Form("AES key blocks", "aes", "02"),
    Form("AES key blocks, user storage", "aes", "02", stored=True),
    Form("TDES key blocks, default LMK", "tdes"),
)

# What a host calls a key: its type under a variant LMK; usage and mode in its key block.
KINDS: dict[str, tuple[str, str, str]] = {
    "ZMK": ("000", "52", "N"),
    "ZPK": ("001", "72", "B"),
    "TPK": ("002", "71", "B"),
    "TMK": ("002", "51", "N"),
    "PVK": ("002", "V2", "N"),
    "IBM PVK": ("002", "V1", "N"),
    "CVK": ("402", "13", "N"),
    "TAK": ("003", "M3", "N"),
    "CBC TAK": ("003", "M1", "N"),
    "ZAK": ("008", "M3", "N"),
    "CBC ZAK": ("008", "M1", "N"),
    "BDK": ("009", "B0", "X"),
    "MK-AC": ("109", "E0", "X"),
    "ZEK": ("00A", "22", "B"),
    "DEK": ("00B", "21", "B"),
    "TEK": ("30B", "23", "B"),
}
SETTINGS = {"old_lmk": True, "clear_pins": True, "account_change": True}


@dataclass(slots=True)
class World:
    """One random case's surroundings."""

    form: Form
    seed: str
    draw: random.Random = field(init=False)
    engine: Engine = field(init=False)
    ask: Ask = field(init=False)
    drawn: list[bytes] = field(default_factory=list)
    """What the unit took for random, newest last."""
    storage: dict[str, str] = field(default_factory=dict)
    """What lies in the unit's user storage under the form's LMK; without a key block its type stands in front."""

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)
        self.engine = an_engine(
            lmks=self.form.lmks, random=self._random, storage={self.form.lmk: self.storage}, **SETTINGS
        )
        self.ask = asking_of(self.engine)

    def _random(self, count: int) -> bytes:
        self.drawn.append(self.draw.randbytes(count))
        return self.drawn[-1]

    @property
    def tail(self) -> str:
        """What stands behind each command."""
        return f"%{self.form.lmk}" if self.form.lmk != "00" else ""

    def key(self, octets: int = 16) -> bytes:
        """A key of odd parity."""
        return oracle.odd(self.draw.randbytes(octets))

    def code(self, kind: str) -> str:
        """The key type that a command names."""
        return "FFF" if self.form.in_blocks else KINDS[kind][0]

    def held(self, kind: str, clear: bytes, algorithm: str = "T", *, lmk: str | None = None) -> str:
        """A key field as the form has it; of a variant LMK in any scheme of the key's length."""
        code, usage, mode = KINDS[kind]
        if self.form.in_blocks:
            field = oracle.key_block(self.form.kind, self.form.lmk, clear, usage, mode, algorithm)
        else:
            scheme = self.draw.choice({8: ["", "Z"], 16: ["U", "X"], 24: ["T", "Y"]}[len(clear)])
            made = oracle.under(oracle.lmk(lmk or code), clear, scheme.replace("Z", ""))
            field = "Z" + made if scheme == "Z" else made
        if not self.form.stored:
            return field
        index = f"{self.draw.randrange(0x1000):03X}"
        while index in self.storage:
            index = f"{self.draw.randrange(0x1000):03X}"
        self.storage[index] = field if self.form.in_blocks else f"{lmk or code} {field}"
        return "K" + index

    def clear(self, code: str, field: str) -> bytes:
        """The key in a field that the unit gave, of a type."""
        if self.form.in_blocks:
            return oracle.key_in_block(self.form.kind, field)
        return oracle.clear_of(oracle.lmk(code), field)

    def digits(self, count: int) -> str:
        """So many decimal digits."""
        return "".join(self.draw.choices(DIGITS, k=count))

    def pin(self, shortest: int = 4) -> str:
        """A PIN of 4 to 12 digits."""
        return self.digits(self.draw.randint(shortest, 12))

    def account(self) -> str:
        """The account number field: 12 digits."""
        return self.digits(12)

    def block(self, clear: bytes, pin: str, account: str) -> tuple[str, str]:
        """An enciphered PIN block of format 0 or 3, and the format's code."""
        if self.draw.random() < 0.5:
            return oracle.block_0(clear, pin, account), "01"
        return oracle.block_3(clear, pin, account), "47"

    def ksn(self) -> str:
        """A serial number of TDES DUKPT whose counter a device uses: one to ten bits set."""
        counter = 0
        for place in self.draw.sample(range(21), self.draw.randint(1, 4)):
            counter |= 1 << place
        return f"FFFF{self.draw.randrange(1 << 43) << 21 | counter:016X}"

    def kept_pin(self, pin: str, account: str) -> str:
        """A PIN under the LMK of this world."""
        answer = self.ask(f"BA{pin.ljust(13, 'F')}{account}{self.tail}")
        if answer[:2] != "00":
            raise AssertionError(f"BA answered {answer[:2]}")
        return answer[2:]

    def table(self) -> tuple[str, str]:
        """A decimalisation table that spreads well, bare and as the unit enciphers it."""
        while True:
            table = self.digits(16)
            if len(set(table)) >= 8 and max(map(table.count, DIGITS)) <= 4:
                break
        answer = self.ask(f"LO{table}{self.tail}")
        if answer[:2] != "00":
            raise AssertionError(f"LO answered {answer[:2]}")
        return table, answer[2:]

    def validation(self, account: str) -> tuple[str, str]:
        """16 digits of validation data and a field that means them: account digits put in, or written out."""
        if self.draw.random() < 0.5:
            spread = self.digits(16)
            return spread, "P" + spread
        place = self.draw.randrange(12)
        front, behind = self.digits(place), self.digits(11 - place)
        return front + account[-5:] + behind, f"{front}N{behind}"

    def wrong(self, digits: str) -> str:
        """Other digits of the same number."""
        return f"{(int(digits) + self.draw.randrange(1, 10 ** len(digits))) % 10 ** len(digits):0{len(digits)}}"
