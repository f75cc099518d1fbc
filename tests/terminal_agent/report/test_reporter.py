# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The reporter's decisions in virtual time: which lane goes first, what is sent again, which receipts count."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from protocols.telemetry.batch import CONTEXT, Line, lines, read_batch
from protocols.telemetry.events import Lane
from protocols.telemetry.receipt import Receipt
from terminal_agent.report.reporter import FLUSH_S, GRACE_S, WINDOWS
from terminal_agent.report.settings import LaneBounds
from tests.protocols.telemetry.report_keys import public, signer
from tests.terminal_agent.report.reporter_bench import AT, RECEIPT_S, TERMINAL, Bench, Wire, alert, bench, event, step


def test_company_is_waited_for_and_alerts_wait_for_nobody(tmp_path: Path) -> None:
    async def work(here: Bench) -> None:
        begun = asyncio.get_running_loop().time()
        here.put(event(1), step(2), event(3))
        await asyncio.sleep(0.05)
        assert here.wire.arrivals == []
        here.put(alert(4), alert(5), event(6))
        await here.done()
        alerts = [one for one in here.wire.arrivals if one[1] is Lane.ALERT]
        assert [seqs for _, _, seqs in alerts] == [(4,), (5,)]
        assert alerts[-1][0] - begun < 0.1
        others = [(lane, seqs) for _, lane, seqs in here.wire.arrivals if lane is not Lane.ALERT]
        assert others == [(Lane.HEALTH, (1, 3, 6)), (Lane.BULK, (2,))]
        assert here.wire.arrivals[-1][0] - begun < 2 * FLUSH_S
        assert here.wire.committed.linked()

    bench(tmp_path, Wire(), work)


def test_a_full_batch_waits_for_nothing(tmp_path: Path) -> None:
    async def work(here: Bench) -> None:
        begun = asyncio.get_running_loop().time()
        here.put(*(step(number) for number in range(70)))
        await asyncio.sleep(0.05)
        assert [len(seqs) for _, _, seqs in here.wire.arrivals] == [32, 32]
        assert here.wire.arrivals[-1][0] - begun < FLUSH_S
        await here.done()

    bench(tmp_path, Wire(), work)


def test_a_day_offline_drains_without_starving_an_alert(tmp_path: Path) -> None:
    """8,640 reports over 256 kbit/s; every second an alert, which is at head office within a second."""

    async def work(here: Bench) -> None:
        loop = asyncio.get_running_loop()
        made: dict[int, float] = {}
        with here.outbox._faults():
            here.outbox._database.execute("PRAGMA synchronous = OFF")  # 8,640 reports, quickly
        for number in range(8_640):
            here.outbox.put(step(number) if number % 2 else event(number))
        for _ in range(20):
            made[here.outbox.put(alert())] = loop.time()
            await asyncio.sleep(1)
        await here.done(300)
        came = {seqs[0]: at for at, lane, seqs in here.wire.arrivals if lane is Lane.ALERT}
        assert came.keys() == made.keys()
        assert max(came[seq] - made[seq] for seq in made) <= 1.0
        assert len(here.wire.committed.rows) == 8_660
        assert len(here.wire.committed.order) == 8_660  # and nothing twice
        assert here.wire.committed.linked()
        assert here.wire.most_on_their_way <= sum(WINDOWS.values())

    bench(tmp_path, Wire(octets_per_s=256_000 / 8), work)


def test_health_goes_before_bulk(tmp_path: Path) -> None:
    async def work(here: Bench) -> None:
        here.put(*(step(number) for number in range(320)), *(event(number) for number in range(64)))
        await here.done(60)
        lanes = [lane for _, lane, _ in here.wire.arrivals]
        assert lanes[:2] == [Lane.HEALTH, Lane.HEALTH]

    bench(tmp_path, Wire(octets_per_s=20_000.0), work)


def test_a_broker_that_takes_one_at_a_time_gets_one(tmp_path: Path) -> None:
    async def work(here: Bench) -> None:
        here.put(*(step(number) for number in range(200)), alert())
        await here.done()
        assert here.wire.most_on_their_way == 1

    bench(tmp_path, Wire(receive_maximum=1), work)


def test_what_head_office_lacks_is_sent_again_by_its_numbers(tmp_path: Path) -> None:
    lost = {3, 4, 5, 40}

    def swallows(line: Line) -> bool:
        seq = line.report.seq
        return seq in lost and (lost.discard(seq) or True)

    async def work(here: Bench) -> None:
        here.put(*(event(number) for number in range(64)))
        await asyncio.sleep(GRACE_S + 1)
        assert here.outbox.waiting == 4
        here.put(event(64))  # the receipt for it names what is missing
        await asyncio.sleep(GRACE_S + 1)
        here.put(event(65))
        await here.done(10)
        again = [seq for _, _, seq in here.wire.committed.order]
        assert sorted(again) == list(range(1, 67))  # those that were lost, and no other

    bench(tmp_path, Wire(swallows=swallows), work)


