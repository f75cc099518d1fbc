# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The agent's side of a vault: a pad like any other, keys by the socket's methods, and rotation that loses nothing."""

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from device_profiles.keypad import keypad
from device_profiles.serve.pty import PtyServer
from device_profiles.twins.local_keypad import KeypadTwin
from device_profiles.twins.pinpad_cardholder import Behaviour, Cardholder
from protocols.dukpt import tdes
from protocols.dukpt.ksn import TdesKsn
from protocols.mac import RetailMacKey
from protocols.pan import Pan
from protocols.pin.iso9564 import Format, decipher_pin
from protocols.primitives import TdesKey
from protocols.secret import Pin
from protocols.telemetry.events import Event
from protocols.vault import Inventory, Load, Refusal, Refused, Stop, Tamper, Zeroise
from terminal_agent.api.methods import Methods
from terminal_agent.api.rpc import INVALID_PARAMS, REFUSED, UNAVAILABLE, Request, RpcError
from terminal_agent.flows.reporting import Recorder
from terminal_agent.pad.port import TAMPERED, PadAbsent, PadRefused, PinCancelled, PinEntered, PinTimedOut
from terminal_agent.pad.software import SoftwarePad
from terminal_agent.pad.vault_link import VaultLink
from terminal_agent.processes import vault_child
from terminal_agent.processes.profile import Keypad
from terminal_agent.processes.vault_keeper import VaultKeeper
from tests.patience import PATIENCE_S
from tests.terminal_agent.flows.paper import FakeClock, PaperChain, PaperOutbox
from tests.terminal_agent.sealed.vaults import PIN_KSN, block, component_files, made, made_key

PAN = Pan("4000001234567899")


class Bench:
    """A keeper with a keypad twin and its person."""

    def __init__(self, folder: Path, behaviour: Behaviour, pace_s: float = 0.001) -> None:
        self.chain = PaperChain()
        person = Cardholder(Pin(bytearray((8, 6, 0, 4))), behaviour, pace_s)
        self._server = lambda: PtyServer(KeypadTwin(keypad("software"), person), None, folder / "line")
        self._stop = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None
        self.settings = made(folder, keypad=str(folder / "line"))
        recorder = Recorder(self.chain, PaperOutbox(), FakeClock(), print)  # type: ignore[arg-type]
        codes = Keypad(keypad("software")).codes
        self.keeper = VaultKeeper(
            self.settings, {"keys": codes, "components": component_files(folder)}, recorder, lambda *_: None
        )
        self.methods = Methods(self.keeper.methods())

    async def plug_in(self) -> None:
        """The keypad at its line."""
        server, self._stop = self._server(), asyncio.Event()
        self._serving = asyncio.create_task(server.run(self._stop))

    async def unplug(self) -> None:
        """Its line goes with it."""
        self._stop.set()
        assert self._serving is not None
        await self._serving

    async def call(self, method: str, **parameters: object) -> dict[str, object]:
        found = await self.methods.call(Request(1, method, parameters))
        assert isinstance(found, dict)
        return found

    async def load(self) -> None:
        await self.call("keys.load", slot="pin", block=block("B1", "T", "X", made_key("pin"), PIN_KSN))
        await self.call("keys.load", slot="mac-master", block=block("K0", "T", "B", made_key("mac-master")))


async def lent(keeper: VaultKeeper) -> SoftwarePad:
    """The vault as a worker has it."""
    descriptor, _, _ = await keeper.lend()
    pad = SoftwarePad(VaultLink(socket.socket(fileno=descriptor), first_number=7), lambda: None, lambda *_: None)
    await pad.settle()
    return pad


@contextlib.asynccontextmanager
async def bench(folder: Path, behaviour: Behaviour = Behaviour.RIGHT_PIN) -> AsyncIterator[tuple[Bench, SoftwarePad]]:
    made_bench = Bench(folder, behaviour)
    await made_bench.plug_in()
    await made_bench.keeper.open()
    pad = await lent(made_bench.keeper)
    try:
        yield made_bench, pad
    finally:
        await pad.close()
        await made_bench.keeper.close()
        await made_bench.unplug()


