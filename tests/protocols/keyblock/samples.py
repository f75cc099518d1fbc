# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The published key blocks as Python objects, and keys for tests. Checks nothing."""

import json
from dataclasses import dataclass
from pathlib import Path

from protocols.keyblock.codes import FORMS
from protocols.keyblock.x9143 import ProtectionKey
from protocols.secret import ClearKey

VECTORS = Path(__file__).parents[2] / "vectors"
TEST_TDES = bytes.fromhex("89E88CF7931444F334BD7547FC3F380C")
TEST_TDES_TRIPLE = bytes.fromhex("0123456789ABCDEFFEDCBA98765432101111111122222222")
TEST_AES = bytes.fromhex("88E1AB2A2E3DD38C1FA039A536500CC8A87AB9D62DC92C01058FA79F44657DE6")
TEST_KEY = bytes.fromhex("F039121BEC83D26B169BDCD5B22AAF8F")


@dataclass(frozen=True)
class Sample:
    """One published block."""

    name: str
    status: str
    kbpk: bytes
    text: str
    expected: str

    def protection(self) -> ProtectionKey:
        """Its protection key."""
        return ProtectionKey(FORMS[self.text[0]].cipher, self.kbpk)

    @property
    def key(self) -> ClearKey:
        """The key in it."""
        return ClearKey.from_hex(self.expected)


def _load(file: str) -> dict[str, Sample]:
    return {
        entry["id"]: Sample(
            entry["id"], entry.get("status", "verified"), bytes.fromhex(entry["input"]["kbpk"]),
            entry["input"]["key_block"], entry["expected"],
        )
        for entry in json.loads((VECTORS / file).read_text())["vectors"]
        if "key_block" in entry["input"]
    }  # fmt: skip


STANDARD = _load("tr31.json")
UIC = _load("uic_key_blocks.json")
GOOD = {name: sample for name, sample in (STANDARD | UIC).items() if sample.status != "standard-erratum"}
WRAPPED = [entry for entry in json.loads((VECTORS / "tr31.json").read_text())["vectors"] if "pad" in entry["input"]]


def protection(version: str) -> ProtectionKey:
    """A TEST protection key for blocks of ``version``."""
    return ProtectionKey.tdes(TEST_TDES) if version in "ABC" else ProtectionKey.aes(TEST_AES)
