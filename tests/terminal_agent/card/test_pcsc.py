# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The PC/SC reader over pyscard on the real pcscd with vpcd and on our own: cards and daemons that come and go."""

import asyncio
import contextlib
import dataclasses
import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from device_profiles import catalog
from device_profiles.model import LineSettings, PcscSettings, ReaderProfile, ReaderProtocol, Sharing
from terminal_agent.card.pcsc import open_reader
from terminal_agent.card.port import CardError, CardLost, CardReader, ReaderAbsent
from tests.private_pcscd import FIRST_SLOT, READER, SELECT_PSE, PrivatePcscd, until_missed
from tests.twin_pcscd import TwinPcscd

LINE = f"pcsc:{FIRST_SLOT}"
PSE_STARTS = bytes.fromhex("6F1A840E315041592E5359532E4444463031")
RECOVERED_S = 20.0  # on a machine with much else to do; how fast it is, the bench and the long runs say
Pcscd = PrivatePcscd | TwinPcscd


@pytest.fixture(params=["real", "twin"])
def pcscd(request: pytest.FixtureRequest) -> Iterator[PrivatePcscd | TwinPcscd]:
    with PrivatePcscd() if request.param == "real" else TwinPcscd() as daemon:
        yield daemon


def profile(**settings: object) -> ReaderProfile:
    generic = catalog.reader("pcsc")
    return dataclasses.replace(generic, pcsc=dataclasses.replace(generic.pcsc, **settings))  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def opened(line: str = LINE, **settings: object) -> AsyncIterator[CardReader]:
    reader = await open_reader(profile(**settings), line)
    try:
        yield reader
    finally:
        await reader.close()


async def works(reader: CardReader) -> bool:
    """Whether the card there answers; under T=0 it says how much there is to fetch."""
    answer = await reader.transmit(SELECT_PSE)
    return answer.startswith(PSE_STARTS) or answer == b"\x61\x1c"


async def test_a_card_that_is_there(pcscd: Pcscd) -> None:
    pcscd.card()
    async with opened() as reader:
        presence = await reader.wait_for_card(30)
        assert presence is not None
        assert presence.interface == "contact"
        assert presence.identity == "contact card, T=1, ATR 3BE000008131FE45EB"
        assert await works(reader)
        await reader.release()
        with pytest.raises(CardLost, match="no card"):
            await reader.transmit(SELECT_PSE)


async def test_t0_gives_what_the_card_said(pcscd: Pcscd) -> None:
    pcscd.card("--transmission", "t0")
    async with opened() as reader:
        presence = await reader.wait_for_card(30)
        assert presence is not None
        assert "T=0" in presence.identity
        assert (await reader.transmit(SELECT_PSE)).hex() == "611c"
        assert (await reader.transmit(bytes.fromhex("00C000001C"))).startswith(PSE_STARTS)


async def test_a_contactless_card_as_such_a_reader_shows_it(pcscd: Pcscd) -> None:
    pcscd.card(card="test-visa-like")
    ppse = bytes.fromhex("00A404000E325041592E5359532E444446303100")
    async with opened() as reader:
        assert await reader.wait_for_card(30) is not None
        assert (await reader.transmit(ppse)).endswith(b"\x90\x00")


async def test_a_card_that_comes_later(pcscd: Pcscd) -> None:
    card = pcscd.card("--out")
    async with opened() as reader:
        waiting = asyncio.create_task(reader.wait_for_card(30))
        assert await reader_is_quiet(waiting)
        card.insert()
        assert await waiting is not None
        assert await works(reader)


async def reader_is_quiet(waiting: "asyncio.Task[object]") -> bool:
    done, _ = await asyncio.wait({waiting}, timeout=0.1)
    return not done


async def test_nobody_comes(pcscd: Pcscd) -> None:
    async with opened() as reader:
        assert await reader.wait_for_card(0.1) is None


