# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: a PIN under a session key leaves the pad enciphered, digits in clear only behind the pad's own words."""

import asyncio
import warnings
from collections.abc import Awaitable, Callable
from typing import TypeVar

import psec.des
import pytest

from device_profiles.twins.pinpad_cardholder import Behaviour, Key
from protocols.serial.ipp_entry import RequestSessionPin
from terminal_agent.pad.ipp import IppPad
from terminal_agent.pad.ipp_inputs import IppInputs, SessionPin, request_70
from terminal_agent.pad.port import PadError, PadRefused, PinCancelled, PinTimedOut
from tests.device_profiles.twins.master_pads import Bench, session
from tests.device_profiles.twins.pads import PROFILE, TEST_PAN, TEST_PIN
from tests.terminal_agent.line.twin_line import DELAYED, OCTET_BY_OCTET, WHOLE, Carriage, Spoil, TwinLine, flip, lose
from tests.virtual_time import run

T = TypeVar("T")
SESSION_KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
FIELD = f"0{len(TEST_PIN)}{TEST_PIN}".ljust(16, "F")
REQUESTS = [
    request_70(TEST_PAN, session(SESSION_KEY), "42.00"),
    request_70(TEST_PAN, session(SESSION_KEY)),
    RequestSessionPin("Z60", TEST_PAN, session(SESSION_KEY)),
    RequestSessionPin("Z62", TEST_PAN, session(SESSION_KEY), prompts=("WRONG PIN", "PIN AGAIN", "PLEASE WAIT")),
]
CARRIAGES = pytest.mark.parametrize("carriage", [WHOLE, OCTET_BY_OCTET, DELAYED], ids=["whole", "octets", "delayed"])


def at_the_pad(bench: Bench, work: Callable[[IppInputs, TwinLine], Awaitable[T]], carriage: Carriage = WHOLE) -> T:
    async def main() -> T:
        line = TwinLine(bench.twin, carriage)
        pad = IppPad(PROFILE, line, None)
        await pad.start()
        try:
            return await work(IppInputs(pad), line)
        finally:
            await pad.close()

    return run(main())


def pin_field(block: bytes) -> str:
    """The PIN field of a format 0 block under the session key, by psec."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        clear = psec.des.decrypt_tdes_ecb(SESSION_KEY, block)
    account = bytes.fromhex("0000" + TEST_PAN.digits[-13:-1])
    return bytes(a ^ b for a, b in zip(clear, account, strict=True)).hex().upper()


@CARRIAGES
@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request_: f"{request_.number}{request_.amount}")
def test_a_pin_under_a_session_key(request_: RequestSessionPin, carriage: Carriage) -> None:
    made = at_the_pad(Bench(), lambda inputs, _: inputs.session_pin("0", request_, 30.0), carriage)
    assert isinstance(made, SessionPin)
    assert made.digits == len(TEST_PIN)
    assert pin_field(made.block) == FIELD
    assert made.block.hex() not in repr(made)


@pytest.mark.parametrize(
    ("behaviour", "outcome"), [(Behaviour.CANCEL, PinCancelled()), (Behaviour.SILENT, PinTimedOut())]
)
def test_outcomes_without_a_pin(behaviour: Behaviour, outcome: PinCancelled | PinTimedOut) -> None:
    assert at_the_pad(Bench(behaviour), lambda inputs, _: inputs.session_pin("0", REQUESTS[0], 20.0)) == outcome


@pytest.mark.parametrize(
    ("slot", "words"), [("9", "no key is active"), ("B", "not for PINs")], ids=["empty slot", "slot for MACs"]
)
def test_refusals_are_told_in_words(slot: str, words: str) -> None:
    with pytest.raises(PadRefused, match=words):
        at_the_pad(Bench(), lambda inputs, _: inputs.session_pin(slot, REQUESTS[0], 20.0))


def test_digits_and_keys_behind_the_pads_own_words() -> None:
    bench = Bench(None)

    async def work(inputs: IppInputs, line: TwinLine) -> None:
        asked = asyncio.create_task(inputs.digits("02", 6, 10.0))
        await asyncio.sleep(0.5)
        for key in (4, 7, 1, Key.ENTER):
            line.press(lambda now, key=key: bench.twin.press(key, now))
        assert await asked == "471"
        asked = asyncio.create_task(inputs.key("04", 10.0))
        await asyncio.sleep(0.5)
        line.press(lambda now: bench.twin.press(5, now))
        assert await asked == "5"
        assert await inputs.digits("02", 6, 3.0) == PinTimedOut()

    at_the_pad(bench, work)
    assert "LOYALTY NUMBER 471" in [one.text for one in bench.twin.drain_shown()]


def test_words_that_the_pad_does_not_have_ask_nobody() -> None:
    bench = Bench(None)

    async def work(inputs: IppInputs, line: TwinLine) -> None:
        assert await inputs.digits("77", 6, 3.0) == PinCancelled()
        assert await inputs.key("99", 3.0) == PinCancelled()

    at_the_pad(bench, work)
    assert [one.text for one in bench.twin.drain_noted()] == ["a host's prompt refused", "input in clear refused"] * 2


@pytest.mark.parametrize("kind", [flip, lose], ids=["flipped", "lost"])
@pytest.mark.parametrize("direction", [">", "<"])
def test_a_lossy_line(direction: str, kind: Callable[[str, int], Spoil]) -> None:
    """One octet spoilt anywhere: the PIN's own block, or a reason; never another block."""
    for place in range(0, 140, 7):
        carriage = Carriage(cut=8, delay_s=0.001, spoil=kind(direction, place))
        try:
            made = at_the_pad(Bench(), lambda inputs, _: inputs.session_pin("0", REQUESTS[1], 30.0), carriage)
        except PadError as fault:
            assert fault.what
            continue
        if isinstance(made, SessionPin):
            assert pin_field(made.block) == FIELD
