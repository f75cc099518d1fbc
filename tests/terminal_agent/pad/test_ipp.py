# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: a PIN entry ends in the pad's own block, an outcome or a PadError, whatever the line does to it."""

import asyncio
import contextlib
import dataclasses
from collections.abc import Coroutine
from typing import Any

import pytest

from device_profiles.model import PinpadProfile
from device_profiles.twins.pinpad_cardholder import Behaviour
from protocols.serial.framer import Control
from protocols.serial.ipp import Display
from terminal_agent.line.port import LineGone
from terminal_agent.pad.ipp import IppPad, open_pad
from terminal_agent.pad.port import (
    PadAbsent,
    PadError,
    PadRefused,
    PinCancelled,
    PinEntered,
    PinOutcome,
    PinTimedOut,
)
from tests.device_profiles.twins.pads import PROFILE, TEST_PAN, VERIFONE, RecordingEngine, pad, recorded_pad
from tests.terminal_agent.line.twin_line import DELAYED, OCTET_BY_OCTET, WHOLE, Carriage, Spoil, TwinLine, flip, lose
from tests.virtual_time import run

SESSION_KEY = bytes.fromhex("00112233445566778899AABBCCDDEEFF")
KSN_1 = bytes.fromhex("FFFF9876543210E00001")
KSNS = {"ipp-uic": KSN_1, "ipp-verifone": bytes.fromhex("FFFF9876543220E00001")}
DIALECTS = pytest.mark.parametrize("profile", [PROFILE, VERIFONE], ids=lambda profile: profile.model)


async def opened(line: TwinLine, profile: PinpadProfile = PROFILE) -> IppPad:
    driver = await open_pad(profile, line)
    assert isinstance(driver, IppPad)
    return driver


async def entered(line: TwinLine, timeout_s: float = 30.0, profile: PinpadProfile = PROFILE) -> PinOutcome:
    driver = await opened(line, profile)
    try:
        return await driver.enter_pin(TEST_PAN, "EUR 42.00", timeout_s)
    finally:
        await driver.close()


@DIALECTS
@pytest.mark.parametrize("carriage", [WHOLE, OCTET_BY_OCTET, DELAYED], ids=["whole", "octets", "delayed"])
def test_a_pin_is_entered(carriage: Carriage, profile: PinpadProfile) -> None:
    async def main() -> None:
        twin, engine = recorded_pad(profile=profile)
        outcome = await entered(TwinLine(twin, carriage), profile=profile)
        assert isinstance(outcome, PinEntered)
        assert (outcome.ksn, outcome.block) == engine.made[0]
        assert (outcome.ksn, outcome.block_format) == (KSNS[profile.model], 0)

    run(main())


@pytest.mark.parametrize("carriage", [WHOLE, OCTET_BY_OCTET, DELAYED], ids=["whole", "octets", "delayed"])
@pytest.mark.parametrize("size", [0, 1, 8, 104, 105, 700])
@DIALECTS
def test_a_mac_is_made_in_pieces(size: int, carriage: Carriage, profile: PinpadProfile) -> None:
    data = bytes(range(256)) * 3

    async def main() -> bytes:
        driver = await opened(TwinLine(pad(profile=profile), carriage), profile)
        mac = await driver.mac(SESSION_KEY, data[:size])
        await driver.close()
        return mac

    from protocols.mac import RetailMacKey
    from protocols.primitives import TdesKey

    # TEST key "TMK-MAC" of the pad's load.
    clear = TdesKey(bytes.fromhex("732F49F44C76459E8F23203B73ECC164")).decipher(SESSION_KEY)
    assert run(main()) == RetailMacKey(clear).mac(data[:size])


@pytest.mark.parametrize(
    ("behaviour", "outcome"), [(Behaviour.CANCEL, PinCancelled()), (Behaviour.SILENT, PinTimedOut())]
)
def test_outcomes_without_a_pin(behaviour: Behaviour, outcome: PinOutcome) -> None:
    async def main() -> None:
        twin, engine = recorded_pad(behaviour)
        line = TwinLine(twin)
        driver = await opened(line)
        started = asyncio.get_running_loop().time()
        assert await driver.enter_pin(TEST_PAN, "EUR 42.00", 20.0) == outcome
        if behaviour is Behaviour.SILENT:
            assert 20.0 <= asyncio.get_running_loop().time() - started < 20.5
        assert engine.made == []
        await asyncio.sleep(0.1)
        assert twin.due is None, "the pad still asks"
        assert len(await driver.mac(SESSION_KEY, b"next")) == 8

    run(main())