async def test_a_used_card_has_to_leave_first(pcscd: Pcscd) -> None:
    card = pcscd.card()
    async with opened() as reader:
        assert await reader.wait_for_card(30) is not None
        await reader.release()
        with pytest.raises(CardError, match="still in the reader") as caught:
            await reader.wait_for_card(0.1)
        assert caught.value.hint == "take it out"
        waiting = asyncio.create_task(reader.wait_for_card(30))
        card.remove()
        await asyncio.to_thread(until_missed, pcscd.client)
        card.insert()
        assert await waiting is not None
        assert await works(reader)


async def test_a_customer_who_takes_the_card_and_comes_again(pcscd: Pcscd) -> None:
    pcscd.card("--after-use", "return")
    async with opened() as reader:
        for _ in range(2):
            assert await reader.wait_for_card(30) is not None
            assert await works(reader)
            await reader.release()


async def test_pulled_between_two_commands(pcscd: Pcscd) -> None:
    card = pcscd.card()
    async with opened() as reader:
        assert await reader.wait_for_card(30) is not None
        assert await works(reader)
        card.remove()
        with pytest.raises(CardLost) as caught:
            await reader.transmit(SELECT_PSE)
        assert "insert the card again" in caught.value.hint
        await asyncio.to_thread(until_missed, pcscd.client)
        began = time.monotonic()
        card.insert()
        assert await reader.wait_for_card(30) is not None
        assert await works(reader)
        assert time.monotonic() - began <= RECOVERED_S


@pytest.mark.parametrize("transmission", ["t0", "t1"])
async def test_torn_out_while_it_answers(pcscd: PrivatePcscd, transmission: str) -> None:
    card = pcscd.card("--fault", "torn-at-first-cryptogram", "--transmission", transmission)
    generate = bytes.fromhex("80AE8000") + b"\x1d" + bytes(29) + b"\x00"
    async with opened() as reader:
        assert await reader.wait_for_card(30) is not None
        with pytest.raises(CardLost):
            await reader.transmit(generate)
        with pytest.raises(CardLost):
            await reader.transmit(SELECT_PSE)
        card.until("card.removed")
        await asyncio.to_thread(until_missed, pcscd.client)
        card.insert()
        assert await reader.wait_for_card(30) is not None
        assert await works(reader)


async def test_the_service_restarts_while_a_card_is_waited_for(pcscd: Pcscd) -> None:
    card = pcscd.card("--out")
    async with opened(patience_s=10.0) as reader:
        waiting = asyncio.create_task(reader.wait_for_card(30))
        assert await reader_is_quiet(waiting)
        await asyncio.to_thread(pcscd.kill)
        card.insert_unseen()  # inserted while there is nobody to see it
        assert await reader_is_quiet(waiting)
        await asyncio.to_thread(pcscd.start)
        began = time.monotonic()
        assert await waiting is not None
        assert time.monotonic() - began <= RECOVERED_S
        assert await works(reader)


async def test_the_service_dies_in_mid_payment(pcscd: Pcscd) -> None:
    pcscd.card()
    async with opened() as reader:
        assert await reader.wait_for_card(30) is not None
        assert await works(reader)
        await asyncio.to_thread(pcscd.kill)
        with pytest.raises(ReaderAbsent) as caught:
            await reader.transmit(SELECT_PSE)
        assert "pcscd" in caught.value.hint
        await asyncio.to_thread(pcscd.start)
        began = time.monotonic()
        assert await reader.wait_for_card(30) is not None
        assert await works(reader)
        assert time.monotonic() - began <= RECOVERED_S


async def test_no_card_is_missed_over_restarts(pcscd: Pcscd) -> None:
    card = pcscd.card("--out")
    async with opened(patience_s=10.0) as reader:
        for _ in range(5):
            waiting = asyncio.create_task(reader.wait_for_card(30))
            await asyncio.to_thread(pcscd.kill)
            card.insert_unseen()
            await asyncio.to_thread(pcscd.start)
            assert await waiting is not None
            assert await works(reader)
            await reader.release()
            await asyncio.to_thread(card.remove)