def pin_of(entered: object, key: bytes = made_key("pin")) -> list[int]:
    assert isinstance(entered, PinEntered), entered
    working = tdes.working_key(tdes.transaction_key(key, TdesKsn(entered.ksn)), tdes.Purpose.PIN)
    with TdesKey(working) as receiving:
        return list(decipher_pin(receiving, Format.ISO_0, entered.block, PAN))


async def test_it_is_a_pad_like_any_other(tmp_path: Path) -> None:
    async with bench(tmp_path) as (office, pad):
        await office.load()
        assert pin_of(await pad.enter_pin(PAN, "EUR 42.00", PATIENCE_S)) == [8, 6, 0, 4]
        with TdesKey(made_key("mac-master")) as master:
            cryptogram = master.encipher(made_key("session"))
        assert await pad.mac(cryptogram, b"data") == RetailMacKey(made_key("session")).mac(b"data")
        with pytest.raises(PadRefused, match="own words"):
            await pad.show("PLEASE ENTER YOUR PIN AGAIN")


@pytest.mark.parametrize(
    ("behaviour", "timeout_s", "outcome"),
    [(Behaviour.CANCEL, PATIENCE_S, PinCancelled), (Behaviour.SILENT, 0.3, PinTimedOut)],
)
async def test_outcomes_are_values(tmp_path: Path, behaviour: Behaviour, timeout_s: float, outcome: type) -> None:
    async with bench(tmp_path, behaviour) as (office, pad):
        await office.load()
        assert isinstance(await pad.enter_pin(PAN, "EUR 1.00", timeout_s), outcome)


async def test_a_cancelled_task_ends_the_entry_at_the_vault(tmp_path: Path) -> None:
    async with bench(tmp_path, Behaviour.SILENT) as (office, pad):
        await office.load()
        entry = asyncio.create_task(pad.enter_pin(PAN, "EUR 1.00", 60))
        await asyncio.sleep(0.05)
        entry.cancel()
        with pytest.raises(asyncio.CancelledError):
            await entry
        assert isinstance(await pad.enter_pin(PAN, "EUR 1.00", 0.1), PinTimedOut)


async def test_a_vault_that_dies_is_a_pad_that_is_absent_and_comes_back_with_its_keys(tmp_path: Path) -> None:
    async with bench(tmp_path) as (office, pad):
        await office.load()
        first = await pad.enter_pin(PAN, "EUR 1.00", PATIENCE_S)
        entry = asyncio.create_task(pad.enter_pin(PAN, "EUR 1.00", 60))
        await asyncio.sleep(0)
        os.kill(process_of(office), 9)
        with pytest.raises(PadAbsent, match="ended"):
            await entry
        again = await lent(office.keeper)
        second = await again.enter_pin(PAN, "EUR 1.00", PATIENCE_S)
        assert pin_of(first) == pin_of(second) == [8, 6, 0, 4]
        assert isinstance(first, PinEntered)
        assert isinstance(second, PinEntered)
        assert second.ksn > first.ksn
        await again.close()


async def test_a_vault_that_died_a_moment_ago_is_lent_to_nobody(tmp_path: Path) -> None:
    async with bench(tmp_path) as (office, _):
        dead = process_of(office)
        os.kill(dead, 9)
        os.waitid(os.P_PID, dead, os.WEXITED | os.WNOWAIT)  # noqa: ASYNC222  # the loop is to have no turn to hear of it
        again = await lent(office.keeper)
        assert process_of(office) != dead
        await again.close()


def process_of(office: Bench) -> int:
    """The vault's process: the only child whose command line names the store."""
    store = str(office.settings.store).encode()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes()
            if store in words and b"processes.vault" in words:
                return int(process.name)
    raise AssertionError("no vault runs")


