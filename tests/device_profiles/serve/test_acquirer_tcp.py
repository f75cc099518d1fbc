# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The whole way over sockets: the agent's host client, TCP or TLS, the acquirer twin, its HSM link, an HSM engine."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from device_profiles.acquirer_profile import load_acquirer
from device_profiles.serve.tcp import Bank, HsmLink, TerminalLine, server_context
from device_profiles.twins.acquirer import Host
from device_profiles.twins.acquirer_hsm import HsmGone
from device_profiles.twins.acquirer_ledger import Ledger
from device_profiles.twins.acquirer_script import Fault, Rule, Script
from hsm_sim.engine.engine import Engine
from hsm_sim.engine.wrapping import VariantLmk
from hsm_sim.payshield.session import Session
from protocols.acquirer.account import AccountData
from protocols.acquirer.frame import frame
from protocols.hsm.commands import NC, ND
from protocols.pan import Pan, Track2
from terminal_agent.host.client import AuthorisationRequest, HostClient, PinData, Reply
from terminal_agent.host.journal import Journal
from terminal_agent.host.port import HostError, HostGarbled, HostSilent, HostUnreachable
from terminal_agent.host.reversal import ReversalReason
from terminal_agent.host.tcp import AcquirerLink, Endpoint, TlsFiles
from tests.device_profiles.acquirer_bench import NOW, TEST_PAN, Card, Pad
from tests.hsm_sim.units import unit
from tests.patience import PATIENCE_S
from tests.terminal_agent.host.authority import Authority
from tests.terminal_agent.host.payments import begun, conclude

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")  # the oracles'


class HsmServer(asyncio.Protocol):
    """hsm-sim's session on a socket."""

    made: "list[HsmServer]"

    def __init__(self, made: "list[HsmServer]") -> None:
        self._session = Session(unit(Engine(VariantLmk.of_test_keys(), os.urandom)))
        self.transport: asyncio.Transport | None = None
        made.append(self)

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._session.feed(data)
        octets, _ = self._session.answer(100)
        assert self.transport is not None
        self.transport.write(octets)


@dataclass
class World:
    """Everything that runs, and what it told."""

    port: int
    link: HsmLink
    hsm_lines: list[HsmServer]
    ledger: Ledger
    dialect: Any
    events: list[dict[str, Any]] = field(default_factory=list)
    traffic: list[tuple[str, str]] = field(default_factory=list)
    saved: list[int] = field(default_factory=list)

    @property
    def decision(self) -> dict[str, Any]:
        return [event for event in self.events if event["event"] == "decision"][-1]


@asynccontextmanager
async def world(
    script: Script | None = None, dialect: str = "ascii-1987", security: Any = None
) -> AsyncIterator[World]:
    loop = asyncio.get_running_loop()
    lines: list[HsmServer] = []
    hsm = await loop.create_server(lambda: HsmServer(lines), "127.0.0.1", 0)
    link = HsmLink("127.0.0.1", hsm.sockets[0].getsockname()[1])
    profile = replace(load_acquirer("test-bank"), dialect=dialect)
    ledger = Ledger()
    made = World(0, link, lines, ledger, profile.speech)
    bank = Bank(
        Host(profile, ledger, script),
        profile.speech,
        link,
        lambda: NOW,
        made.events.append,
        trace=lambda direction, text: made.traffic.append((direction, text)),
        save=lambda: made.saved.append(len(made.events)),
    )
    server = await loop.create_server(bank.line, "127.0.0.1", 0, ssl=security)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        await bank.close()
        hsm.close()
        for line in lines:
            if line.transport is not None:
                line.transport.abort()
        await asyncio.sleep(0)


