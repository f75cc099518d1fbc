# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: a pad sells with a chip and the account number never leaves it; another amount is noticed."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from device_profiles.card_profile import load_card
from device_profiles.pinpad_load import load_pinpad
from device_profiles.twins.abecs_pad import _OBEYED, AbecsPadTwin
from device_profiles.twins.contact_card import ContactCardTwin
from device_profiles.twins.pinpad_cardholder import Behaviour, Cardholder, Key
from device_profiles.twins.pinpad_keys import PinpadKeys
from protocols.emv import tlv
from protocols.emv.tags import Tag
from protocols.secret import Pin
from protocols.serial.abecs_chip import CardFound, Decision, Finish, GetCard, GoneOn, GoOn, Host
from protocols.serial.abecs_messages import Command
from protocols.serial.abecs_person import ChipEvent, ChipThere, KeyPressed, PadKey, Watch
from terminal_agent.emv import EmvOutcome
from terminal_agent.emv.outcome import Decision as EmvDecision
from terminal_agent.pad.abecs import AbecsPad
from terminal_agent.pad.abecs_sale import AbecsSale
from terminal_agent.pad.abecs_session import LineAltered
from terminal_agent.pad.drivers import open_pad
from terminal_agent.pad.inspection import Finding, Verdict, inspect
from terminal_agent.pad.port import PadError, PadRefused, PinCancelled, PinTimedOut
from tests.device_profiles.twins.pads import ABECS, ABECS_IDENTITY
from tests.terminal_agent.emv.contact_issuer import CardIssuer
from tests.terminal_agent.line.twin_line import DELAYED, OCTET_BY_OCTET, WHOLE, Carriage, Spoil, TwinLine, flip, lose
from tests.virtual_time import run

T = TypeVar("T")
CARD = load_card("test-visa-contact")
MASKED = f"{CARD.application.pan[:6]}******{CARD.application.pan[-4:]}"
TAGS = (Tag.APPLICATION_CRYPTOGRAM, Tag.CID, Tag.ATC, Tag.ISSUER_APPLICATION_DATA, Tag.TVR, Tag.PAN, Tag.CVM_RESULTS)
ASKED = GetCard(4200, "261122", "074500", "978", tags=(Tag.APPLICATION_LABEL, Tag.PAN, Tag.TRACK_2_EQUIVALENT))
GO = GoOn(1, 4200, "978", ABECS.abecs.pin_key_index, "ENTER PIN", TAGS)
CARRIAGES = pytest.mark.parametrize("carriage", [WHOLE, OCTET_BY_OCTET, DELAYED], ids=["whole", "octets", "delayed"])


def pad_twin(card: str | None = "test-visa-contact", behaviour: Behaviour | None = Behaviour.RIGHT_PIN) -> AbecsPadTwin:
    load = load_pinpad("test-bank-abecs")
    keys = PinpadKeys(load)
    person = None if behaviour is None else Cardholder(Pin.from_text(CARD.cardholder.test_pin), behaviour)
    chip = None if card is None else ContactCardTwin(load_card(card))
    return AbecsPadTwin(ABECS, load, keys, keys, person, lambda octets: bytes(range(octets)), chip)


def at_the_pad(
    twin: AbecsPadTwin, work: Callable[[AbecsSale, TwinLine], Awaitable[T]], carriage: Carriage = WHOLE
) -> T:
    async def main() -> T:
        line = TwinLine(twin, carriage)
        pad = await open_pad(ABECS, line, None, ABECS_IDENTITY)
        assert isinstance(pad, AbecsPad)
        try:
            return await work(AbecsSale(pad), line)
        finally:
            await pad.close()

    return run(main())


