# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Contactless terminals that lack one defence each, put together from the shipped steps: nothing of them is changed."""

import dataclasses
from collections.abc import Generator, Mapping
from types import MappingProxyType

from protocols.emv import apdu, tlv
from protocols.emv.apdu import Command, Ins, Response
from protocols.emv.bits import Aip, Ttq
from protocols.emv.tags import Tag
from protocols.pan import Track2
from terminal_agent.emv import EmvOutcome, application_data, cvm, de55, kernel2, kernel3
from terminal_agent.emv.card_data import response_objects
from terminal_agent.emv.contactless_run import Done, Go, Kernel, Step, TapRun
from terminal_agent.emv.kernel2_cryptogram import ask_cryptogram
from terminal_agent.emv.outcome import Decision
from terminal_agent.emv.transaction import KERNELS

STRIPE_DIGITS = 3  # of the unpredictable number, as cards of that time allowed
NUMBER, CHECKSUM, COUNTER = 0x9F6A, 0x9F61, 0x9F36


def _kernel3(**steps: Step) -> Mapping[int, Kernel]:
    return MappingProxyType({**KERNELS, 3: {**kernel3.STEPS, **steps}})


def _kernel2(**steps: Step) -> Mapping[int, Kernel]:
    return MappingProxyType({**KERNELS, 2: {**kernel2.STEPS, **steps}})


def _on(tap: TapRun) -> Done:
    return Go.ON


def _believing(tap: TapRun) -> Done:
    """Takes a device's word that it verified its holder, whoever brought it, and never compares it with its copy."""
    pad, pen = tap.terminal.online_pin, tap.terminal.signature
    rule = cvm.choose(cvm.Facts(Ttq.CVM_REQUIRED in tap.qualifiers, tap.ctq, pad, pen, True, False, True))
    assert rule.cvm is not None
    tap.cvm, tap.given[Tag.CVM_RESULTS] = rule.cvm, de55.CVM_RESULTS[rule.cvm]
    return Go.ON


def _following(tap: TapRun) -> Done:
    """Verifies the cardholder only where the card asks for it."""
    asked = tap.qualifiers
    tap.qualifiers = asked & ~Ttq.CVM_REQUIRED
    done = kernel3.verification(tap)
    tap.qualifiers = asked
    return done


def _going_on(tap: TapRun) -> Done:
    """Goes on without verification where authentication failed."""
    candidate = tap.selected.candidate
    low = dataclasses.replace(candidate, limits=candidate.limits._replace(cvm_required=False))
    tap.selected = dataclasses.replace(tap.selected, candidate=low)
    return kernel2.action_analysis(tap)


def _unsigned(tap: TapRun) -> Generator[bytes, bytes, Done]:
    """Has no use for the card's signature once it knows the card's certificate."""
    tap.key = None
    return (yield from ask_cryptogram(tap))


def _stripe(tap: TapRun) -> Generator[bytes, bytes, Done]:
    """Goes on by the magnetic stripe's rules where the card offers nothing else (Book C-2, mag-stripe mode)."""
    if Aip.EMV_MODE_OR_MSD in tap.aip:
        return Go.ON
    yield from application_data.read_records(tap.card)
    digits = int.from_bytes(tap.given[Tag.UNPREDICTABLE_NUMBER], "big") % 10**STRIPE_DIGITS
    number = bytes.fromhex(f"{digits:08d}")
    command = Command(0x80, Ins.COMPUTE_CRYPTOGRAPHIC_CHECKSUM, 0x8E, 0x80, number, apdu.SHORT_ANSWER)
    response = Response.decode((yield command.encode()))
    inside = response_objects(response.data, Tag.RESPONSE_FORMAT_2, "answer to COMPUTE CRYPTOGRAPHIC CHECKSUM")
    checksum, counter = inside.first(CHECKSUM) or b"", inside.first(COUNTER) or b""
    tap.trail.note("decision", "online by the magnetic stripe's rules")
    return EmvOutcome(
        Decision.ONLINE,
        pan=Track2.from_text((tap.card.get(Tag.TRACK_2_KERNEL_2) or b"").hex()).pan,
        icc_data=tlv.encode([(NUMBER, number), (CHECKSUM, checksum), (COUNTER, counter)]),
        notes=tuple(tap.trail.notes),
    )


BELIEVES_DEVICES = _kernel3(verification=_believing)
FOLLOWS_THE_CARD = _kernel3(verification=_following)
BLIND_TO_BRANDS = _kernel3(brand=_on)
GOES_ON_UNPROVEN = _kernel2(analysis=_going_on)
SIGNATURE_UNUSED = _kernel2(cryptogram=_unsigned)
TAKES_STRIPES = _kernel2(mode=_stripe)