async def test_a_service_that_stays_away(pcscd: Pcscd) -> None:
    async with opened(patience_s=0.2) as reader:
        await asyncio.to_thread(pcscd.kill)
        with pytest.raises(ReaderAbsent, match="PC/SC service"):
            await reader.wait_for_card(30)
        await asyncio.to_thread(pcscd.start)
        pcscd.card()
        assert await reader.wait_for_card(30) is not None


async def test_no_service_at_all(pcscd: Pcscd) -> None:
    await asyncio.to_thread(pcscd.kill)
    with pytest.raises(ReaderAbsent, match="does not run") as caught:
        await open_reader(catalog.reader("pcsc"), LINE)
    assert "systemctl start pcscd" in caught.value.hint


async def test_a_name_that_nothing_has(pcscd: Pcscd) -> None:
    with pytest.raises(ReaderAbsent) as caught:
        await open_reader(catalog.reader("pcsc"), "pcsc:ACR")
    assert caught.value.what.startswith(f"no reader matches 'ACR'; present: '{READER} 00 00'")
    assert "the profile's line" in caught.value.hint


async def test_a_name_that_several_have(pcscd: Pcscd) -> None:
    if isinstance(pcscd, TwinPcscd):
        pcscd.order("plug Till Other")
    with pytest.raises(ReaderAbsent, match="2 readers match") as caught:
        await open_reader(catalog.reader("pcsc"), "pcsc:till")
    second = "Till Other 01 00" if isinstance(pcscd, TwinPcscd) else f"{READER} 00 01"
    assert f"'{second}'" in caught.value.what


async def test_found_by_name_whatever_the_order() -> None:
    for names in (("Till Contact", "Sam Box"), ("Sam Box", "Till Contact")):
        with PrivatePcscd(*names) as pcscd:
            pcscd.card(reader=names.index("Till Contact"))
            async with opened("pcsc:till contact * 00") as reader:
                assert await reader.wait_for_card(30) is not None
                assert await works(reader)


async def test_two_daemons_side_by_side(tmp_path_factory: pytest.TempPathFactory) -> None:
    apart = tmp_path_factory.mktemp("p")
    with PrivatePcscd("One") as one, PrivatePcscd("Two", folder=apart) as two:
        assert "One 00 00" in one.client("opensc-tool", "-l").stdout
        listed = two.client("opensc-tool", "-l").stdout
        assert "Two 00 00" in listed
        assert "One" not in listed


HOLDER = """
import sys
from smartcard.scard import *
context = SCardEstablishContext(SCARD_SCOPE_USER)[1]
known = SCARD_STATE_UNAWARE
while not known & SCARD_STATE_PRESENT:
    known = SCardGetStatusChange(context, 5000, [(sys.argv[1], known)])[1][0][1] & ~SCARD_STATE_CHANGED
code, card, protocol = SCardConnect(context, sys.argv[1], SCARD_SHARE_EXCLUSIVE, SCARD_PROTOCOL_ANY)
print(code, flush=True)
sys.stdin.readline()
"""