@CARRIAGES
def test_a_sale_that_the_issuer_approves(carriage: Carriage) -> None:
    twin = pad_twin()

    async def work(sale: AbecsSale, line: TwinLine) -> None:
        told: list[str] = []
        sale.pad.notice = told.append
        found = await sale.get_card(ASKED)
        assert isinstance(found, CardFound)
        assert (found.masked_pan, found.sequence_number, found.label) == (MASKED, 1, "TEST CREDIT")
        assert found.objects.first(Tag.PAN) is None
        assert found.objects.first(Tag.TRACK_2_EQUIVALENT) is None
        gone = await sale.go_on(GO)
        assert isinstance(gone, GoneOn)
        assert (gone.decision, gone.offline_pin, gone.ksn.hex().upper()) == (
            Decision.ONLINE,
            False,
            "FFFF9876543240E00001",
        )
        assert told == ["PIN ENTRY"]
        cryptogram = gone.objects.first(Tag.APPLICATION_CRYPTOGRAM)
        assert cryptogram is not None
        atc = int.from_bytes(gone.objects.first(Tag.ATC) or b"", "big")
        answer = CardIssuer(CARD).answer(_outcome(cryptogram, atc))
        proof = tlv.encode([(0x91, answer.authentication)])
        done = await sale.finish(Finish(Host.APPROVED, "00", proof, (Tag.CID, Tag.TVR)))
        assert done.approved
        assert done.objects.first(Tag.CID) == b"\x40"
        assert await sale.take_out("THANK YOU", 5.0)
        wire = bytes(line.sent + line.said)
        assert CARD.application.pan.encode() not in wire
        assert bytes.fromhex(CARD.application.pan) not in wire

    at_the_pad(twin, work, carriage)
    shown = [one.text for one in twin.drain_shown()]
    assert "42.00 INSERT CARD" in shown
    assert "42.00 ENTER PIN ****" in shown


def _outcome(cryptogram: bytes, atc: int) -> EmvOutcome:
    """As much as an issuer reads."""
    return EmvOutcome(EmvDecision.ONLINE, atc=atc, cryptogram=cryptogram)


@pytest.mark.parametrize(
    ("host", "code"), [(Host.DECLINED, "51"), (Host.UNREACHED, ""), (Host.APPROVED, "00")], ids=lambda value: str(value)
)
def test_without_the_issuers_proof_nothing_is_approved(host: Host, code: str) -> None:
    async def work(sale: AbecsSale, line: TwinLine) -> None:
        await sale.get_card(ASKED)
        gone = await sale.go_on(GO)
        assert isinstance(gone, GoneOn)
        done = await sale.finish(Finish(host, code, b"", (Tag.CID,)))
        assert not done.approved
        assert done.objects.first(Tag.CID) == b"\x00"

    at_the_pad(pad_twin(), work)


@pytest.mark.parametrize(
    ("card", "words"),
    [("test-blocked", "the card is blocked"), ("test-application-blocked", "share no application")],
)
def test_cards_that_cannot_be_used_are_told_in_words(card: str, words: str) -> None:
    async def work(sale: AbecsSale, line: TwinLine) -> None:
        with pytest.raises(PadRefused, match=f"refused GCX: .*{words}"):
            await sale.get_card(ASKED)
        with pytest.raises(PadRefused, match="refused GOX: the command is unknown, or not to be called now"):
            await sale.go_on(GO)
        with pytest.raises(PadRefused, match="refused FCX"):
            await sale.finish(Finish(Host.DECLINED, "51", b"", ()))

    at_the_pad(pad_twin(card), work)


def test_nobody_comes_and_somebody_cancels() -> None:
    async def nobody(sale: AbecsSale, line: TwinLine) -> None:
        assert await sale.get_card(dataclasses.replace(ASKED, wait_s=5)) == PinTimedOut()
        assert await sale.get_card(dataclasses.replace(ASKED, wait_s=200)) == PinTimedOut()

    async def cancelled(sale: AbecsSale, line: TwinLine) -> None:
        await sale.get_card(ASKED)
        assert await sale.go_on(GO) == PinCancelled()
        waiting = asyncio.create_task(sale.happens(Watch(chip=ChipEvent.REMOVED), 30.0))
        assert await waiting == ChipThere(False)

    at_the_pad(pad_twin(None), nobody)
    at_the_pad(pad_twin(behaviour=Behaviour.CANCEL), cancelled)


def test_the_till_breaks_off() -> None:
    async def work(sale: AbecsSale, line: TwinLine) -> None:
        waiting = asyncio.create_task(sale.get_card(ASKED))
        await asyncio.sleep(1.0)
        await sale.pad.cancel()
        assert await waiting == PinCancelled()
        await sale.show_long("THANK YOU\rGOOD BYE")

    twin = pad_twin(None)
    at_the_pad(twin, work)
    assert "THANK YOU GOOD BYE" in [one.text for one in twin.drain_shown()]


def ten_times(pad: AbecsPadTwin, command: Command, now: float) -> bytes:
    """GOX as a line that lies to the card makes it."""
    (block,) = command.blocks
    return AbecsPadTwin._obey_go_on(pad, Command("GOX", (block.replace(b"000000004200", b"000000042000"),)), now)


