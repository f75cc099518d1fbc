# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The virtual contact card: cryptograms against another implementation, its judgement, its memory."""

import dataclasses

import pyemv
import pytest

from device_profiles.twins.contact_card import Memory
from protocols.emv import apdu, dol, tlv
from protocols.emv.tags import Tag
from tests.device_profiles.twins.contact_desk import (
    AAC,
    AID,
    ARQC,
    PROFILE,
    TC,
    TERMINAL,
    ask,
    begin,
    card_key,
    changed,
    generate,
    paid,
    powered,
    proof_for,
)

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")


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
