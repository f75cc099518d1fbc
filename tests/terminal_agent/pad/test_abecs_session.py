# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: the account number goes to nobody but the pad that has signed the session; what does not fit is told."""

import asyncio
import dataclasses
from collections.abc import Callable

import pytest

from device_profiles.model import AbecsProfile, AbecsSession, PanPolicy
from device_profiles.pinpad_load import load_pinpad
from device_profiles.twins.abecs_pad import AbecsPadTwin
from device_profiles.twins.pinpad_cardholder import Behaviour, Cardholder
from device_profiles.twins.pinpad_keys import PinpadKeys
from protocols.secret import ClearKey, Pin
from protocols.serial.abecs import Packet
from protocols.serial.abecs_messages import Response
from protocols.serial.abecs_secure import is_sealed, opened_block
from terminal_agent.errors import WrongDevice
from terminal_agent.pad.abecs import ANY_IDENTITY, AbecsPad
from terminal_agent.pad.abecs_session import LineAltered
from terminal_agent.pad.drivers import open_pad
from terminal_agent.pad.port import PadError, PadRefused, PinEntered
from tests.attacks.abecs_counter import ManInTheMiddle, OldAnswers
from tests.device_profiles.twins.pads import ABECS, ABECS_IDENTITY, PROFILE, TEST_PAN, TEST_PIN, abecs_pad, any_pad
from tests.terminal_agent.line.twin_line import TwinLine
from tests.virtual_time import run


def profile(session: AbecsSession = AbecsSession.SEALED, pan: PanPolicy = PanPolicy.TRUSTED) -> AbecsProfile:
    return dataclasses.replace(ABECS, abecs=dataclasses.replace(ABECS.abecs, session=session, pan=pan))


def pad_with(identity: ClearKey | None) -> AbecsPadTwin:
    load = dataclasses.replace(load_pinpad("test-bank-abecs"), test_identity=identity)
    keys = PinpadKeys(load)
    return AbecsPadTwin(ABECS, load, keys, keys, Cardholder(Pin.from_text(TEST_PIN), Behaviour.RIGHT_PIN), bytes)


async def opened(twin: object, settings: AbecsProfile = ABECS, identity: str = "") -> AbecsPad:
    pad = await open_pad(settings, TwinLine(twin), None, identity)  # type: ignore[arg-type]  # twins and men before them
    assert isinstance(pad, AbecsPad)
    return pad


def test_the_pad_of_the_profile_is_trusted() -> None:
    async def main() -> None:
        line = TwinLine(abecs_pad()[0])
        pad = await open_pad(ABECS, line, None, ABECS_IDENTITY)
        assert isinstance(pad, AbecsPad)
        assert (pad.trusted, pad.identity) == (True, ABECS_IDENTITY)
        assert isinstance(await pad.enter_pin(TEST_PAN, "EUR 42.00", 30.0), PinEntered)
        await pad.close()
        wire = bytes(line.sent + line.said)
        assert TEST_PAN.digits.encode() not in wire
        assert b"GPN" not in wire

    run(main())


@pytest.mark.parametrize(
    ("settings", "identity"),
    [
        (profile(), ""),
        (profile(AbecsSession.PLAIN), ""),
        (profile(AbecsSession.PLAIN), ABECS_IDENTITY),
    ],
    ids=["nobody proven", "in clear", "proven, in clear"],
)
def test_the_account_number_stays_on_an_untrusted_line(settings: AbecsProfile, identity: str) -> None:
    async def main() -> None:
        twin, engine = abecs_pad()
        pad = await opened(twin, settings, identity)
        assert not pad.trusted
        with pytest.raises(PadRefused, match="untrusted: the account number stays here") as caught:
            await pad.enter_pin(TEST_PAN, "EUR 42.00", 30.0)
        assert "abecs.pan" in caught.value.hint
        assert engine.made == []
        assert len(await pad.mac(bytes(range(16)), b"data")) == 8
        await pad.show("EUR 1.00")

    run(main())


