# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Certificates and signatures for the tests of offline data authentication: published ones, and a signer with the
published private keys of a made-up test scheme. Checks nothing."""

import hashlib
import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from protocols.emv import oda, tlv
from protocols.pan import Pan
from tests.protocols.emv.traces import Script, scripts

VECTORS = Path(__file__).parents[2] / "vectors"
SETS: dict[str, dict[str, Any]] = {
    entry["name"]: entry for entry in json.loads((VECTORS / "oda_sda_dda_cda.json").read_text())
}
DDA_SET, CDA_SET = SETS["emv_rsa_test (emv-utils)"], SETS["emv_rsa_cda_test (emv-utils)"]
CONTACT: dict[str, Any] = json.loads((VECTORS / "emvpt_contact_transaction.json").read_text())
TODAY = date(2015, 1, 1)


def _published() -> list[oda.CaKey]:
    lists = json.loads((VECTORS / "capk.json").read_text())
    return [
        oda.CaKey(
            bytes.fromhex(entry["rid"]),
            int(entry["index"], 16),
            oda.PublicKey.of(bytes.fromhex(entry["modulus"]), bytes.fromhex(entry["exponent"])),
            bytes.fromhex(entry["sha1"]),
        )
        for name in ("emv_utils", "proxmark")
        for entry in lists[name]
    ]


CA_KEYS = _published()


def ca_key(rid: str, index: int) -> oda.CaKey:
    """The first published key of a payment system and index."""
    return next(key for key in CA_KEYS if key.rid == bytes.fromhex(rid) and key.index == index)


@dataclass(frozen=True)
class Card:
    """What a terminal has read of a card when authentication begins."""

    objects: dict[int, bytes]
    records: tuple[tuple[int, bytes], ...]
    commands: dict[int, bytes]
    answers: dict[int, bytes]

    @property
    def pan(self) -> Pan:
        """The account number."""
        return Pan(self.objects[0x5A].hex().upper().rstrip("F"))

    def static_data(self) -> bytes:
        """The records that the AFL names for authentication, and the AIP where the tag list says so."""
        afl, chosen = self.objects[0x94], []
        for start in range(0, len(afl), 4):
            sfi, first, _, count = afl[start] >> 3, *afl[start + 1 : start + 4]
            for number in range(first, first + count):
                chosen += [(sfi, record) for place, record in self.records if place == sfi << 8 | number]
        return oda.static_data(chosen, self.objects.get(0x9F4A), self.objects[0x82])

    def issuer(self, ca: oda.CaKey, today: date = TODAY) -> oda.IssuerKey:
        """The issuer's key."""
        found = self.objects
        return oda.issuer_key(ca, found[0x90], found.get(0x92, b""), found[0x9F32], self.pan, today)

    def key(self, ca: oda.CaKey, today: date = TODAY) -> oda.PublicKey:
        """The card's key."""
        found = self.objects
        return oda.icc_key(
            self.issuer(ca, today), found[0x9F46], found.get(0x9F48, b""), found[0x9F47], self.pan,
            self.static_data(), today,
        )  # fmt: skip


def read(exchanges: tuple[tuple[bytes, bytes], ...]) -> Card:
    """A card out of a recorded exchange."""
    objects: dict[int, bytes] = {}
    records, commands, answers = [], {}, {}
    last = b""
    for command, answer in exchanges:
        body, sent = answer[:-2], command
        if command[1] == 0xC0:  # GET RESPONSE carries the answer to the command before
            sent = last
        last = sent
        if not body:
            continue
        commands.setdefault(sent[1], sent)
        answers.setdefault(sent[1], body)
        if sent[1] == 0xB2:
            records.append(((sent[3] >> 3) << 8 | sent[2], body))
        if sent[1] == 0xA8 and body[0] == 0x80:
            objects |= {0x82: body[2:4], 0x94: body[4:]}
        elif body[0] in (0x6F, 0x70, 0x77):
            for tag, value in tlv.decode(body).leaves():
                objects.setdefault(tag, value)
    return Card(objects, tuple(records), commands, answers)


def contactless(name: str) -> Card:
    """The card of a recorded contactless script."""
    script: Script = scripts()[name]
    return read(script.exchanges)


def contact() -> Card:
    """The card of the recorded contact transaction of the made-up scheme."""
    return read(tuple((bytes.fromhex(entry["c"]), bytes.fromhex(entry["r"])) for entry in CONTACT["exchanges"]))


@dataclass(frozen=True)
class TestKey:
    """A published private key of the made-up scheme."""

    __test__ = False
    modulus: int
    private: int
    octets: int

    @property
    def public(self) -> oda.PublicKey:
        """Its public half."""
        return oda.PublicKey(self.modulus, 3, self.octets)

    def sign(self, form: int, body: bytes, behind: bytes = b"") -> bytes:
        """A signature with recovery: ``body`` fills the key's room between format and hash."""
        room = self.octets - 23
        assert len(body) == room, (len(body), room)
        covered = bytes((form,)) + body
        text = b"\x6a" + covered + hashlib.sha1(covered + behind).digest() + b"\xbc"
        return pow(int.from_bytes(text, "big"), self.private, self.modulus).to_bytes(self.octets, "big")


def _key(part: str) -> TestKey:
    entry = next(value for name, value in CONTACT["keys"].items() if part in name)
    return TestKey(int(entry["n"], 16), int(entry["d"], 16), entry["bits"] // 8)


TEST_CA, TEST_ISSUER, TEST_CARD = _key("_ca_"), _key("iin_"), _key("icc_")
TEST_SCHEME = oda.CaKey(bytes.fromhex("AFFFFFFFFF"), 0x92, TEST_CA.public)


def certificate(
    signer: TestKey,
    form: int,
    name: bytes,
    subject: TestKey,
    *,
    expiry: str = "1230",
    algorithms: bytes = b"\x01\x01",
    behind: bytes = b"",
    exponent: bytes = b"\x03",
) -> tuple[bytes, bytes]:
    """A certificate by the test scheme and the part of the key that did not fit."""
    modulus = subject.modulus.to_bytes(subject.octets, "big")
    fixed = name + bytes.fromhex(expiry) + b"\x00\x00\x2a" + algorithms + bytes((len(modulus), len(exponent)))
    room = signer.octets - 23 - len(fixed)
    body = fixed + modulus[:room].ljust(room, b"\xbb")
    remainder = modulus[room:]
    return signer.sign(form, body, remainder + exponent + behind), remainder