def test_what_is_lost_at_the_end_comes_again_when_no_receipt_comes(tmp_path: Path) -> None:
    deaf = [True]

    async def work(here: Bench) -> None:
        here.put(*(event(number) for number in range(10)))
        await asyncio.sleep(RECEIPT_S - 5)
        deaf[0] = False
        assert here.outbox.waiting == 10
        assert here.wire.committed.order == []
        await here.done(10)

    bench(tmp_path, Wire(swallows=lambda _: deaf[0]), work)


def test_without_receipts_it_is_sent_ever_more_rarely_and_said(tmp_path: Path) -> None:
    async def work(here: Bench) -> None:
        here.put(*(event(number) for number in range(10)))
        await asyncio.sleep(24 * 3_600)
        rounds = len(here.wire.committed.order) / 10
        assert 20 <= rounds <= 35  # 30 s, 1 min, 2 min … then hourly
        assert "10 reports wait for a receipt, none came for" in here.reporter.status.words
        here.wire.gives = True
        await here.done(2 * 3_600)

    bench(tmp_path, Wire(gives=False), work)


def test_without_a_receipt_key_nothing_is_done_or_repeated_and_that_is_said(tmp_path: Path) -> None:
    async def work(here: Bench) -> None:
        here.put(*(event(number) for number in range(10)))
        await asyncio.sleep(24 * 3_600)
        assert len(here.wire.committed.order) == 10
        assert here.outbox.waiting == 10
        assert "no receipt-key in the profile: 10 reports kept" in here.reporter.status.words

    bench(tmp_path, Wire(), work, receipt_key=None)


@pytest.mark.parametrize("present", [True, False])
def test_a_broker_without_memory_gets_everything_again(present: bool, tmp_path: Path) -> None:
    async def work(here: Bench) -> None:
        here.put(*(event(number) for number in range(40)))
        await asyncio.sleep(5)
        assert len(here.wire.committed.order) == 40
        here.wire.session_present = present
        here.wire.lose()
        await asyncio.sleep(5)
        assert len(here.wire.dialled) == 2
        assert len(here.wire.committed.order) == (40 if present else 80)

    bench(tmp_path, Wire(gives=False), work)


def test_nobody_listening_is_asked_with_one_batch_and_nothing_is_lost(tmp_path: Path) -> None:
    async def work(here: Bench) -> None:
        here.wire.code = 0x10
        here.put(*(event(number) for number in range(100)), alert())
        await asyncio.sleep(60)
        assert here.reporter.status.words == "connected, but head office does not listen"
        here.wire.code, here.wire.most_on_their_way = 0, 0
        await here.done(20)
        assert len(here.wire.committed.rows) == 101

    bench(tmp_path, Wire(), work)


def test_the_will_is_signed_for_this_life_before_it_connects(tmp_path: Path) -> None:
    async def work(here: Bench) -> None:
        dialling = here.wire.dialled[0]
        assert dialling.will_topic == "pos/v1/s20/TG000001/health"
        sealed = read_batch(dialling.will)
        assert public("t").signed(sealed, CONTEXT)
        (line,) = lines(sealed)
        assert (line.report.boot, line.report.seq, line.report.prev) == (AT, 0, here.outbox.began_prev)

    bench(tmp_path, Wire(), work)


def receipt(upto: int, serial: int, **changes: Any) -> Receipt:
    return replace(Receipt(TERMINAL, AT, upto, AT, serial), **changes)


@pytest.mark.parametrize(
    ("say", "words"),
    [
        (lambda wire: wire.give(receipt(5, 1), signer("mallory", ed25519=True)), "not signed by head office's key"),
        (lambda wire: wire.give(receipt(5, 1), signer("t")), "not signed by head office's key"),
        (lambda wire: wire.give(receipt(5, 1, terminal="TG000002")), "for another terminal"),
        (lambda wire: wire.give(receipt(5, 1), retained=True), "retained"),
        (lambda wire: wire.say(b"noise"), "first line"),
        (lambda wire: wire.say(b"x" * 10_000), "at most 4096"),
    ],
)
def test_a_receipt_that_is_none_trims_nothing_and_is_said(
    say: Callable[[Wire], None], words: str, tmp_path: Path
) -> None:
    async def work(here: Bench) -> None:
        here.put(*(event(number) for number in range(5)))
        await asyncio.sleep(1)
        say(here.wire)
        assert here.outbox.waiting == 5
        assert len(here.doubts) == 1
        assert words in here.doubts[0]

    bench(tmp_path, Wire(gives=False), work)


