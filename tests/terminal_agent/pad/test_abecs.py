# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: a PIN leaves the pad enciphered or not at all, and no pad is left asking for one that nobody waits for."""

import asyncio
import contextlib
import dataclasses
from typing import Any

import pytest
from psec import des

from device_profiles.twins.abecs_pad import AbecsPadTwin
from device_profiles.twins.pinpad_cardholder import Behaviour
from protocols.serial.abecs import Control, Packet
from terminal_agent.pad.abecs import AbecsPad
from terminal_agent.pad.drivers import open_pad
from terminal_agent.pad.port import PadAbsent, PadError, PadRefused, PinCancelled, PinEntered, PinOutcome, PinTimedOut
from tests.device_profiles.twins.pads import (
    ABECS,
    ABECS_IDENTITY,
    PROFILE,
    TEST_PAN,
    RecordingEngine,
    abecs_pad,
    any_pad,
)
from tests.terminal_agent.line.twin_line import DELAYED, OCTET_BY_OCTET, WHOLE, Carriage, Spoil, TwinLine, flip, lose
from tests.virtual_time import run

SESSION_KEY = bytes.fromhex("00112233445566778899AABBCCDDEEFF")
TEST_MASTER = bytes.fromhex("732F49F44C76459E8F23203B73ECC164")  # TEST key "TMK-MAC" of the pad's load
CARRIAGES = pytest.mark.parametrize("carriage", [WHOLE, OCTET_BY_OCTET, DELAYED], ids=["whole", "octets", "delayed"])

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")  # the oracle's


async def opened(line: TwinLine) -> AbecsPad:
    driver = await open_pad(ABECS, line, None, ABECS_IDENTITY)
    assert isinstance(driver, AbecsPad)
    return driver


async def entered(twin: AbecsPadTwin, timeout_s: float = 30.0, carriage: Carriage = WHOLE) -> PinOutcome:
    driver = await opened(TwinLine(twin, carriage))
    try:
        return await driver.enter_pin(TEST_PAN, "EUR 42.00", timeout_s)
    finally:
        await driver.close()


@CARRIAGES
def test_a_pin_is_entered(carriage: Carriage) -> None:
    async def main() -> None:
        twin, engine = abecs_pad()
        outcome = await entered(twin, carriage=carriage)
        assert isinstance(outcome, PinEntered)
        assert (outcome.ksn, outcome.block) == engine.made[0]
        assert (outcome.ksn.hex().upper(), outcome.block_format) == ("FFFF9876543240E00001", 0)
        shown = [one.text for one in twin.drain_shown()]
        assert "EUR 42.00       ENTER PIN ****" in shown
        assert shown[-1] == "WELCOME"

    run(main())


@CARRIAGES
@pytest.mark.parametrize("size", [0, 1, 8, 255, 256, 257, 700])
def test_a_mac_is_the_last_block_of_cbc(size: int, carriage: Carriage) -> None:
    data = (bytes(range(256)) * 3)[:size]

    async def main() -> bytes:
        driver = await opened(TwinLine(abecs_pad()[0], carriage))
        return await driver.mac(SESSION_KEY, data)

    padded = data + bytes(-len(data) % 8) or bytes(8)
    clear = des.decrypt_tdes_ecb(TEST_MASTER, SESSION_KEY)
    assert run(main()) == des.encrypt_tdes_cbc(clear, bytes(8), padded)[-8:]


@pytest.mark.parametrize(
    ("behaviour", "outcome"), [(Behaviour.CANCEL, PinCancelled()), (Behaviour.SILENT, PinTimedOut())]
)
@pytest.mark.parametrize("timeout_s", [30.0, 300.0])  # ours, and the pad's own of a minute
def test_outcomes_without_a_pin(behaviour: Behaviour, outcome: PinOutcome, timeout_s: float) -> None:
    twin, engine = abecs_pad(behaviour)
    assert run(entered(twin, timeout_s)) == outcome
    assert engine.made == []


@pytest.mark.parametrize("after_s", [0.0, 0.0005, 0.05, 0.1, 0.15, 0.151, 0.16, 1.0])
def test_a_cancel_that_races_with_the_last_key(after_s: float) -> None:
    async def main() -> None:
        twin, engine = abecs_pad()
        driver = await opened(TwinLine(twin))
        waiting = asyncio.create_task(driver.enter_pin(TEST_PAN, "EUR 42.00", 30.0))
        await asyncio.sleep(after_s)
        await driver.cancel()
        outcome = await waiting
        assert isinstance(outcome, PinCancelled | PinEntered)
        again = await driver.enter_pin(TEST_PAN, "EUR 42.00", 30.0)
        assert isinstance(again, PinEntered)
        assert (again.ksn, again.block) == engine.made[-1]

    run(main())


@pytest.mark.parametrize("after_s", [0.0, 0.01, 0.05, 1.0, 5.0])
def test_a_task_that_is_cancelled_leaves_no_pad_asking(after_s: float) -> None:
    async def main() -> None:
        twin, _ = abecs_pad(Behaviour.SILENT)
        driver = await opened(TwinLine(twin))
        waiting = asyncio.create_task(driver.enter_pin(TEST_PAN, "EUR 42.00", 30.0))
        await asyncio.sleep(after_s)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await asyncio.sleep(0.1)
        assert twin.due is None
        assert len(await driver.mac(SESSION_KEY, b"x")) == 8

    run(main())