class Till:
    """The terminal: the agent's client, link and journal with a test pad and card."""

    def __init__(self, world: World, folder: Path, tls: TlsFiles | None = None) -> None:
        self.endpoint = Endpoint("127.0.0.1", world.port, dialect=world.dialect.name, tls=tls)
        self.link = AcquirerLink(self.endpoint)
        self.client = HostClient(world.dialect, "TG000001", "TILLGUARD-0001")
        self.journal = Journal.open(folder / "host.journal")
        self.pad, self.card = Pad(), Card()

    async def sign_on(self) -> None:
        asked = self.client.sign_on(self.journal.next_stan(), NOW)
        came = await self.link.exchange(asked.without_mac(), 5, self.client.answers(asked))
        reply = self.client.read_reply(asked, came)
        assert reply.session_key is not None
        self.pad.load(reply.session_key.cryptogram, reply.session_key.check_value)
        reply.require_mac(self.pad.mac(reply.octets_to_mac))

    async def pay(self, amount: int = 4200, pin: str = "7391", timeout_s: float = PATIENCE_S) -> Reply | None:
        """One payment as a flow does it; None where it has to be reversed."""
        ksn, block = self.pad.enter(pin)
        request = AuthorisationRequest(
            amount=amount,
            currency="978",
            account=AccountData(Pan(TEST_PAN), Track2.from_text(TEST_PAN + "D2812201000000001"), "2812"),
            sequence_number=1,
            icc_data=self.card.pay(amount),
            interface="contactless",
            pin=PinData(block, ksn),
        )
        asked = self.client.authorise(request, self.journal.next_stan(), NOW)
        octets = asked.with_mac(self.pad.mac(asked.octets_to_mac))
        payment = begun(self.journal)
        ref = self.journal.record(asked, payment)
        try:
            came = await self.link.exchange(octets, timeout_s, self.client.answers(asked))
            reply = self.client.read_reply(asked, came)
            reply.require_mac(self.pad.mac(reply.octets_to_mac))
        except HostError as fault:
            self.fault = fault
            if fault.sent:
                garbled = isinstance(fault, HostGarbled)
                self.journal.must_reverse(ref, ReversalReason.GARBLED if garbled else ReversalReason.SILENCE, NOW)
            else:
                self.journal.withdrawn(ref)
            return None
        self.journal.answered(ref, reply)
        if reply.approved:
            conclude(self.journal, payment, "approved", NOW)
        return reply

    async def reverse_what_is_owed(self) -> list[str]:
        codes = []
        for owed in self.journal.reversals():
            asked = self.client.reverse(owed)
            octets = asked.with_mac(self.pad.mac(asked.octets_to_mac))
            self.journal.reversal_sending(owed.ref)
            reply = self.client.read_reply(asked, await self.link.exchange(octets, 5, self.client.answers(asked)))
            reply.require_mac(self.pad.mac(reply.octets_to_mac))
            assert self.journal.reversal_answered(owed.ref, reply.response_code, NOW)
            codes.append(reply.response_code)
        return codes

    async def close(self) -> None:
        await self.link.close()
        self.journal.close()


@pytest.mark.parametrize("dialect", ["ascii-1987", "bcd-tpdu"])
async def test_a_payment_from_pad_to_hsm_and_back(tmp_path: Path, dialect: str) -> None:
    async with world(dialect=dialect) as made:
        till = Till(made, tmp_path)
        await till.sign_on()
        reply = await till.pay()
        assert reply is not None
        assert (reply.approved, reply.words) == (True, "approved")
        assert made.decision["checks"] == {"mac": "good", "ksn": "fresh", "pin": "good", "arqc": "good"}
        declined = await till.pay(pin="1234")
        assert declined is not None
        assert (declined.response_code, declined.words) == ("55", "incorrect PIN")
        assert [direction for direction, _ in made.traffic] == [">", "<"] * 3
        assert not any(TEST_PAN in text for _, text in made.traffic)
        assert len(made.saved) == 3
        assert till.journal.reversals() == ()
        await till.close()


async def test_tls_from_terminal_to_twin(tmp_path: Path) -> None:
    ca = Authority(tmp_path)
    certificate, key, _ = ca.issue("acquirer.test")
    own = ca.issue("TG000001")
    tls = TlsFiles(ca.file, own[0], own[1], "acquirer.test")
    async with world(security=server_context(ca.file, certificate, key)) as made:
        till = Till(made, tmp_path, tls)
        await till.sign_on()
        reply = await till.pay()
        assert reply is not None
        assert reply.approved
        await till.close()
        stranger = Authority(tmp_path, "ANOTHER CA").issue("TG000001")
        other = AcquirerLink(replace(till.endpoint, tls=replace(tls, certificate=stranger[0], key=stranger[1])))
        with pytest.raises(HostUnreachable):
            await other.exchange(b"0800", 5)
        await other.close()