def test_a_receipt_that_the_disk_does_not_take_is_taken_from_the_next(tmp_path: Path) -> None:
    async def work(here: Bench) -> None:
        here.put(*(event(number) for number in range(5)))
        await asyncio.sleep(1)
        here.outbox._database.execute("PRAGMA query_only = ON")
        here.wire.give(receipt(5, 1))
        assert (here.outbox.waiting, here.doubts) == (5, [])
        here.outbox._database.execute("PRAGMA query_only = OFF")
        here.wire.give(receipt(5, 2))
        assert here.outbox.waiting == 0

    bench(tmp_path, Wire(gives=False), work)


def test_an_old_receipt_played_again_asks_for_nothing(tmp_path: Path) -> None:
    async def work(here: Bench) -> None:
        here.put(*(event(number) for number in range(9)))
        await asyncio.sleep(2 * GRACE_S + 1)
        here.put(event(9))
        await asyncio.sleep(1)
        old = receipt(0, 1, missing=((1, 9),))
        here.wire.give(receipt(4, 2))
        here.wire.give(old)
        await asyncio.sleep(5)
        assert len(here.wire.committed.order) == 10
        assert here.outbox.waiting == 6
        assert here.doubts == []  # a broker may say it twice

    bench(tmp_path, Wire(gives=False), work)


def test_what_is_asked_for_and_gone_is_told(tmp_path: Path) -> None:
    async def work(here: Bench) -> None:
        here.put(*(event(number) for number in range(9)))
        await here.done()
        await asyncio.sleep(2 * GRACE_S + 1)
        here.wire.committed.rows.clear()  # head office lost its database
        here.put(event(9))
        await here.done(20)
        assert here.wire.committed.dropped == {(TERMINAL, AT): set(range(1, 10))}

    bench(tmp_path, Wire(), work)


def test_a_head_office_that_gives_no_receipts_leaves_the_outbox_bounded(tmp_path: Path) -> None:
    async def work(here: Bench) -> None:
        with here.outbox._faults():
            here.outbox._database.execute("PRAGMA synchronous = OFF")
        here.put(*(step(number) for number in range(2_000)))
        assert sum(here.outbox._octets.values()) <= 2 * 64 * 1024
        await asyncio.sleep(30)
        assert len(here.wire.committed.dropped[(TERMINAL, AT)]) > 1_000

    bench(tmp_path, Wire(gives=False), work, lanes=LaneBounds(256, 64, 64, 64))


def test_without_a_receipt_key_even_a_flood_of_alerts_goes_on(tmp_path: Path) -> None:
    async def work(here: Bench) -> None:
        with here.outbox._faults():
            here.outbox._database.execute("PRAGMA synchronous = OFF")
        for number in range(1_000):
            here.put(alert(number))
            await asyncio.sleep(0.02)
        assert not here.outbox.full
        assert here.outbox._octets[Lane.ALERT] <= 64 * 1024
        events = [report.event for report in here.wire.committed.rows.values()]
        assert sum(one.name == "device.lost" for one in events) >= 999

    bench(tmp_path, Wire(gives=False), work, lanes=LaneBounds(64, 64, 64, 64), receipt_key=None)


def test_no_answer_at_all_ends_the_connection(tmp_path: Path) -> None:
    async def work(here: Bench) -> None:
        here.put(event(1))
        await asyncio.sleep(12)
        assert not here.reporter.status.connected or len(here.wire.dialled) > 1

    bench(tmp_path, Wire(latency_s=1e6), work)


def test_another_connection_is_made_with_what_is_chosen_then(tmp_path: Path) -> None:
    async def work(here: Bench) -> None:
        chosen = tmp_path / "another.pem"
        here.reporter.choose = lambda settings: replace(settings, certificate=chosen)
        here.put(event())
        here.reporter.reconnect()
        await here.done()
        assert [one.settings.certificate.name for one in here.wire.dialled] == ["t.pem", "another.pem"]
        await asyncio.sleep(60)
        assert len(here.wire.dialled) == 2

    bench(tmp_path, Wire(), work)


def test_drained_hurries_and_says_whether(tmp_path: Path) -> None:
    async def work(here: Bench) -> None:
        here.put(event(1))
        begun = asyncio.get_running_loop().time()
        assert await here.reporter.drained(1)
        assert asyncio.get_running_loop().time() - begun < FLUSH_S
        here.wire.latency_s = 100
        here.put(event(2))
        assert not await here.reporter.drained(1)

    bench(tmp_path, Wire(), work)
