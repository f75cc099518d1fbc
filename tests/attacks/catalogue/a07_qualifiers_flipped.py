# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A07: the bits by which card and terminal agree on verification are flipped on their way, and a thief pays."""

from device_profiles.twins.card_faults import CARD_FAULTS, FaultyCard, altered, in_order
from protocols.emv import dol, tlv
from protocols.emv.apdu import Command, Ins, get_processing_options
from protocols.emv.bits import Ttq
from protocols.emv.tags import Tag
from tests.attacks.harness import Attack, Case
from tests.attacks.soft.contactless import BELIEVES_DEVICES, FOLLOWS_THE_CARD
from tests.attacks.tap_lane import Chip, TapLane, tap_lane

TOLD = "head office, in the payment's alerts"
SIGNED = "test-visa-fdda"


async def claim_a_device(target: TapLane) -> bool:
    """Set "verified on the consumer's device" and clear "online PIN" in a stolen card's answer."""
    return target.pay(FaultyCard(target.card("test-visa-like"), CARD_FAULTS["cdcvm-claimed"]()))


async def ask_for_less(target: TapLane) -> bool:
    """Clear "CVM required" on its way to the stolen card, so that it asks for nothing."""
    return target.pay(Asking(target.card("test-visa-like")))


async def change_what_is_signed(target: TapLane) -> bool:
    """Flip the qualifiers of a stolen card that signs them, and their copy in what it signed."""
    copy = altered(Tag.CARD_AUTHENTICATION_DATA, lambda value: value[:5] + b"\x00\x80")
    return target.pay(FaultyCard(target.card(SIGNED), in_order(CARD_FAULTS["cdcvm-claimed"](), copy)))


async def change_it_in_one_place(target: TapLane) -> bool:
    """Flip them in the answer only, where the signature is not looked for."""
    return target.pay(FaultyCard(target.card(SIGNED), CARD_FAULTS["cdcvm-claimed"]()))


class Asking:
    """A wire that changes what the terminal asks of the card."""

    def __init__(self, card: Chip) -> None:
        self._card = card
        self._pdol: tuple[dol.Wanted, ...] = ()

    def apdu(self, command: bytes) -> bytes:
        """See :class:`Chip`."""
        if command[1] == Ins.GET_PROCESSING_OPTIONS:
            values = tlv.decode(Command.decode(command).data).first(0x83) or b""
            given = dol.split(self._pdol, values)
            given[Tag.TTQ] = (Ttq.decode(given[Tag.TTQ]) & ~Ttq.CVM_REQUIRED).encode()
            return self._card.apdu(get_processing_options(dol.fill(self._pdol, given)).encode())
        answer = self._card.apdu(command)
        found = tlv.decode(answer[:-2]).inside(0x6F, 0xA5) if command[1] == Ins.SELECT else None
        if found is not None and found.first(Tag.PDOL):
            self._pdol = dol.decode(found.first(Tag.PDOL) or b"")
        return answer


ATTACK = Attack(
    id="A07",
    title="Qualifiers flipped in the field",
    reference="Basin, Sasse, Toro-Pozo, IEEE S&P 2021: The EMV standard: break, fix, verify",
    attacker="has a stolen card and two telephones between it and the terminal; wants to pay above the CVM limit "
    "without its PIN",
    soft="a terminal that believes the card's qualifiers, or does only what they ask for",
    defence="from the CVM limit on a device's word counts only under the card's own signature; without it the PIN is "
    "asked for, whatever the qualifiers say",
    cases=(
        Case(
            "a device is claimed",
            soft=tap_lane(kernels=BELIEVES_DEVICES),
            hardened=tap_lane(),
            strike=claim_a_device,
            alert="card.cdcvm-unproven",
            told=TOLD,
        ),
        Case(
            "the card is asked for less",
            soft=tap_lane(kernels=FOLLOWS_THE_CARD),
            hardened=tap_lane(),
            strike=ask_for_less,
            alert="card.cvm-missing",
            told=TOLD,
        ),
        Case(
            "what the card signed is changed",
            soft=tap_lane(kernels=BELIEVES_DEVICES, signed_online=True),
            hardened=tap_lane(signed_online=True),
            strike=change_what_is_signed,
            alert="card.authentication-failed",
            told=TOLD,
        ),
        Case(
            "and differs from what is shown",
            soft=tap_lane(kernels=BELIEVES_DEVICES, signed_online=True),
            hardened=tap_lane(signed_online=True),
            strike=change_it_in_one_place,
            alert="card.qualifiers-differ",
            told=TOLD,
        ),
    ),
)
