# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The virtual contact card: cryptograms against another implementation, its judgement, its memory."""

import dataclasses
from typing import Any

import pyemv
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_profiles.card_profile import CardProfile, load_card
from device_profiles.twins.card import CardTorn, CardTwin
from device_profiles.twins.card_t0 import T0View
from device_profiles.twins.contact_card import ALLOWED, ContactCardTwin, Memory, State
from protocols.emv import apdu, dol, tlv
from protocols.emv.apdu import Command, Ins, Response
from protocols.emv.tags import Tag
from tillguard.voice import Fault

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")

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


# Cryptograms


def expected(answer: dict[int, bytes]) -> bytes:
    data = bytes.fromhex("".join(TERMINAL.values())) + bytes.fromhex("1C00") + answer[0x9F36] + answer[0x9F10][3:]
    cryptogram: bytes = pyemv.ac.generate_ac(card_key(), data, pyemv.ac.PaddingType.VISA)
    return cryptogram


@pytest.mark.parametrize(("kind", "results"), [(AAC, "03800010"), (ARQC, "03a01000")])
def test_the_first_cryptogram(kind: int, results: str) -> None:
    twin = powered()
    begin(twin)
    answer = generate(twin, kind)
    assert answer[0x9F27] == bytes((kind << 6,))
    assert answer[0x9F26] == expected(answer)
    assert answer[0x9F10][:4].hex() == "06010a03"
    assert answer[0x9F10][4] == {AAC: 0x80, ARQC: 0xA0}[kind]
    assert answer[0x9F36] == b"\x00\x01"


def test_the_second_cryptogram() -> None:
    answer = paid(powered())
    assert answer[0x9F27] == b"\x40"
    assert answer[0x9F26] == expected(answer)
    assert answer[0x9F10][4] == 0x60


def test_session_keys_and_method_2() -> None:
    """Version 18: a session key of the counter, all of 9F10 covered, the issuer's update instead of a code."""
    twin = powered(changed(18))
    begin(twin)
    answer = generate(twin, ARQC)
    key = pyemv.kd.derive_common_sk(card_key(), answer[0x9F36] + bytes(6))
    data = bytes.fromhex("".join(TERMINAL.values())) + bytes.fromhex("1C00") + answer[0x9F36] + answer[0x9F10]
    assert answer[0x9F26] == pyemv.ac.generate_ac(key, data, pyemv.ac.PaddingType.EMV)
    for update, kind in (("00800000", b"\x40"), ("00000000", b"\x00")):
        twin = powered(changed(18))
        begin(twin)
        answer = generate(twin, ARQC)
        key = pyemv.kd.derive_common_sk(card_key(), answer[0x9F36] + bytes(6))
        csu = bytes.fromhex(update)
        arpc = pyemv.ac.generate_arpc_2(key, answer[0x9F26], csu, b"")
        assert ask(twin, apdu.external_authenticate(arpc + csu)).ok
        assert generate(twin, TC, Tag.CDOL_2)[0x9F27] == kind
    assert ask(powered(changed(18)), apdu.external_authenticate(bytes(8))).status == 0x6985


def test_an_approval_by_itself_within_the_limit() -> None:
    """Asked for a TC the card gives one only so many times in a row; a new card's first payment goes online."""
    memory = Memory(atc=4, last_online_atc=4)
    kinds = []
    for _ in range(3):
        twin = powered(changed(offline_limit=2), memory)
        begin(twin)
        kinds.append(generate(twin, TC)[0x9F27][0] >> 6)
    assert kinds == [TC, TC, ARQC]
    twin = powered(changed(offline_limit=2), Memory(atc=5, last_online_atc=5, online_pending=True))
    begin(twin)
    assert generate(twin, TC)[0x9F27] == b"\x80"


# The issuer's answer


def test_a_wrong_proof() -> None:
    twin = powered()
    begin(twin)
    first = generate(twin, ARQC)
    wrong = bytes((proof_for(first)[0] ^ 0x80,)) + proof_for(first)[1:]
    assert ask(twin, apdu.external_authenticate(wrong)).status == 0x6300
    assert ask(twin, apdu.external_authenticate(proof_for(first))).status == 0x6985, "once only"
    answer = generate(twin, TC, Tag.CDOL_2)
    assert answer[0x9F27] == b"\x00"
    assert answer[0x9F10][4] & 0x08
    assert twin.memory.authentication_failed
    begin(twin)
    assert generate(twin, ARQC)[0x9F10][5] & 0x88 == 0x88, "the next payment's cryptogram tells the issuer"


@pytest.mark.parametrize("proof", ["0102030405060708", "01020304050607083030303030303030"])
def test_a_proof_of_a_wrong_length(proof: str) -> None:
    twin = powered()
    begin(twin)
    generate(twin, ARQC)
    assert ask(twin, apdu.external_authenticate(bytes.fromhex(proof))).status == 0x6300