def test_another_amount_for_the_card_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_OBEYED, "GOX", ten_times)

    async def work(sale: AbecsSale, line: TwinLine) -> None:
        await sale.get_card(ASKED)
        with pytest.raises(LineAltered, match="another amount or currency"):
            await sale.go_on(GO)

    at_the_pad(pad_twin(), work)


def test_keys_and_cards_are_watched_for() -> None:
    twin = pad_twin(behaviour=None)

    async def work(sale: AbecsSale, line: TwinLine) -> None:
        assert await sale.happens(Watch(chip=ChipEvent.INSERTED), 5.0) == ChipThere(True)
        assert await sale.happens(Watch(chip=ChipEvent.REMOVED), 5.0) == ChipThere(False)
        for key, said in ((Key.ENTER, PadKey.ENTER), (Key.CLEAR, PadKey.CLEAR), (Key.CANCEL, PadKey.CANCEL)):
            waiting = asyncio.create_task(sale.key(5.0))
            await asyncio.sleep(0.1)
            for pressed in (7, key):
                line.press(lambda now, pressed=pressed: twin.press(pressed, now))
            assert await waiting == said
        waiting_too = asyncio.create_task(sale.happens(Watch(keys=True), 5.0))
        await asyncio.sleep(0.1)
        line.press(lambda now: twin.press(Key.ENTER, now))
        assert await waiting_too == KeyPressed(PadKey.ENTER)
        assert await sale.key(0.5) == PinTimedOut()

    at_the_pad(twin, work)


def test_what_cannot_be_asked_is_said_before_anything_is_sent() -> None:
    async def work(sale: AbecsSale, line: TwinLine) -> None:
        sent = len(line.sent)
        for step in (
            sale.get_card(dataclasses.replace(ASKED, open_digits=(16, 0))),
            sale.get_card(dataclasses.replace(ASKED, amount=-1)),
            sale.go_on(dataclasses.replace(GO, acquirer=0)),
            sale.finish(Finish(Host.APPROVED, "", b"", ())),
            sale.show_long("x" * 161),
            sale.take_out("é", 1.0),
        ):
            with pytest.raises(PadError, match="cannot be asked that"):
                await step
        assert len(line.sent) == sent

    at_the_pad(pad_twin(), work)


@pytest.mark.parametrize(
    ("twin", "verdict", "words"),
    [
        (pad_twin, Verdict.FITS, f"read {MASKED}, with a PIN, declined as it was told"),
        (lambda: pad_twin(None), Verdict.FITS, "nobody put one in"),
        (lambda: pad_twin(behaviour=Behaviour.CANCEL), Verdict.FITS, f"read {MASKED}; no PIN was entered"),
        (lambda: pad_twin("test-blocked"), Verdict.DIFFERS, "the card is blocked"),
    ],
    ids=["sold", "nobody", "cancelled", "blocked"],
)
def test_a_pad_is_walked_through_a_sale(twin: Callable[[], AbecsPadTwin], verdict: Verdict, words: str) -> None:
    async def main() -> dict[str, Finding]:
        return {one.subject: one for one in await inspect(ABECS, TwinLine(twin()), sale=ASKED)}

    finding = run(main())["chip sale"]
    assert (finding.verdict, words in finding.words) == (verdict, True)
    assert CARD.application.pan not in finding.words


@pytest.mark.parametrize("kind", [flip, lose], ids=["flipped", "lost"])
@pytest.mark.parametrize(("direction", "octets"), [(">", 1900), ("<", 1900)])
def test_a_lossy_line(direction: str, octets: int, kind: Callable[[str, int], Spoil]) -> None:
    """One octet spoilt anywhere: the sale goes on as it should, or ends with a reason; nothing is approved."""

    async def work(sale: AbecsSale, line: TwinLine) -> str:
        card = await sale.get_card(ASKED)
        assert isinstance(card, CardFound)
        gone = await sale.go_on(GO)
        assert isinstance(gone, GoneOn)
        done = await sale.finish(Finish(Host.APPROVED, "00", b"", (Tag.CID,)))
        assert not done.approved, "no issuer has said so"
        return "whole"

    ends = []
    for place in range(3, octets, 79):
        try:
            ends.append(at_the_pad(pad_twin(), work, Carriage(cut=16, delay_s=0.001, spoil=kind(direction, place))))
        except PadError as fault:
            ends.append(fault.what)
    assert ends.count("whole") > len(ends) // 2
    assert all(end for end in ends)