@pytest.mark.parametrize(
    ("fault", "kind", "codes", "held"),
    [
        (Fault.LOSE, HostSilent, ["25"], 0),
        (Fault.DROP, HostSilent, ["00"], 0),
        (Fault.WRONG_MAC, HostGarbled, ["00"], 0),
        (Fault.GARBAGE, HostGarbled, ["00"], 0),
        (Fault.HANG_UP, HostUnreachable, ["00"], 0),
        (Fault.LATE, HostSilent, ["00"], 0),
        (Fault.DUPLICATE, None, [], 4200),
    ],
)
async def test_no_fault_of_the_host_loses_money(
    tmp_path: Path, fault: Fault, kind: type[HostError] | None, codes: list[str], held: int
) -> None:
    async with world(Script((Rule(mti="0100", fault=fault),))) as made:
        till = Till(made, tmp_path)
        await till.sign_on()
        reply = await till.pay(timeout_s=0.1 if kind is HostSilent else PATIENCE_S)
        if kind is None:
            assert reply is not None
            assert reply.approved
        else:
            assert reply is None
            assert type(till.fault) is kind
            assert till.fault.sent
        await till.sign_on()
        assert await till.reverse_what_is_owed() == codes
        assert sum(made.ledger.held.values()) == held
        again = await till.pay(1000)
        assert again is not None
        assert again.approved
        assert sum(made.ledger.held.values()) == held + 1000
        assert till.journal.reversals() == ()
        await till.close()


async def test_an_hsm_that_comes_back_is_used_again(tmp_path: Path) -> None:
    async with world() as made:
        till = Till(made, tmp_path)
        await till.sign_on()
        (first,) = made.hsm_lines
        assert first.transport is not None
        first.transport.abort()
        await asyncio.sleep(0)
        reply = await till.pay()
        assert reply is not None or made.decision["code"] == "91"
        reply = await till.pay()
        assert reply is not None
        assert reply.approved
        assert len(made.hsm_lines) == 2
        await till.close()


async def test_many_questions_at_once_each_get_their_own_answer() -> None:
    async with world() as made:
        answers = await asyncio.gather(*(made.link.ask(NC()) for _ in range(50)))
        assert len({answer.header for answer in answers}) == 50
        assert all(isinstance(answer.fields, ND) for answer in answers)


async def test_no_hsm_is_said() -> None:
    async with world() as made:
        pass
    made.link.close()
    with pytest.raises(HsmGone):
        await made.link.ask(NC())


async def test_a_line_that_makes_no_sense_is_closed() -> None:
    async with world() as made:
        reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert await reader.read() == b""
        assert made.events == [{"event": "line.refused", "reason": made.events[0]["reason"]}]
        writer.close()
        await writer.wait_closed()
        reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
        writer.write(frame(b"rubbish", made.dialect))
        writer.write_eof()
        assert await reader.read() == b""
        assert made.events[-1]["event"] == "unreadable"
        writer.close()
        await writer.wait_closed()


async def test_a_line_that_stalls_inside_a_frame_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("device_profiles.serve.tcp.HALF_FRAME_S", 0.02)
    async with world() as made:
        reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
        writer.write(b"\x00")
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


async def test_a_terminal_that_asks_too_much_at_once_is_read_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("device_profiles.serve.tcp.UNDER_WAY", 2)
    paused: list[int] = []
    original = TerminalLine.data_received

    def watched(line: TerminalLine, data: bytes) -> None:
        original(line, data)
        assert line._transport is not None
        paused.append(line._transport.is_reading())

    monkeypatch.setattr(TerminalLine, "data_received", watched)
    async with world() as made:
        reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
        asked = HostClient(made.dialect, "TG000001", "M").echo
        writer.write(b"".join(frame(asked(stan, NOW).without_mac(), made.dialect) for stan in range(1, 6)))
        answered = b""
        while answered.count(b"0810") < 5:
            answered += await reader.read(4096)
        assert paused[0] == 0
        writer.close()
        await writer.wait_closed()
