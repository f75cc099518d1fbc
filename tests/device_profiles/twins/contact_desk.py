# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Drives the virtual contact card as a terminal and its issuer (pyemv) would. Tests nothing itself."""

import dataclasses
from typing import Any

import pyemv

from device_profiles.card_profile import CardProfile, load_card
from device_profiles.twins.contact_card import ContactCardTwin, Memory
from protocols.emv import apdu, dol, tlv
from protocols.emv.apdu import Command, Response
from protocols.emv.tags import Tag

PROFILE = load_card("test-visa-contact")
AID = bytes.fromhex("A0000000031010")
AAC, TC, ARQC = 0, 1, 2
TERMINAL = {
    0x9F02: "000000004200",
    0x9F03: "000000000000",
    0x9F1A: "0276",
    0x95: "8000048000",
    0x5F2A: "0978",
    0x9A: "260607",
    0x9C: "00",
    0x9F37: "1A2B3C4D",
}


def changed(version: int = 10, **chip: Any) -> CardProfile:
    """The test card with another cryptogram version or chip."""
    assert PROFILE.contact is not None
    application = dataclasses.replace(PROFILE.application, cryptogram_version=version)
    return dataclasses.replace(PROFILE, application=application, contact=dataclasses.replace(PROFILE.contact, **chip))


def powered(profile: CardProfile = PROFILE, memory: Memory | None = None) -> ContactCardTwin:
    twin = ContactCardTwin(profile, memory)
    twin.power_on()
    return twin


def ask(twin: ContactCardTwin, command: Command | bytes) -> Response:
    octets = command if isinstance(command, bytes) else command.encode()
    return Response.decode(twin.apdu(octets))


def begin(twin: ContactCardTwin) -> None:
    assert ask(twin, apdu.select(AID)).ok
    assert ask(twin, apdu.get_processing_options(b"")).ok


def values(listed: Tag, code: str = "00", proof: bytes = b"") -> bytes:
    entries = dol.decode(PROFILE.application.static_objects()[listed])
    given = {tag: bytes.fromhex(text) for tag, text in TERMINAL.items()}
    return dol.fill(entries, given | {0x8A: code.encode(), 0x91: proof})


def generate(twin: ContactCardTwin, kind: int, listed: Tag = Tag.CDOL_1, code: str = "00") -> dict[int, bytes]:
    answer = ask(twin, apdu.generate_ac(kind, values(listed, code)))
    assert answer.ok
    return dict(tlv.decode(answer.data).leaves())


def proof_for(answer: dict[int, bytes], code: str = "00") -> bytes:
    arpc: bytes = pyemv.ac.generate_arpc_1(card_key(), answer[0x9F26], code.encode())
    return arpc + code.encode()


def card_key() -> bytes:
    key: bytes = pyemv.kd.derive_icc_mk_a(bytes.fromhex(PROFILE.keys.test_mk_ac), PROFILE.application.pan, "01")
    return key


def paid(twin: ContactCardTwin, code: str = "00") -> dict[int, bytes]:
    """A whole payment up to the second cryptogram, the issuer answering ``code``."""
    begin(twin)
    first = generate(twin, ARQC)
    assert ask(twin, apdu.external_authenticate(proof_for(first, code))).ok
    return generate(twin, TC if code == "00" else AAC, Tag.CDOL_2, code)
