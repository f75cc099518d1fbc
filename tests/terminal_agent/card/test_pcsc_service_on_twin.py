# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Which reader is meant, who shares a card, and a service that hangs, dies and comes back: over libpcsclite."""

import asyncio
import signal
import threading

import pytest

from device_profiles import catalog
from device_profiles.model import Sharing
from device_profiles.twins.pcscd_reader import VirtualReader
from terminal_agent.card.pcsc import open_reader
from terminal_agent.card.pcsc_events import What, between
from terminal_agent.card.pcsc_service import PcscService
from terminal_agent.card.pcsc_watch import Table
from terminal_agent.card.port import ReaderAbsent
from tests.device_profiles.twins.pcscd_client import PlainCard
from tests.patience import PATIENCE_S
from tests.terminal_agent.card.pcsc_desk import SELECT_PSE, done, opened
from tests.twin_pcscd import READER, Desk, TwinPcscd

# Which reader


async def test_readers_of_one_model_are_told_apart_by_serial_number() -> None:
    twins = (VirtualReader("Till", serial="S1"), VirtualReader("Till", serial="S2"))
    with Desk(*twins) as desk:
        desk.insert(PlainCard(), reader=1)
        with pytest.raises(ReaderAbsent, match="2 readers match") as caught:
            async with opened():
                pass
        assert ";serial=" in caught.value.hint
        async with opened("pcsc:Till;serial=S2") as reader:
            assert await reader.wait_for_card(30) is not None
        with pytest.raises(ReaderAbsent, match="with serial number S3"):
            async with opened("pcsc:Till;serial=S3"):
                pass


async def test_a_serial_number_that_is_not_in_the_name() -> None:
    hidden = VirtualReader("Till")
    with Desk(hidden, VirtualReader("Till Two")):
        hidden.serial = "S9"  # known to the reader, not to its name
        async with opened("pcsc:Till;serial=S9") as reader:
            assert reader.find(reader.look()) == "Till 00 00"


async def test_two_readers_in_one_process_share_the_event_thread(desk: Desk) -> None:
    desk.do(lambda server: server.plug(VirtualReader("Sam Box")))
    service = PcscService()
    profile = catalog.reader("pcsc")
    one = await open_reader(profile, "pcsc:Till", service=service)
    two = await open_reader(profile, "pcsc:Sam", service=service)
    assert [thread.name for thread in threading.enumerate()].count("pcsc-events") == 1
    await one.close()
    desk.insert(PlainCard())
    assert await two.wait_for_card(0.1) is None
    await two.close()
    assert "pcsc-events" not in [thread.name for thread in threading.enumerate()]


# A shared card


async def test_transactions_of_two_programs_take_turns(desk: Desk) -> None:
    desk.insert(PlainCard())
    async with opened(share=Sharing.SHARED) as one, opened(share=Sharing.SHARED) as two:
        assert await one.wait_for_card(30) is not None
        waiting = asyncio.create_task(two.wait_for_card(30))
        finished, _ = await asyncio.wait({waiting}, timeout=0.1)
        assert not finished
        await one.release()
        assert await waiting is not None
        assert await two.transmit(SELECT_PSE) == b"\x90\x00"


# A service that hangs, dies and comes back


async def test_a_service_that_hangs_leaves_one_thread_however_often_it_is_tried() -> None:
    with TwinPcscd() as twin:
        service = PcscService()
        profile = catalog.reader("pcsc")
        twin.station.process.send_signal(signal.SIGSTOP)
        try:
            with pytest.raises(ReaderAbsent, match="does not answer"):
                await open_reader(profile, "pcsc:Till", service=service)
            threads = threading.active_count()
            for _ in range(20):
                with pytest.raises(ReaderAbsent, match="does not answer") as caught:
                    await open_reader(profile, "pcsc:Till", service=service)
                assert "restart" in caught.value.hint
            assert threading.active_count() == threads
        finally:
            twin.station.process.send_signal(signal.SIGCONT)
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    reader = await open_reader(profile, "pcsc:Till", service=service)
                    break
                except ReaderAbsent:
                    await asyncio.sleep(0.05)
        await reader.close()
        assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("pcsc")]


async def test_a_service_that_stops_answering_while_a_card_is_waited_for() -> None:
    with TwinPcscd() as twin:
        async with opened() as reader:
            twin.station.process.send_signal(signal.SIGSTOP)
            try:
                with pytest.raises(ReaderAbsent, match="does not answer"):
                    await reader.wait_for_card(30)
            finally:
                twin.station.process.send_signal(signal.SIGCONT)


async def test_a_hundred_restarts_lose_no_state(desk: Desk) -> None:
    """Cards come and go while the service is away: every state is told after its return."""
    service = PcscService()
    view = service.view()
    seen: Table | None = None
    told: list[What] = []
    try:
        for number in range(100):
            desk.do(lambda server: server.kill())
            present = number % 3 != 0
            if present:
                desk.insert(PlainCard())
            else:
                await done(desk.remove)
            desk.do(lambda server: server.start())
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    await view.changed()
                    table = view.look()
                    told += [event.what for event in between(seen, table)]
                    seen = table
                    slot = table.slots.get(f"{READER} 00 00")
                    if slot is not None and slot.present == present and What.SERVICE_BACK in told:
                        break
            assert told[-1] is (What.CARD_CAME if present else What.READER_CAME)
            told.clear()
    finally:
        await service.give_back(view)


def test_the_socket_is_the_users_own(desk: Desk) -> None:
    assert desk.server.socket.stat().st_mode & 0o777 == 0o600