def test_the_flow_cancels() -> None:
    async def main() -> None:
        twin = pad(Behaviour.SILENT)
        driver = await opened(TwinLine(twin))
        entry = asyncio.create_task(driver.enter_pin(TEST_PAN, "EUR 42.00", 30.0))
        await asyncio.sleep(1.0)
        await driver.cancel()
        assert await entry == PinCancelled()
        assert twin.due is None
        await driver.cancel()

    run(main())


@pytest.mark.parametrize("after_s", [0.0, 0.0005, 0.05, 0.1, 0.15, 0.151, 0.16, 1.0])
def test_a_cancel_that_races_with_the_last_key(after_s: float) -> None:
    async def main() -> None:
        twin, engine = recorded_pad()
        driver = await opened(TwinLine(twin, OCTET_BY_OCTET))
        entry = asyncio.create_task(driver.enter_pin(TEST_PAN, "EUR 42.00", 30.0))
        await asyncio.sleep(after_s)
        await driver.cancel()
        outcome = await entry
        assert outcome == PinCancelled() or (
            isinstance(outcome, PinEntered) and (outcome.ksn, outcome.block) in engine.made
        )
        assert isinstance(await driver.enter_pin(TEST_PAN, "EUR 1.00", 30.0), PinEntered)
        await driver.close()

    run(main())


@pytest.mark.parametrize("after_s", [0.0, 0.01, 0.05, 1.0, 5.0])
def test_a_task_that_is_cancelled_leaves_no_pad_asking(after_s: float) -> None:
    async def main() -> None:
        twin = pad(Behaviour.SILENT)
        driver = await opened(TwinLine(twin))
        entry = asyncio.create_task(driver.enter_pin(TEST_PAN, "EUR 42.00", 30.0))
        await asyncio.sleep(after_s)
        entry.cancel()
        with pytest.raises(asyncio.CancelledError):
            await entry
        await asyncio.sleep(0.1)
        assert twin.due is None
        assert len(await driver.mac(SESSION_KEY, b"next")) == 8
        await driver.close()

    run(main())


def test_one_exchange_at_a_time() -> None:
    async def main() -> None:
        twin, engine = recorded_pad()
        driver = await opened(TwinLine(twin))
        pin = asyncio.create_task(driver.enter_pin(TEST_PAN, "EUR 42.00", 30.0))
        macs = [asyncio.create_task(driver.mac(SESSION_KEY, bytes(size))) for size in (8, 300)]
        assert isinstance(await pin, PinEntered)
        assert [len(await mac) for mac in macs] == [8, 8]
        assert len(engine.made) == 1

    run(main())


@pytest.mark.parametrize("at", range(1, 140, 9))
def test_a_cable_pulled_at_any_moment(at: int) -> None:
    async def main() -> None:
        line = TwinLine(pad(), OCTET_BY_OCTET)

        def spoil(direction: str, place: int, octet: int) -> int:
            if place == at and direction == "<":
                asyncio.get_running_loop().call_soon(line.unplug)
            return octet

        line.carriage = Carriage(cut=1, delay_s=0.001, spoil=spoil)
        with contextlib.suppress(PadAbsent):
            assert isinstance(await entered(line), PinEntered)
        assert not line.plugged

    run(main())


def _lengths() -> dict[str, int]:
    async def main() -> dict[str, int]:
        line = TwinLine(pad())
        assert isinstance(await entered(line), PinEntered)
        return {">": len(line.sent), "<": len(line.said)}

    return run(main())


@pytest.mark.parametrize("direction", [">", "<"])
@pytest.mark.parametrize("kind", [flip, lose], ids=["flipped", "lost"])
def test_a_lossy_line(direction: str, kind: Any) -> None:
    """Each octet of a session in turn is spoiled: the PIN is entered or a clear error comes, never another result."""
    good, total = 0, _lengths()[direction]
    for place in range(total):
        outcome, engine = _spoiled_entry(kind(direction, place))
        if isinstance(outcome, PinEntered):
            assert (outcome.ksn, outcome.block) in engine.made, place
            good += 1
    # Only a lost turn (an ACK, a packet that never began) ends a session; a damaged packet is repeated.
    assert good >= total * 0.8, f"{good} of {total}"


def _spoiled_entry(spoil: Spoil) -> tuple[PinOutcome | PadError, RecordingEngine]:
    async def main() -> tuple[PinOutcome | PadError, RecordingEngine]:
        twin, engine = recorded_pad()
        try:
            return await entered(TwinLine(twin, Carriage(spoil=spoil))), engine
        except PadError as fault:
            return fault, engine

    return run(main())


def test_a_pad_that_always_says_nak() -> None:
    assert _refusing(bytes((Control.NAK,))) == "the pad cannot be understood, or does not understand"


def test_a_pad_that_hangs() -> None:
    assert _refusing(b"") == "the pad does not answer"


def test_a_pad_that_talks_nonsense() -> None:
    assert _refusing(b"\x02nonsense\x03\x00") == "the pad cannot be understood, or does not understand"