@pytest.mark.parametrize("at", range(0, 150, 9))
def test_a_cable_pulled_at_any_moment(at: int) -> None:
    async def main() -> None:
        twin, engine = abecs_pad()
        line = TwinLine(twin)

        def spoil(direction: str, place: int, octet: int) -> int:
            if place == at and direction == "<":
                asyncio.get_running_loop().call_soon(line.unplug)
            return octet

        line.carriage = Carriage(cut=1, delay_s=0.001, spoil=spoil)
        with contextlib.suppress(PadAbsent):
            driver = await opened(line)
            outcome = await driver.enter_pin(TEST_PAN, "EUR 42.00", 30.0)
            assert isinstance(outcome, PinEntered)
            assert (outcome.ksn, outcome.block) == engine.made[0]
            await driver.close()
        assert not line.plugged

    run(main())


def session(spoil: Spoil | None = None) -> tuple[PinOutcome | PadError, RecordingEngine, TwinLine]:
    async def main() -> tuple[PinOutcome | PadError, RecordingEngine, TwinLine]:
        twin, engine = abecs_pad()
        line = TwinLine(twin)
        driver = await opened(line)
        line.carriage = Carriage(spoil=spoil)
        line._counts = {">": 0, "<": 0}
        line.sent.clear()
        line.said.clear()
        try:
            return await driver.enter_pin(TEST_PAN, "EUR 42.00", 30.0), engine, line
        except PadError as fault:
            return fault, engine, line

    return run(main())


@pytest.mark.parametrize("direction", [">", "<"])
@pytest.mark.parametrize("kind", [flip, lose], ids=["flipped", "lost"])
def test_a_lossy_line(direction: str, kind: Any) -> None:
    """Each octet of a PIN entry in turn is spoiled: the block is the pad's own, or there is an error."""
    _, _, line = session()
    total = len(line.sent if direction == ">" else line.said)
    good = 0
    for place in range(total):
        outcome, engine, _ = session(kind(direction, place))
        if isinstance(outcome, PinEntered):
            assert (outcome.ksn, outcome.block) == engine.made[-1], place
            assert len(engine.made) == 1
            good += 1
        else:
            assert isinstance(outcome, PadError | PinTimedOut | PinCancelled), place
    assert good >= total * 0.9, f"{good} of {total}"


class Parrot:
    """A device that says one thing to everything."""

    due = None

    def __init__(self, words: bytes) -> None:
        self._words = words

    def feed(self, octets: bytes, now: float) -> bytes:
        return self._words

    def tick(self, now: float) -> bytes:
        return b""


EOT, ACK = bytes((Control.EOT,)), bytes((Control.ACK,))


@pytest.mark.parametrize(
    ("words", "fault", "what"),
    [
        (b"", PadAbsent, "does not answer"),
        (b"noise\x16\x13", PadAbsent, "does not answer"),
        (EOT, PadAbsent, "does not answer"),
        (EOT + bytes((Control.NAK,)), PadAbsent, "cannot be understood"),
        (EOT + ACK + Packet(b"ERR010").encode(), PadRefused, "refused OPN: the command is unknown"),
        (EOT + ACK + Packet(b"OPN003").encode(), PadRefused, "no secure session"),
        (EOT + ACK + Packet(b"OPNxxx").encode(), PadError, "cannot be read"),
        (EOT + ACK + Packet(b"OPN000").encode(), PadRefused, "offers no enciphered session"),
        (EOT + ACK + Packet(b"OPN0000040001").encode(), PadError, "cannot be read"),
    ],
)
def test_something_else_on_the_line(words: bytes, fault: type[PadError], what: str) -> None:
    async def main() -> None:
        line = TwinLine(Parrot(words))
        with pytest.raises(fault, match=what):
            await open_pad(ABECS, line, None, ABECS_IDENTITY)
        assert not line.plugged

    run(main())


def test_keys_that_are_not_there_are_told() -> None:
    async def main() -> None:
        other = dataclasses.replace(ABECS, abecs=dataclasses.replace(ABECS.abecs, pin_key_index=7, data_key_index=8))
        driver = await open_pad(other, TwinLine(abecs_pad()[0]), None, ABECS_IDENTITY)
        with pytest.raises(PadRefused, match="the key is not in the pad"):
            await driver.enter_pin(TEST_PAN, "EUR 42.00", 30.0)
        with pytest.raises(PadRefused, match="EBX: the key is not in the pad"):
            await driver.mac(SESSION_KEY, b"x")
        with pytest.raises(PadError, match="cannot be asked that"):
            await driver.mac(SESSION_KEY[:8], b"x")
        with pytest.raises(PadError, match="cannot be asked that"):
            await driver.show("é")
        await driver.show("THANK YOU")

    run(main())


def test_the_trace_is_redacted() -> None:
    said: list[tuple[str, str, str]] = []

    async def main() -> None:
        driver = await open_pad(ABECS, TwinLine(abecs_pad()[0]), lambda *what: said.append(what), ABECS_IDENTITY)
        await driver.enter_pin(TEST_PAN, "EUR 42.00", 30.0)
        await driver.mac(SESSION_KEY, TEST_PAN.digits.encode())
        await driver.close()

    run(main())
    words = "\n".join(words for _, _, words in said)
    assert "400000******0016" in words
    assert TEST_PAN.digits not in words
    assert SESSION_KEY.hex().upper() not in words
    assert [wire for wire, _, _ in said] == ["pad"] * len(said)


@pytest.mark.parametrize("profile", [PROFILE, ABECS], ids=lambda profile: profile.model)
def test_a_driver_is_chosen_by_the_profile(profile: Any) -> None:
    async def main() -> str:
        driver = await open_pad(profile, TwinLine(any_pad(profile)[0]))
        await driver.close()
        return type(driver).__name__

    assert run(main()) == ("AbecsPad" if profile is ABECS else "IppPad")