@pytest.mark.parametrize(("required", "kind"), [(True, b"\x00"), (False, b"\x40")])
def test_no_proof(required: bool, kind: bytes) -> None:
    twin = powered(changed(issuer_authentication_required=required))
    begin(twin)
    generate(twin, ARQC)
    answer = generate(twin, TC, Tag.CDOL_2)
    assert answer[0x9F27] == kind
    assert bool(answer[0x9F10][5] & 0x04)
    assert twin.memory.authentication_missing


@pytest.mark.parametrize("code", ["51", "05"])
def test_a_genuine_refusal_is_final(code: str) -> None:
    """Whatever the terminal asks for, the proof says that the issuer declined."""
    twin = powered()
    begin(twin)
    first = generate(twin, ARQC)
    assert ask(twin, apdu.external_authenticate(proof_for(first, code))).ok
    assert generate(twin, TC, Tag.CDOL_2)[0x9F27] == b"\x00"
    assert twin.memory.last_online_atc == 1


@pytest.mark.parametrize("code", ["Y3", "Z3"])
def test_without_the_issuer(code: str) -> None:
    twin = powered(changed(issuer_authentication_required=False))
    begin(twin)
    generate(twin, ARQC)
    answer = generate(twin, TC, Tag.CDOL_2, code)
    assert answer[0x9F27] == b"\x00"
    assert answer[0x9F10][4] & 0x01
    assert twin.memory.online_pending


def test_the_proof_inside_the_second_list() -> None:
    objects = {**PROFILE.application.objects, "8D": "8A02910A" + PROFILE.application.objects["8C"]}
    profile = dataclasses.replace(PROFILE, application=dataclasses.replace(PROFILE.application, objects=objects))
    for right, kind in ((True, b"\x40"), (False, b"\x00")):
        twin = powered(profile)
        begin(twin)
        first = generate(twin, ARQC)
        proof = proof_for(first) if right else bytes(8) + b"00"
        entries = dol.decode(bytes.fromhex(objects["8D"]))
        given = {tag: bytes.fromhex(text) for tag, text in TERMINAL.items()} | {0x8A: b"00", 0x91: proof}
        answer = ask(twin, apdu.generate_ac(TC, dol.fill(entries, given)))
        assert dict(tlv.decode(answer.data).leaves())[0x9F27] == kind


# Memory


def test_what_survives_the_power() -> None:
    memory = Memory()
    paid(powered(memory=memory))
    assert memory == Memory(atc=1, last_online_atc=1)
    twin = powered(memory=memory)
    begin(twin)
    generate(twin, ARQC)
    twin.power_off()
    assert memory == Memory(atc=2, last_online_atc=1, online_pending=True)
    twin.power_on()
    begin(twin)
    assert generate(twin, ARQC)[0x9F10][5] & 0x80, "the last payment did not come to its end"


def test_the_counter_ends() -> None:
    twin = powered(memory=Memory(atc=0xFFFF))
    assert ask(twin, apdu.select(AID)).ok
    assert ask(twin, apdu.get_processing_options(b"")).status == 0x6985


def test_counters_by_get_data() -> None:
    twin = powered(memory=Memory(atc=7, last_online_atc=5))
    assert ask(twin, apdu.get_data(0x9F36)).status == 0x6985
    ask(twin, apdu.select(AID))
    assert ask(twin, apdu.get_data(0x9F36)).data.hex() == "9f36020007"
    assert ask(twin, apdu.get_data(0x9F13)).data.hex() == "9f13020005"
    assert ask(twin, apdu.get_data(0x9F17)).status == 0x6A88


# Selection, records, states


def test_the_directory() -> None:
    twin = powered()
    answer = tlv.decode(ask(twin, apdu.select(apdu.PSE)).data).inside(0x6F, 0xA5)
    assert answer is not None
    assert answer.first(0x88) == b"\x01"
    entry = tlv.decode(ask(twin, apdu.read_record(1, 1)).data).inside(0x70, 0x61)
    assert entry is not None
    assert entry.first(0x4F) == AID
    assert ask(twin, apdu.read_record(1, 2)).status == 0x6A83
    assert ask(twin, apdu.read_record(2, 1)).status == 0x6A82


@pytest.mark.parametrize(
    ("name", "following", "status"),
    [
        ("A0000000031010", False, 0x9000),
        ("A000000003", False, 0x9000),
        ("A000000003", True, 0x6A82),
        ("A000000004", False, 0x6A82),
        ("A000000003101001", False, 0x6A82),
    ],
)
def test_selection_by_name(name: str, following: bool, status: int) -> None:
    assert ask(powered(), apdu.select(bytes.fromhex(name), following=following)).status == status


def test_a_blocked_application() -> None:
    profile = dataclasses.replace(PROFILE, application=dataclasses.replace(PROFILE.application, blocked=True))
    assert ask(powered(profile), apdu.select(AID)).status == 0x6283


