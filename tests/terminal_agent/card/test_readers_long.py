# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The real pcscd killed and started a hundred times with cards coming and going; cards that answer anything at all."""

import asyncio
import contextlib
import random

import pytest

from device_profiles.serve.card_choice import chosen
from protocols.emv.telling import lines
from terminal_agent.card.chaining import EndlessAnswer, whole
from terminal_agent.card.pcsc_events import Event, What, between
from terminal_agent.card.pcsc_service import PcscService
from terminal_agent.card.pcsc_watch import Table
from terminal_agent.card.reading import Card, read_card
from tests import evidence
from tests.private_pcscd import READER, PrivatePcscd

AREA = "readers"
COVERS = ("protocols/pcsc", "terminal_agent/card")
RESTARTS, RESTARTS_RUN = 100, "restarts of the real pcscd with cards coming and going"
FUZZED, FUZZED_RUN, SEED = 100_000, "fuzzed answers of a card", 20261122
TOLD_S = 1.0
PATIENT_S = 30.0  # where other tests run beside this one, nothing is said about speed
MOST_COMMANDS = 20_000  # of one reading: every answer is bounded, and so are applications, records and fetches
NAME = f"{READER} 00 00"


@pytest.mark.long
async def test_a_hundred_restarts_of_the_real_service() -> None:
    with evidence.run(AREA, COVERS, RESTARTS_RUN, cases=RESTARTS, seed="none"):
        assert await restarts(RESTARTS, TOLD_S) == 0


async def test_some_restarts_of_the_real_service() -> None:
    assert await restarts(3, PATIENT_S) == 0


async def restarts(count: int, within_s: float) -> int:
    """How often the state after the service's return was not told in time."""
    service = PcscService()
    lost = 0
    with PrivatePcscd() as pcscd:
        card = pcscd.card("--out")
        view = service.view()
        seen: Table | None = None
        told: list[Event] = []
        try:
            for number in range(count):
                present = number % 2 == 0
                await asyncio.to_thread(pcscd.kill)
                if present:
                    card.insert_unseen()
                elif number:
                    await asyncio.to_thread(card.remove)
                await asyncio.to_thread(pcscd.start)
                try:
                    async with asyncio.timeout(within_s):
                        while True:
                            await view.changed()
                            table = view.look()
                            told += between(seen, table)
                            seen = table
                            slot = table.slots.get(NAME)
                            if slot is not None and slot.present is present:
                                break
                except TimeoutError:
                    lost += 1
                assert (Event(What.CARD_CAME, NAME, "3BE000008131FE45EB") in told) is present or not present
                told.clear()
                if present:
                    with contextlib.suppress(AssertionError):
                        await asyncio.to_thread(card.until, "card.inserted")
        finally:
            await service.give_back(view)
    return lost


@pytest.mark.long
def test_a_hundred_thousand_fuzzed_answers() -> None:
    with evidence.run(AREA, COVERS, FUZZED_RUN, cases=FUZZED, seed=SEED):
        fuzz(FUZZED, SEED)


@pytest.mark.parametrize("seed", range(5))
def test_some_fuzzed_answers(seed: int) -> None:
    fuzz(400, seed)


def fuzz(answers: int, seed: int) -> None:
    """Whatever a card answers, reading it ends, within bounds, in what was read or in :class:`EndlessAnswer`."""
    chance = random.Random(seed)
    given = 0
    while given < answers:
        card = chosen("test-visa-contact", transmission=chance.choice((None, "t0")))
        card.power_on()
        turns = whole(read_card())
        commands = 0
        try:
            command = next(turns)
            while True:
                commands += 1
                assert commands < MOST_COMMANDS
                answer = spoilt(chance, card.apdu(command))
                given += 1
                command = turns.send(answer)
        except StopIteration as end:
            read: Card = end.value
            for section in (*read.directory, *(one for app in read.applications for one in app.sections)):
                assert all(len(line) < 1_000 for line in lines(section.objects))
        except EndlessAnswer:
            continue


def spoilt(chance: random.Random, answer: bytes) -> bytes:
    """The answer as it was, or damaged in one of the ways in which cards and wires damage answers."""
    octets = bytearray(answer)
    match chance.randrange(12):
        case 0:
            octets[chance.randrange(len(octets))] ^= 1 << chance.randrange(8)
        case 1:
            del octets[chance.randrange(len(octets)) :]
        case 2:
            octets[-2:] = chance.choice((b"\x61\x00", b"\x61\xff", b"\x6c\x00", b"\x6c\x10", b"\x62\x83", b"\x63\x00"))
        case 3:
            place = chance.randrange(len(octets))
            octets[place:place] = chance.randbytes(chance.randrange(1, 64))
        case 4:
            octets = bytearray(chance.randbytes(chance.randrange(260)))
        case 5:
            octets = bytearray(b"\x70\x81" * chance.randrange(1, 120) + b"\x90\x00")
        case 6:
            octets[:0] = b"\x6f\x82\xff\xff"
    return bytes(octets)


def test_the_evidence_is_whole_and_of_this_code() -> None:
    assert evidence.faults(AREA, {RESTARTS_RUN: RESTARTS, FUZZED_RUN: FUZZED}) == []