async def test_keys_by_the_sockets_methods_leave_their_events(tmp_path: Path) -> None:
    async with bench(tmp_path) as (office, _):
        await office.load()
        keys = (await office.call("keys.list"))["keys"]
        assert isinstance(keys, list)
        assert {key["slot"] for key in keys} == {"transport", "pin", "mac-master"}
        value = next(key["check_value"] for key in keys if key["slot"] == "mac-master")
        assert "is right" in str(await office.call("keys.verify", slot="mac-master", kcv=value))
        with pytest.raises(RpcError) as refused:
            await office.call("keys.verify", slot="mac-master", kcv="000000")
        assert refused.value.code == REFUSED
        with pytest.raises(RpcError) as refused:
            await office.call("keys.load", slot="pin", block="D", ksn="xyz")
        assert refused.value.code == INVALID_PARAMS
        await office.call("keys.zeroise", slot="mac-master")
        events = [(event.name, event.fields.get("slot"), event.fields.get("kcv")) for event in office.chain.events]
        assert ("key.loaded", "mac-master", value) in events
        assert ("key.destroyed", "mac-master", value) in events


async def test_a_tamper_input_is_an_alert_of_the_terminal(tmp_path: Path) -> None:
    async with bench(tmp_path) as (office, pad):
        await office.load()
        await office.call("keys.tamper", source="integrity alarm")
        await office.call("keys.status")  # behind the event on the pipe
        assert [event.fields["source"] for event in office.chain.named("vault.tampered")] == ["integrity alarm"]
        with pytest.raises(PadRefused, match="tampered"):
            await pad.enter_pin(PAN, "EUR 1.00", PATIENCE_S)
    keeper = office.keeper
    with pytest.raises(RpcError) as gone:
        await Methods(keeper.methods()).call(Request(1, "keys.list", {}))
    assert gone.value.code == UNAVAILABLE


async def test_rotation_while_payments_run_loses_none(tmp_path: Path) -> None:
    """PINs and MACs without a pause while both keys are replaced: each belongs to the old or to the new one."""
    next_ksn = bytes.fromhex("FFFF3333330000000000")
    async with bench(tmp_path) as (office, pad):
        await office.load()
        with TdesKey(made_key("mac-master")) as master:
            cryptogram = master.encipher(made_key("session"))
        expected = RetailMacKey(made_key("session")).mac(b"data")
        entered: list[PinEntered] = []
        macs: list[bytes] = []
        over = asyncio.Event()

        async def pay() -> None:
            while not over.is_set():
                macs.append(await pad.mac(cryptogram, b"data"))
                outcome = await pad.enter_pin(PAN, "EUR 1.00", PATIENCE_S)
                assert isinstance(outcome, PinEntered)
                entered.append(outcome)
                macs.append(await pad.mac(cryptogram, b"data"))

        paying = asyncio.create_task(pay())
        while len(entered) < 3:
            await asyncio.sleep(0.01)
        await office.call("keys.load", slot="pin", block=block("B1", "T", "X", made_key("next pin"), next_ksn))
        await office.call("keys.load", slot="mac-master", block=block("K0", "T", "B", made_key("next master")))
        await office.call("keys.rotate", slot="mac-master")
        await office.call("keys.rotate", slot="pin")
        count = len(entered)
        while len(entered) < count + 4:
            await asyncio.sleep(0.01)
        over.set()
        await paying
        old = [one for one in entered if one.ksn[:7] == PIN_KSN[:7]]
        new = [one for one in entered if one.ksn[:7] == next_ksn[:7]]
        assert old
        assert new
        assert len(old) + len(new) == len(entered) == len({one.ksn for one in entered})
        assert {tuple(pin_of(one)) for one in old} == {(8, 6, 0, 4)}
        assert {tuple(pin_of(one, made_key("next pin"))) for one in new} == {(8, 6, 0, 4)}
        assert set(macs) == {expected}