@pytest.mark.parametrize("session", AbecsSession)
def test_a_guarded_cable_is_the_profiles_word(session: AbecsSession) -> None:
    async def main() -> None:
        pad = await opened(abecs_pad()[0], profile(session, PanPolicy.GUARDED))
        assert isinstance(await pad.enter_pin(TEST_PAN, "EUR 42.00", 30.0), PinEntered)

    run(main())


def test_another_pad_and_one_that_proves_nothing() -> None:
    async def main() -> None:
        for twin in (pad_with(ClearKey(bytes(range(32)))), pad_with(None)):
            with pytest.raises(LineAltered, match="did not prove to be the pad of the terminal's profile") as caught:
                await opened(twin, identity=ABECS_IDENTITY)
            assert isinstance(caught.value, WrongDevice)
        assert (await opened(pad_with(None), identity=ANY_IDENTITY)).identity == ""
        assert (await opened(abecs_pad()[0], identity=ANY_IDENTITY)).identity == ABECS_IDENTITY

    run(main())


def test_a_pad_of_the_ipp_family_proves_nothing() -> None:
    async def main() -> None:
        line = TwinLine(any_pad(PROFILE)[0])
        with pytest.raises(PadError, match="cannot prove an identity"):
            await open_pad(PROFILE, line, None, ABECS_IDENTITY)
        assert not line.plugged

    run(main())


class Changing(ManInTheMiddle):
    """Changes what the pad says, once the session stands."""

    def __init__(self, pad: AbecsPadTwin, change: Callable[[Packet], Packet]) -> None:
        super().__init__(pad)
        self._change = change
        self.begun = False

    def pad_says(self, packet: Packet) -> Packet:
        return self._change(packet) if self.begun else packet


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda packet: Packet(packet.data[:-1] + bytes((packet.data[-1] ^ 1,))), "changed on its way"),
        (lambda packet: Response("DSP", 0).packet(), "in clear inside an enciphered session"),
        (lambda packet: Packet(packet.data[:-8]), "changed on its way"),
    ],
    ids=["a bit", "in clear", "cut"],
)
def test_a_changed_answer_is_told(change: Callable[[Packet], Packet], words: str) -> None:
    async def main() -> None:
        man = Changing(abecs_pad()[0], change)
        pad = await opened(man, identity=ABECS_IDENTITY)
        man.begun = True
        with pytest.raises(LineAltered, match=words):
            await pad.show("EUR 1.00")

    run(main())


def test_no_pad_is_left_asking_when_somebody_speaks_in_between() -> None:
    class Interrupting(ManInTheMiddle):
        """Answers a PIN request himself, in clear, while the person is still typing."""

        def host_says(self, packet: Packet) -> tuple[Packet | None, bytes]:
            asked = is_sealed(packet) and len(packet.data) == OldAnswers.REQUEST
            return packet, Response("GPN", 13).packet().encode() if asked else b""

    async def main() -> None:
        twin, engine = abecs_pad(Behaviour.SILENT)
        pad = await opened(Interrupting(twin), identity=ABECS_IDENTITY)
        with pytest.raises(LineAltered, match="in clear inside"):
            await pad.enter_pin(TEST_PAN, "EUR 42.00", 30.0)
        await asyncio.sleep(1.0)
        assert twin.drain_shown()[-1].text == "WELCOME"
        assert twin.due is None
        assert engine.made == []

    run(main())


def test_a_session_key_that_is_nobodys() -> None:
    class Inventing(ManInTheMiddle):
        def pad_says(self, packet: Packet) -> Packet:
            return Response("OPN", 0, (opened_block(bytes(range(256))),)).packet()

    async def main() -> None:
        with pytest.raises(LineAltered):
            await opened(Inventing(abecs_pad()[0]))

    run(main())


def test_a_changed_question_ends_the_session_at_the_pad() -> None:
    class Spoiling(ManInTheMiddle):
        def host_says(self, packet: Packet) -> tuple[Packet | None, bytes]:
            spoilt = Packet(packet.data[:-1] + bytes((packet.data[-1] ^ 1,))) if is_sealed(packet) else packet
            return spoilt, b""

    async def main() -> None:
        with pytest.raises(LineAltered, match="in clear inside"):
            await opened(Spoiling(abecs_pad()[0]))

    run(main())
