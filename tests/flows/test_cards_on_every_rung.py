# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""One card, four rungs, two protocols, three drivers: what is read from it is the same to the last octet everywhere."""

import asyncio
from pathlib import Path

import pytest

from device_profiles.card_profile import load_card
from device_profiles.serve.card_choice import SLOW_S, chosen
from protocols.emv import apdu
from protocols.pcsc.features import EMV_PLAINTEXT, EMV_VERIFY, PinForm, PinModify, PinVerify
from terminal_agent.card.port import CardError, CardLost, PinChange, ReaderAbsent, converse, pin_entry
from terminal_agent.card.reading import Card, read_card
from tests.card_rungs import CARD, KEYPADS, RUNGS, on, person
from tests.patience import PATIENCE_S

SELECT = apdu.select(bytes.fromhex("A0000000031010")).encode()
GENERATE = bytes.fromhex("80AE8000") + b"\x1d" + bytes(29) + b"\x00"


@pytest.fixture(scope="module")
def reference() -> Card:
    """What the card says by itself."""
    card = chosen(CARD)
    card.power_on()
    turns = read_card()
    try:
        command = next(turns)
        while True:
            command = turns.send(card.apdu(command))
    except StopIteration as end:
        read: Card = end.value
        return read


@pytest.mark.parametrize("rung", RUNGS)
async def test_the_whole_card_is_read_alike(rung: str, tmp_path: Path, reference: Card) -> None:
    async with on(rung, tmp_path) as at:
        presence = await at.reader.wait_for_card(30)
        assert presence is not None
        assert presence.interface == "contact"
        assert await converse(at.reader, read_card()) == reference
        assert (await at.reader.transmit(bytes.fromhex("00FF000000"))).hex() == "6d00"


@pytest.mark.parametrize("rung", RUNGS)
async def test_the_card_is_taken_out_and_put_in_again(rung: str, tmp_path: Path) -> None:
    async with on(rung, tmp_path) as at:
        assert await at.reader.wait_for_card(30) is not None
        assert (await at.reader.transmit(SELECT)).endswith(b"\x90\x00")
        await person(at.remove)
        with pytest.raises(CardLost):
            await at.reader.transmit(SELECT)
        await person(at.insert)
        assert await at.reader.wait_for_card(30) is not None
        assert (await at.reader.transmit(SELECT)).endswith(b"\x90\x00")


@pytest.mark.parametrize("rung", RUNGS)
async def test_the_card_tears_while_it_answers(rung: str, tmp_path: Path) -> None:
    async with on(rung, tmp_path, "torn-at-first-cryptogram") as at:
        assert await at.reader.wait_for_card(30) is not None
        async with asyncio.timeout(PATIENCE_S):
            with pytest.raises(CardLost):
                await at.reader.transmit(GENERATE)
            with pytest.raises(CardLost):
                await at.reader.transmit(SELECT)


@pytest.mark.parametrize("rung", KEYPADS)
async def test_a_pin_typed_at_the_reader_reaches_the_card(rung: str, tmp_path: Path) -> None:
    """The status is the one that the card itself gives for that PIN; the digits are nowhere in this process."""
    pin = load_card(CARD).cardholder.test_pin
    alone = chosen(CARD)
    alone.power_on()
    alone.apdu(SELECT)
    alone.apdu(apdu.get_processing_options(b"").encode())
    block = bytes.fromhex(f"2{len(pin):X}{pin}".ljust(16, "F"))
    expected = alone.apdu(EMV_VERIFY[:5] + block)
    async with on(rung, tmp_path) as at:
        keypad = pin_entry(at.reader)
        assert keypad is not None
        assert await keypad.takes_pins()
        assert await at.reader.wait_for_card(30) is not None
        await at.reader.transmit(SELECT)
        await at.reader.transmit(apdu.get_processing_options(b"").encode())
        assert await keypad.enter_pin(PinVerify(EMV_VERIFY, EMV_PLAINTEXT, timeout_s=5)) == expected
        assert (await at.reader.transmit(SELECT)).endswith(b"\x90\x00")


@pytest.mark.parametrize("rung", KEYPADS)
async def test_a_pin_is_changed_at_the_reader(rung: str, tmp_path: Path) -> None:
    """Old PIN, new PIN, and the new one again go from the keys to the card, which does not know the command."""
    form = PinForm(bcd=False, left_aligned=True, position=0, block_size=8)
    command = bytes.fromhex("0024000010")
    alone = chosen(CARD)
    alone.power_on()
    expected = alone.apdu(command + bytes(16))
    async with on(rung, tmp_path) as at:
        keypad = pin_entry(at.reader)
        assert isinstance(keypad, PinChange)
        assert await at.reader.wait_for_card(30) is not None
        assert await keypad.change_pin(PinModify(command + bytes(16), form, timeout_s=5)) == expected
        assert (await at.reader.transmit(SELECT)).endswith(b"\x90\x00")


LENGTHS = (256, 2_000, 65_000)


@pytest.mark.parametrize("rung", [rung for rung in RUNGS if not rung.endswith("-t0")])
async def test_extended_commands_and_answers_under_t1(rung: str, tmp_path: Path) -> None:
    """As long as commands and answers can be, through Debian's pcscd, its vpcd and its driver's T=1 engine too."""
    async with on(rung, tmp_path, "long-record") as at:
        assert await at.reader.wait_for_card(30) is not None
        for length in LENGTHS:
            command = bytes.fromhex("00FF000000") + length.to_bytes(2, "big") + bytes(length) + b"\0\0"
            assert (await at.reader.transmit(command)).hex() == "6d00"
        assert len(await at.reader.transmit(bytes.fromhex("00B2010C000000"))) == 65_002


@pytest.mark.parametrize("rung", [rung for rung in RUNGS if rung.endswith("-t0")])
async def test_extended_commands_under_t0_are_refused_in_words(rung: str, tmp_path: Path) -> None:
    """T=0 has no form for them (ISO/IEC 7816-3:2006, 12.2). The card stays, and goes on with short ones."""
    async with on(rung, tmp_path) as at:
        assert await at.reader.wait_for_card(30) is not None
        for length in LENGTHS:
            with pytest.raises(CardError, match="T=0, which has short ones only") as refused:
                await at.reader.transmit(bytes.fromhex("00FF000000") + length.to_bytes(2, "big") + bytes(length))
            assert "T=1" in refused.value.hint
        assert (await at.reader.transmit(SELECT)).endswith(b"\x90\x00")


@pytest.mark.parametrize("rung", ["twin-t1", "vpcd-t1", "GemPCTwin-t1"])
async def test_a_slow_card_is_waited_for_and_given_up_when_it_is_too_slow(rung: str, tmp_path: Path) -> None:
    async with on(rung, tmp_path, "slow") as at:
        assert await at.reader.wait_for_card(30) is not None
        assert (await at.reader.transmit(SELECT)).endswith(b"\x90\x00")
    async with on(rung, tmp_path, "slow", exchange_s=SLOW_S / 4) as at:
        assert await at.reader.wait_for_card(30) is not None
        with pytest.raises(ReaderAbsent, match="did not answer within"):
            await at.reader.transmit(SELECT)


@pytest.mark.parametrize("rung", ["vpcd-t1", "GemPCTwin-t1", "GemCorePOSPro-t1"])
async def test_readers_without_keys_say_so(rung: str, tmp_path: Path) -> None:
    async with on(rung, tmp_path) as at:
        keypad = pin_entry(at.reader)
        assert keypad is not None
        assert not await keypad.takes_pins()
