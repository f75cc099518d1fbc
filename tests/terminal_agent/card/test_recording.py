# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings: exact for TEST cards alone, masked for all others, read back as written, refused where they are none."""

import errno
import json
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.emv import apdu
from protocols.emv.masking import account_numbers, masked_command, masked_response
from protocols.errors import DecodeError
from terminal_agent.card.port import CardError, CardLost, CardPresence, converse, pin_entry
from terminal_agent.card.recording import MOST_EXCHANGES, Exchange, Played, Recorded, Recording, decoded, read, write

PAN = "4000009999990057"
RECORD = bytes.fromhex("7022" + "5A08" + PAN + "57104000009999990057D2812201117130005F2003412F42") + b"\x90\x00"
SELECT = bytes.fromhex("00A4040007A000000003101000")
VERIFY = bytes.fromhex("0020008008241234FFFFFFFFFF")


class Replies:
    """Answers one thing."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.released = self.closed = False

    async def wait_for_card(self, timeout_s: float) -> CardPresence | None:
        return CardPresence("contact", "a card")

    async def transmit(self, command: bytes) -> bytes:
        return self.answer

    async def release(self) -> None:
        self.released = True

    async def close(self) -> None:
        self.closed = True


async def recorded(*commands: bytes) -> Recording:
    layer = Recording(Replies(RECORD))
    await layer.wait_for_card(1)
    for command in commands:
        await layer.transmit(command)
    return layer


async def test_a_test_card_is_kept_as_it_was(tmp_path: Path) -> None:
    kept = (await recorded(SELECT, VERIFY)).result({PAN})
    assert kept.exact
    assert kept.exchanges == (Exchange(SELECT, RECORD), Exchange(VERIFY, RECORD))
    path = tmp_path / "one.jsonl"
    write(kept, path)
    assert read(path) == kept
    assert path.stat().st_mode & 0o777 == 0o600


async def test_any_other_card_is_masked() -> None:
    kept = (await recorded(SELECT, VERIFY)).result({"4000009999990016"})
    assert not kept.exact
    assert kept.masked
    select, verify = kept.exchanges
    assert select.command == SELECT
    assert verify.command == VERIFY[:5] + bytes(8)
    hidden = bytes.fromhex("7022" + "5A08" + "4000000000000057" + "57104000000000000057D0000000000000005F2003000000")
    assert select.response == hidden + b"\x90\x00"
    assert not (await recorded()).result({PAN}).exact  # nobody knows whose card it is


async def test_conversations_are_recorded_at_one_go() -> None:
    layer = Recording(Replies(RECORD))

    def turns() -> Generator[bytes, bytes, int]:
        yield SELECT
        yield VERIFY
        return 2

    assert await converse(layer, turns()) == 2
    assert [one.command for one in layer.result({PAN}).exchanges] == [SELECT, VERIFY]
    assert pin_entry(layer) is None
    await layer.release()
    await layer.close()
    assert isinstance(layer.inner, Replies)
    assert layer.inner.released
    assert layer.inner.closed


async def test_a_pin_typed_at_the_reader_is_kept_and_never_sent_again(tmp_path: Path) -> None:
    layer = await recorded(SELECT)
    layer.typed(apdu.PLAIN_PIN_TEMPLATE, b"\x90\x00")
    await layer.transmit(SELECT)
    write(layer.result({PAN}), tmp_path / "card.jsonl")
    back = read(tmp_path / "card.jsonl")
    assert [one.typed for one in back.exchanges] == [False, True, False]
    assert back.exchanges[1] == Exchange(apdu.PLAIN_PIN_TEMPLATE, b"\x90\x00", typed=True)
    played = Played(back)
    for _ in range(2):
        assert await played.transmit(SELECT) == RECORD


async def test_a_recording_has_an_end() -> None:
    layer = await recorded(*[SELECT] * MOST_EXCHANGES)
    with pytest.raises(CardError, match="not recorded further"):
        await layer.transmit(SELECT)


async def test_a_recording_in_place_of_a_reader() -> None:
    played = Played((await recorded(SELECT, VERIFY)).result({PAN}))
    presence = await played.wait_for_card(1)
    assert presence is not None
    assert presence.identity == "a card, recorded"
    assert await played.transmit(SELECT) == RECORD
    with pytest.raises(CardLost, match="exchange 2: another command"):
        await played.transmit(SELECT)
    assert await played.transmit(VERIFY) == RECORD
    with pytest.raises(CardLost, match="ends here"):
        await played.transmit(SELECT)
    await played.release()
    await played.close()


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (["nothing"], "line 1: a JSON object"),
        (['{"recording": 2}'], "format 2"),
        (['{"recording": 1}', '{"c": "00A40400"}'], "line 2: 'r'"),
        (['{"recording": 1}'], "no exchange is in it"),
        ([], "no exchange is in it"),
        (['{"c": "00A404", "r": "9000"}'], "line 1: 'c': 4 octets"),
        (['{"c": "00A40400", "r": "90"}'], "line 1: 'r': 2 octets"),
        (["[" * 100_000], "line 1: a JSON object"),
        (['{"c": "0", "r": "9000"}'], "line 1: 'c'"),
        (['{"c": 5, "r": "9000"}'], "line 1: 'c'"),
    ],
)
def test_what_is_no_recording(lines: list[str], why: str) -> None:
    with pytest.raises(DecodeError, match=why):
        decoded(lines)


def test_plain_lines_are_a_recording_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = decoded(["", json.dumps({"c": SELECT.hex(), "r": "9000"})])
    assert (plain.exact, plain.exchanges) == (False, (Exchange(SELECT, b"\x90\x00"),))
    with pytest.raises(DecodeError, match="more than"):
        decoded([json.dumps({"c": "00A40400", "r": "9000"})] * (MOST_EXCHANGES + 1))
    monkeypatch.setattr("terminal_agent.card.recording.LARGEST_FILE", 10)
    large = tmp_path / "large"
    large.write_bytes(bytes(11))
    for endless in (large, Path("/dev/zero")):
        with pytest.raises(DecodeError, match="larger than"):
            read(endless)


def test_octets_are_no_recording(tmp_path: Path) -> None:
    path = tmp_path / "octets"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(DecodeError, match="not UTF-8"):
        read(path)


def test_a_recording_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    kept = Recorded("a card", True, (Exchange(SELECT, RECORD),))
    monkeypatch.setattr("terminal_agent.durable.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write(kept, tmp_path / "card.jsonl")
    assert list(tmp_path.iterdir()) == []


@given(st.binary(max_size=300))
def test_masks_keep_the_shape_and_never_raise(octets: bytes) -> None:
    for masked in (masked_command(octets), masked_response(octets)):
        assert len(masked) == len(octets)
    assert masked_response(masked_response(octets)) == masked_response(octets)
    assert all(
        digits not in masked_response(octets).hex().upper() or len(digits) < 11 for digits in account_numbers(octets)
    )


@given(st.binary(min_size=8, max_size=8), st.binary(max_size=20))
def test_no_account_number_survives(number: bytes, name: bytes) -> None:
    octets = (
        b"\x70"
        + bytes((10 + 3 + len(name),))
        + b"\x5a\x08"
        + number
        + b"\x5f\x20"
        + bytes((len(name),))
        + name
        + b"\x90\x00"
    )
    masked = masked_response(octets)
    assert masked[4:12][3:6] == bytes(3) or number.hex().endswith("f")
    assert masked[15 : 15 + len(name)] == bytes(len(name))
