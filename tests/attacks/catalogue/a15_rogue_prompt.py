# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A15: a program on the terminal has the pad ask for a PIN with words of its own and take the digits in clear."""

from protocols.serial.ipp import ShowText
from protocols.serial.ipp_entry import AskKey, AskString, KeyPressed, ShowPrompt, StringEntered
from tests.attacks.harness import Attack, Case
from tests.attacks.hosts_desk import HostsDesk, hosts_desk
from tests.attacks.soft.pad import AnyPrompt
from tests.device_profiles.twins.pads import TEST_PIN


async def ask_for_digits(target: HostsDesk) -> bool:
    """Show "PIN AGAIN" as free text and ask for digits, which come back in clear."""
    target.ask(ShowText("PIN AGAIN"))
    return target.ask(AskString(30, 12)) == StringEntered(TEST_PIN)


async def ask_key_by_key(target: HostsDesk) -> bool:
    """The same with one key at a time, each asked for by itself."""
    heard = ""
    for place in range(len(TEST_PIN)):
        target.ask(ShowText(f"PIN DIGIT {place + 1}"))
        target.bench.say(AskKey(30))
        pressed = target.bench.twin.press(int(TEST_PIN[place]), target.bench.now)
        heard += _key(target, pressed)
    return heard == TEST_PIN


async def word_over_an_own_prompt(target: HostsDesk) -> bool:
    """Have the pad show a prompt of its own, write "ENTER PIN" over it, then ask for digits."""
    target.ask(ShowPrompt("02"))
    target.ask(ShowText("ENTER PIN"))
    return target.ask(AskString(30, 12)) == StringEntered(TEST_PIN)


def _key(target: HostsDesk, said: bytes) -> str:
    from protocols.serial.framer import Packet, PacketFramer
    from protocols.serial.ipp_codec import decode_reply
    from tests.device_profiles.twins.master_pads import ACK
    from tests.device_profiles.twins.pads import PROFILE

    for event in PacketFramer().feed(said):
        if isinstance(event, Packet):
            target.bench.twin.feed(ACK, target.bench.now)
            reply = decode_reply(event, PROFILE.dialect)
            return reply.key if isinstance(reply, KeyPressed) else ""
    return ""


def _case(name: str, strike: object, alert: str) -> Case[HostsDesk]:
    assert callable(strike)
    return Case(
        name,
        soft=lambda folder: hosts_desk(folder, prompts=AnyPrompt()),
        hardened=hosts_desk,
        strike=strike,
        alert=alert,
        told="whoever reads the pad's notes",
    )


ATTACK = Attack(
    id="A15",
    title="Prompt in foreign words",
    reference='Valtman and Watson, Black Hat 2016: "re-enter PIN" shown through a command for input in clear; '
    "PCI PTS POI v6, B: prompts under control of the pad",
    attacker="runs a program on the terminal that speaks to the pad; wants the PIN in clear",
    soft="a pad that shows what a host words and gives it the keys",
    defence="a host's free text is an amount or a sentence of the pad's own table; digits come back in clear only "
    "behind a prompt that the host names by number and the pad words, once, and never behind another text; above a PIN "
    "entry stand the pad's own words",
    cases=(
        _case("digits", ask_for_digits, "input in clear refused"),
        _case("key by key", ask_key_by_key, "a host's prompt refused"),
        _case("over the pad's own prompt", word_over_an_own_prompt, "input in clear refused"),
    ),
)