@pytest.mark.parametrize("response_format", [1, 2])
def test_records_hold_what_a_terminal_needs(response_format: int) -> None:
    twin = powered(changed(response_format=response_format))
    ask(twin, apdu.select(AID))
    options = ask(twin, apdu.get_processing_options(b"")).data
    assert options[0] == {1: 0x80, 2: 0x77}[response_format]
    found: dict[int, bytes] = {}
    for sfi in (1, 2):
        found |= dict(tlv.decode(ask(twin, apdu.read_record(sfi, 1)).data).leaves())
    assert {0x5A, 0x57, 0x5F24, 0x5F34, 0x8C, 0x8D, 0x8E, 0x9F07, 0x9F08, 0x9F0D, 0x9F0E, 0x9F0F} <= set(found)


NOT_PERSONALISED = {Ins.INTERNAL_AUTHENTICATE, Ins.GET_CHALLENGE, Ins.VERIFY}
"""This card has no key of its own and verifies no PIN."""
STATUSES = {0x6985, 0x6E00, 0x6D00, 0x6700, 0x6A82, 0x6A83, 0x6A86, 0x6A88, 0x6A80, 0x6300, 0x9000}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("ins", [*Ins, 0xFF])
def test_every_command_in_every_state(state: State, ins: int) -> None:
    for cla in (0x00, 0x80, 0x84):
        twin = powered()
        twin.state = state
        command = Command(cla, ins, 0x00, 0x00, bytes(33)).encode()
        if state is State.OFF:
            with pytest.raises(CardTorn):
                twin.apdu(command)
            continue
        status = ask(twin, command).status
        assert status in STATUSES
        if ins not in ALLOWED or ins in NOT_PERSONALISED:
            assert status == 0x6D00
        elif ALLOWED[ins][0] != cla:
            assert status == 0x6E00
        elif state not in ALLOWED[ins][1]:
            assert (status, twin.state) == (0x6985, state)


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("80AE40002100", 0x6700),
        ("80AEC0001D" + "00" * 29, 0x6A86),
        ("80AE90001D" + "00" * 29, 0x6A86),
        ("80AE80011D" + "00" * 29, 0x6A86),
        ("80AE80001C" + "00" * 28, 0x6700),
    ],
)
def test_cryptograms_that_cannot_be(command: str, status: int) -> None:
    twin = powered()
    begin(twin)
    assert ask(twin, bytes.fromhex(command)).status == status


def test_no_second_question_at_the_end() -> None:
    twin = powered()
    begin(twin)
    generate(twin, ARQC)
    assert ask(twin, apdu.generate_ac(ARQC, values(Tag.CDOL_2))).status == 0x6A86
    generate(twin, AAC, Tag.CDOL_2)
    assert ask(twin, apdu.generate_ac(AAC, values(Tag.CDOL_2))).status == 0x6985


@given(st.binary(max_size=60), st.integers(0, 3))
@settings(max_examples=200, deadline=None)
def test_any_command(octets: bytes, how_far: int) -> None:
    twin = powered()
    if how_far:
        begin(twin)
    if how_far > 1:
        generate(twin, ARQC)
    size = bytes((len(octets),))
    for sent in (octets, b"\x80\xae\x40\x00" + size + octets, b"\x00\x82\x00\x00" + size + octets):
        assert ask(twin, sent).status in STATUSES


# Which chip a card has


def test_each_twin_wants_its_chip() -> None:
    with pytest.raises(Fault, match="has contacts only"):
        CardTwin(PROFILE, bytes)
    with pytest.raises(Fault, match="has no contacts"):
        ContactCardTwin(load_card("test-visa-like"))


# The view under T=0


def test_the_t0_view_is_honest_about_lengths() -> None:
    assert PROFILE.contact is not None
    view = T0View(ContactCardTwin(PROFILE), bytes.fromhex(PROFILE.contact.atr_t0))
    assert view.power_on() == view.atr
    assert view.atr[1] >> 4 & 0x8 == 0, "no TD1: T=0 only"
    assert view.apdu(apdu.select(AID).encode()).hex() == "6122"
    assert view.apdu(bytes.fromhex("00C0000021")).hex()[-4:] == "6101"
    assert len(view.apdu(bytes.fromhex("00C0000001"))) == 3
    assert view.apdu(bytes.fromhex("00C0000001")).hex() == "6985"
    assert view.apdu(bytes.fromhex("80CA9F3600")).hex() == "6c05"
    assert view.apdu(bytes.fromhex("80CA9F3605")).hex() == "9f360200009000"
    assert view.apdu(b"\x00") == b"\x67\x00"
    view.power_off()
    with pytest.raises(CardTorn):
        view.apdu(apdu.select(AID).encode())


def test_the_t0_view_tells_a_warning_before_its_data() -> None:
    class Warned:
        atr = b"\x3b\x00"

        def power_on(self) -> bytes:
            return self.atr

        def power_off(self) -> None:
            pass

        def apdu(self, command: bytes) -> bytes:
            return b"\x6f\x00\x62\x83"

    view = T0View(Warned(), b"\x3b\x00")
    assert view.apdu(apdu.select(AID).encode()).hex() == "6283"
    assert view.apdu(bytes.fromhex("00C0000000")).hex() == "6c02"
    assert view.apdu(bytes.fromhex("00C0000002")).hex() == "6f009000"
