# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Published ISO 8583 octets against our element table and dialect knobs."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from protocols.acquirer.dialects import ASCII_1987, Dialect
from protocols.acquirer.fields import bits, pack, unpack
from protocols.acquirer.frame import Framer
from protocols.acquirer.message import Message, decode, draft
from protocols.emv import tlv
from protocols.errors import DecodeError
from tests.protocols.acquirer.samples import REQUEST

FACTS: list[dict[str, Any]] = json.loads(
    Path(__file__).parents[2].joinpath("vectors", "iso8583_samples.json").read_text(encoding="utf-8")
)["facts"]


def _of(kind: str) -> list[dict[str, Any]]:
    found = [fact for fact in FACTS if fact["kind"] == kind]
    assert found
    return found


@pytest.mark.parametrize("fact", _of("bitmap"), ids=lambda fact: fact["hex"])
def test_bitmaps(fact: dict[str, Any]) -> None:
    assert bits(bytes.fromhex(fact["hex"])) == fact["fields"]


@pytest.mark.parametrize("fact", _of("message ascii"), ids=lambda fact: fact["raw"][:24])
def test_text_messages(fact: dict[str, Any]) -> None:
    octets, decoded = fact["raw"].encode("ascii"), fact["decoded"]
    if not decoded.get("2", "0").isdigit():
        with pytest.raises(DecodeError, match="DE2: digits expected"):  # this sample's DE2 is a name in prose
            unpack(octets, ASCII_1987)
        return
    mti, fields = unpack(octets, ASCII_1987)
    assert mti == decoded["t"]
    assert fields == {int(number): text for number, text in decoded.items() if number.isdigit() and number != "1"}
    assert pack(mti, fields, ASCII_1987) == octets


def test_a_message_behind_a_tpdu() -> None:
    (fact,) = _of("message with TPDU")
    captured = bytes.fromhex(fact["hex"])
    dialect = Dialect("ascii with binary bitmap", bitmap="binary", tpdu=True)
    (frame,) = Framer(dialect).feed(len(captured).to_bytes(2, "big") + captured)
    assert frame.tpdu == bytes.fromhex("6001230000")
    assert frame.return_tpdu == bytes.fromhex("6000000123")
    assert bits(frame.message[4:12]) == fact["bitmap_fields"]
    with pytest.raises(DecodeError, match="DE41"):  # the capture ends inside DE41
        unpack(frame.message, dialect)
    whole = frame.message[:12] + b"123456" + b"00" + b"37".ljust(8)
    assert decode(whole, dialect).message.stan == 123456


def test_chip_data_stay_octets() -> None:
    (fact,) = _of("DE55")
    icc = bytes.fromhex(fact["hex"])
    message = decode(draft(_with(icc), ASCII_1987).without_mac(), ASCII_1987).message
    assert message.icc == icc
    assert f"{len(icc):03d}".encode() + icc in draft(_with(icc), ASCII_1987).without_mac()
    found = {f"{tag:X}": value.hex() for tag, value in tlv.decode(icc).leaves()}
    assert found == {tag: value.lower() for tag, value in fact["tags"].items()}


def _with(icc: bytes) -> Message:
    return replace(REQUEST, icc=icc)