@contextlib.contextmanager
def held_by_another(pcscd: Pcscd) -> Iterator["subprocess.Popen[str]"]:
    environment = os.environ | {"PCSCLITE_CSOCK_NAME": pcscd.socket}
    argv = [sys.executable, "-c", HOLDER, f"{READER} 00 00"]
    with subprocess.Popen(argv, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "0"
        yield process
        if process.poll() is None:
            process.communicate("\n")


async def test_another_program_holds_the_card(pcscd: Pcscd) -> None:
    pcscd.card()
    async with opened(busy_s=0.3) as reader:
        with held_by_another(pcscd), pytest.raises(CardError, match="another program"):
            await reader.wait_for_card(30)
        assert await reader.wait_for_card(30) is not None


async def test_another_program_holds_the_card_for_a_moment(pcscd: Pcscd) -> None:
    pcscd.card()
    async with opened() as reader:
        with held_by_another(pcscd) as other:
            waiting = asyncio.create_task(reader.wait_for_card(30))
            assert await reader_is_quiet(waiting)
            other.communicate("\n")
            assert await waiting is not None
        assert await works(reader)


async def test_others_stay_out_of_an_exclusive_payment(pcscd: Pcscd) -> None:
    pcscd.card()
    async with opened() as reader:
        assert await reader.wait_for_card(30) is not None
        refused = await asyncio.to_thread(pcscd.client, "opensc-tool", "-s", "00:A4:04:00")
        assert refused.returncode != 0
        assert await works(reader)


async def test_others_wait_for_the_end_of_a_shared_payment(pcscd: Pcscd) -> None:
    pcscd.card()
    async with opened(share=Sharing.SHARED) as reader:
        assert await reader.wait_for_card(30) is not None
        other = asyncio.create_task(asyncio.to_thread(pcscd.client, "opensc-tool", "-s", SELECT_PSE.hex(":")))
        done, _ = await asyncio.wait({other}, timeout=0.5)
        assert not done
        assert await works(reader)
        await reader.release()
        assert "9000" in (await other).stdout.replace("SW1=0x90, SW2=0x00", "9000")


async def test_independent_clients_see_the_same(pcscd: Pcscd) -> None:
    pcscd.card()
    async with opened() as reader:
        assert await reader.wait_for_card(30) is not None  # from here on pcscd has seen it
    listed = pcscd.client("opensc-tool", "-l").stdout
    assert listed.splitlines()[2].split(maxsplit=2) == ["0", "Yes", f"{READER} 00 00"]
    assert pcscd.client("opensc-tool", "-a").stdout.strip() == "3b:e0:00:00:81:31:fe:45:eb"
    assert f"{READER} 00 00" in pcscd.client("pcsc_scan", "-r", "-n").stdout
    said = pcscd.client("opensc-tool", "-s", SELECT_PSE.hex(":")).stdout
    _, _, dump = said.partition("Received ")
    received = b"".join(bytes.fromhex(line[:48]) for line in dump.splitlines()[1:])  # 16 octets a line, then text
    assert "SW1=0x90, SW2=0x00" in dump
    async with opened() as reader:
        assert await reader.wait_for_card(30) is not None
        ours = await reader.transmit(SELECT_PSE)
    assert ours == received + b"\x90\x00"


async def test_given_up_waits_leave_the_card_free(pcscd: Pcscd) -> None:
    pcscd.card("--out")
    async with opened() as reader:
        waiting = asyncio.create_task(reader.wait_for_card(30))
        await reader_is_quiet(waiting)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await reader.wait_for_card(0.05) is None


async def test_nothing_runs_on_after_close(pcscd: Pcscd) -> None:
    for _ in range(5):
        async with opened():
            pass
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("pcsc")]


async def test_traces_are_redacted(pcscd: Pcscd) -> None:
    pcscd.card()
    said: list[tuple[str, str, str]] = []
    reader = await open_reader(catalog.reader("pcsc"), LINE, lambda *words: said.append(words))
    try:
        assert await reader.wait_for_card(30) is not None
        await reader.transmit(SELECT_PSE)
    finally:
        await reader.close()
    assert [(wire, direction) for wire, direction, _ in said] == [("reader", ">"), ("reader", "<")]
    assert said[0][2] == "SELECT 00A40400 1PAY.SYS.DDF01"


async def test_pyscard_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(CardError, match="pyscard") as caught:
        await open_reader(catalog.reader("pcsc"), LINE)
    assert "pip install 'tillguard[pcsc]'" in caught.value.hint


def test_only_serial_readers_have_a_line() -> None:
    line = LineSettings(115200)
    ReaderProfile("own", "own", ReaderProtocol.PN532, line)
    for protocol, wrong in ((ReaderProtocol.PN532, None), (ReaderProtocol.PCSC, line)):
        with pytest.raises(ValueError, match=r"\[line\]"):
            ReaderProfile("own", "own", protocol, wrong)


def test_settings_have_bounds() -> None:
    for wrong in ({"exchange_s": 0.0}, {"patience_s": 1000.0}, {"name": ""}, {"protocols": ()}):
        with pytest.raises(ValueError):
            PcscSettings(**wrong)  # type: ignore[arg-type]