class Parrot:
    """A device that says one thing to everything."""

    due = None

    def __init__(self, words: bytes) -> None:
        self._words = words

    def feed(self, octets: bytes, now: float) -> bytes:
        return self._words

    def tick(self, now: float) -> bytes:
        return b""


def _refusing(words: bytes) -> str:
    async def main() -> str:
        with pytest.raises(PadAbsent) as caught:
            await open_pad(PROFILE, TwinLine(Parrot(words)))
        assert caught.value.hint
        return caught.value.what.removeprefix("twin: ")

    return run(main())


def changed(**knobs: Any) -> PinpadProfile:
    return dataclasses.replace(PROFILE, dialect=dataclasses.replace(PROFILE.dialect, **knobs))


def asked(twin_profile: PinpadProfile, own_profile: PinpadProfile) -> Coroutine[Any, Any, PinOutcome]:
    async def main() -> PinOutcome:
        driver = await opened(TwinLine(pad(profile=twin_profile)), own_profile)
        return await driver.enter_pin(TEST_PAN, "EUR 42.00", 30.0)

    return main()


def test_another_dialect() -> None:
    from protocols.serial.ipp import PinReplyForm

    other = changed(
        pin_reply=PinReplyForm.NUMBER_73,
        pin_request_marker="DUKPT ENCRYPTION",
        pin_time_unit_s=0,
        ksn_without_fill=True,
        display=Display.NOTHING,
        closing_eot=(),
    )
    outcome = run(asked(other, other))
    assert isinstance(outcome, PinEntered)
    assert outcome.ksn == KSN_1


def test_a_refusal_is_told_in_words() -> None:
    with pytest.raises(PadRefused, match="the key field is malformed"):
        run(asked(changed(pin_request_marker="DUKPT ENCRYPTION"), PROFILE))


def test_a_slot_without_a_key_refuses_to_mac() -> None:
    async def main() -> None:
        profile = changed(mac_slot="C")
        driver = await opened(TwinLine(pad(profile=profile)), profile)
        with pytest.raises(PadRefused, match="holds no key"):
            await driver.mac(SESSION_KEY, b"data")

    run(main())


def test_a_pad_without_the_mac_key_to_select_is_not_opened() -> None:
    async def main() -> None:
        profile = dataclasses.replace(VERIFONE, dialect=dataclasses.replace(VERIFONE.dialect, mac_select="3"))
        line = TwinLine(pad(profile=profile))
        with pytest.raises(PadRefused, match="no MAC master key in slot 3") as caught:
            await open_pad(profile, line)
        assert "mac-select" in caught.value.hint
        assert not line.plugged

    run(main())


def test_only_amounts_are_shown() -> None:
    async def main() -> None:
        twin = pad()
        driver = await opened(TwinLine(twin))
        await driver.show("EUR 42.00")
        with pytest.raises(PadRefused):
            await driver.show("ENTER PIN")
        await driver.enter_pin(TEST_PAN, "pay EUR 7.00 now", 30.0)
        shown = [one.text for one in twin.drain_shown()]
        assert "EUR 42.00" in shown
        assert "EUR 7.00 ENTER PIN ****" in shown
        assert not any("pay" in text for text in shown)

    run(main())


def test_too_much_to_mac() -> None:
    async def main() -> None:
        driver = await opened(TwinLine(pad()))
        with pytest.raises(PadError, match="more than the pad can MAC"):
            await driver.mac(SESSION_KEY, bytes(104 * 100 + 1))
        with pytest.raises(PadError, match="cannot be asked"):
            await driver.mac(b"short", b"data")

    run(main())


def test_the_trace_is_redacted() -> None:
    said: list[tuple[str, str, str]] = []

    async def main() -> None:
        driver = await open_pad(PROFILE, TwinLine(pad()), lambda *what: said.append(what))
        await driver.enter_pin(TEST_PAN, "EUR 42.00", 30.0)
        await driver.mac(SESSION_KEY, TEST_PAN.digits.encode())

    run(main())
    assert ("pad", ">", "Z60 PAN 400000******0016 time limit 2") in said
    assert ("pad", "<", "71 KSN FFFF9876543210E00001 block of 8 octets") in said
    text = " ".join(words for _, _, words in said)
    for secret in (TEST_PAN.digits, TEST_PAN.digits.encode().hex(), SESSION_KEY.hex(), SESSION_KEY.hex().upper()):
        assert secret not in text


def test_a_failed_opening_closes_the_line() -> None:
    async def main() -> None:
        line = TwinLine(Parrot(b""))
        with pytest.raises(PadAbsent):
            await open_pad(PROFILE, line)
        with pytest.raises(LineGone):
            line.write(b"x")

    run(main())