async def test_a_keypad_that_went_and_came_back_is_taken_by_another_vault(tmp_path: Path) -> None:
    async with bench(tmp_path) as (office, pad):
        await office.load()
        assert pin_of(await pad.enter_pin(PAN, "EUR 1.00", PATIENCE_S)) == [8, 6, 0, 4]
        await office.unplug()
        while not office.keeper.ended:
            await asyncio.sleep(0.01)
        generation = (office.settings.counter or tmp_path).read_bytes()
        for _ in range(3):
            with pytest.raises(PadAbsent, match="keypad"):
                await office.keeper.open()
        assert (office.settings.counter or tmp_path).read_bytes() == generation, "no vault was started in vain"
        await office.plug_in()
        again = await office.keeper.open()
        assert pin_of(await again.enter_pin(PAN, "EUR 1.00", PATIENCE_S)) == [8, 6, 0, 4]
        await again.close()
        assert [event.fields["alert"] for event in office.chain.named("vault.alert")] == [
            "keypad_lost: the keypad of the vault is gone"
        ]


async def test_a_vault_beside_a_pad_is_kept_running_and_hears_of_a_pad_that_was_opened(tmp_path: Path) -> None:
    async with bench(tmp_path) as (office, _):
        await office.load()
        keeper = office.keeper
        keeping = asyncio.create_task(keeper.keep())
        os.kill(process_of(office), 9)
        while not keeper.ended:
            await asyncio.sleep(0.01)
        while keeper.ended:
            await asyncio.sleep(0.01)
        assert "phase ready" in await keeper.office.status()
        for name, reason in (("device.lost", "it was unplugged"), ("device.back", "")):
            keeper.heard(Event(name, 1, {"device": "pad", "reason": reason}))
        assert "phase ready" in await keeper.office.status()
        keeper.heard(Event("device.lost", 1, {"device": "pad", "reason": TAMPERED}))
        while not office.chain.named("vault.tampered"):
            await asyncio.sleep(0.01)
        assert "phase tampered" in await keeper.office.status()
        keeping.cancel()
        await keeper.close()


async def test_a_vault_whose_keeper_is_stopped_while_it_starts_is_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    office, begun, started = Bench(tmp_path, Behaviour.RIGHT_PIN), threading.Event(), list[vault_child.VaultChild]()
    real = vault_child.start

    def start(*args: Any, **named: Any) -> vault_child.VaultChild:
        begun.set()
        started.append(real(*args, **named))
        return started[0]

    monkeypatch.setattr(vault_child, "start", start)
    await office.plug_in()
    opening = asyncio.create_task(office.keeper.open())
    assert await asyncio.to_thread(begun.wait, 60)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    (child,) = started
    assert child.process.returncode is not None
    assert child.pipe.fileno() == -1
    await office.unplug()


async def test_on_the_pipe_for_payments_keys_are_used_and_not_managed(tmp_path: Path) -> None:
    async with bench(tmp_path) as (office, pad):
        await office.load()
        for request in (Zeroise("pin", b""), Tamper("a worker"), Inventory(), Load("pin", "B", b"", b""), Stop()):
            reply = await pad.link.ask(request, 5)
            assert isinstance(reply, Refused)
            assert reply.why == Refusal.POLICY
        assert isinstance(await pad.enter_pin(PAN, "EUR 1.00", PATIENCE_S), PinEntered)


async def test_what_one_worker_had_begun_is_ended_for_the_next(tmp_path: Path) -> None:
    async with bench(tmp_path, Behaviour.SILENT) as (office, pad):
        await office.load()
        entry = asyncio.create_task(pad.enter_pin(PAN, "EUR 1.00", 60))
        await asyncio.sleep(0.05)
        entry.cancel()
        pad.link.close()  # its worker was killed: nobody cancels
        with contextlib.suppress(asyncio.CancelledError, PadAbsent):
            await entry
        another = await lent(office.keeper)
        with TdesKey(made_key("mac-master")) as master:
            cryptogram = master.encipher(made_key("session"))
        assert await another.mac(cryptogram, b"data") == RetailMacKey(made_key("session")).mac(b"data")
        again = asyncio.create_task(another.enter_pin(PAN, "EUR 1.00", 60))
        await asyncio.sleep(0.05)
        await another.cancel()
        assert isinstance(await again, PinCancelled), "the keypad is free"
        await another.close()
