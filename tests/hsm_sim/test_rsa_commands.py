# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""EI EO EW EY: signatures checked by plain arithmetic (RFC 8017, 8.2.2), public keys byte by byte, and refusals."""

import hashlib

import pytest

from protocols.errors import DecodeError
from protocols.hsm.commands.rsa import EI, EJ, EP, EX
from protocols.hsm.kinds import Source
from protocols.hsm.layout import layout_of
from protocols.hsm.rsa_keys import SIGNED, UNSIGNED, RsaPublicKey
from tests.hsm_sim.asking import Ask, asking

DATA = b"pay;%00\x19" * 5
PREFIX = {
    "sha1": "3021300906052b0e03021a05000414",
    "sha224": "302d300d06096086480165030402040500041c",
    "sha256": "3031300d060960864801650304020105000420",
    "sha384": "3041300d060960864801650304020205000430",
    "sha512": "3051300d060960864801650304020305000440",
}
HASHES = {"01": "sha1", "05": "sha224", "06": "sha256", "07": "sha384", "08": "sha512"}

# A unit's public key with integers unsigned: softwaregroup-bg/ut-codec-payshield docs/examples.js (restated as a fact).
UNIT_PUBLIC_KEY = (
    "3082010902820100AB4E76C1428A7B44EDD9BE88F4ADFB1A7A26A7777270392536AFF5E41CC089ED252F4BB37BC055AC103D"
    "594EA501B6DBA59F4C5D5042B7BD1ED387828A0DE5858E19D7E683B9A42FB57B764A61A789D26E1F9DBFBAB73816D68DA9E0"
    "DC911609D4A0D01C6B071159DEAE54D07A0ED9236E3A3C602AD3A3A09C06EE2638D6BA20ABF75D189D9ADCE1018B8F7012C0"
    "91BF2AA6DBD7E2A30797F2FD77A4D0637A1B4D0D62B290F9ED828F53906918F76CD0A5028EA21150436CCB48E28DF22E454E"
    "044154E59C0CAF4FDAD59C253FD80D25A04084BC3965C6C0A7D3089589C3619B02A730F16C6D6101A201068E5CAFDE6500D1"
    "EE236BA8052DB39D626BDA85D23D0203010001"
)


@pytest.fixture(scope="module")
def ask() -> Ask:
    return asking()


def made(ask: Ask, key_type: str = "0", encoding: str = "01", bits: int = 1024) -> EJ:
    answer = ask(f"EI{key_type}{bits:04}{encoding}").encode("latin-1")
    assert answer[:2] == b"00"
    source = Source(answer, 2)
    pair = layout_of(EJ).read(source)
    assert source.at == len(answer)
    return pair


def counted(octets: bytes) -> bytes:
    return b"%04d%b" % (len(octets), octets)


def signed(ask: Ask, pair: EJ, code: str, data: bytes) -> bytes:
    answer = ask(b"EW" + code.encode() + b"0101" + counted(data) + b";99" + counted(pair.private_key))
    assert answer[:2] == "00"
    return layout_of(EX).read(Source(answer.encode("latin-1"), 2)).signature


def vouched(ask: Ask, pair: EJ, encoding: str = "01") -> bytes:
    answer = ask(b"EO" + encoding.encode() + pair.public_key).encode("latin-1")
    assert answer[:2] == b"00"
    read = layout_of(EP).read(Source(answer, 2))
    assert read.public_key == pair.public_key
    return read.mac


def plain(public: RsaPublicKey, name: str, data: bytes) -> int:
    """What a signature raised to the public exponent must be."""
    octets = (public.modulus.bit_length() + 7) // 8
    info = bytes.fromhex(PREFIX[name]) + hashlib.new(name, data).digest()
    return int.from_bytes(b"\x00\x01" + b"\xff" * (octets - len(info) - 3) + b"\x00" + info, "big")


@pytest.mark.parametrize("code", HASHES)
def test_signatures_are_those_of_pkcs_1(code: str, ask: Ask) -> None:
    pair = made(ask)
    public = RsaPublicKey.decode(pair.public_key, UNSIGNED)
    signature = signed(ask, pair, code, DATA)
    right = plain(public, HASHES[code], DATA)
    assert pow(int.from_bytes(signature, "big"), public.exponent, public.modulus) == right
    info = bytes.fromhex(PREFIX[HASHES[code]]) + hashlib.new(HASHES[code], DATA).digest()
    assert signed(ask, pair, "04", info) == signature
    mac = vouched(ask, pair)
    for hash_id, data, error in ((code, DATA, "00"), ("04", info, "00"), (code, DATA[1:], "02")):
        command = f"EY{hash_id}0101".encode() + counted(signature) + b";" + counted(data) + b";" + mac + pair.public_key
        assert ask(command) == error


@pytest.mark.parametrize("encoding", [UNSIGNED, SIGNED])
def test_both_encodings(encoding: str, ask: Ask) -> None:
    pair = made(ask, encoding=encoding)
    public = RsaPublicKey.decode(pair.public_key, encoding)
    assert public.modulus.bit_length() == 1024
    assert public.exponent == 65_537
    other = SIGNED if encoding == UNSIGNED else UNSIGNED
    assert len(public.encode(other)) == len(pair.public_key) + (1 if encoding == UNSIGNED else -1)
    with pytest.raises(DecodeError):
        RsaPublicKey.decode(pair.public_key, other)
    mac = vouched(ask, pair, encoding)
    signature = signed(ask, pair, "06", DATA)
    assert ask(b"EY060101" + counted(signature) + b";" + counted(DATA) + b";" + mac + pair.public_key) == "00"


def test_the_published_public_key_of_a_unit() -> None:
    der = bytes.fromhex(UNIT_PUBLIC_KEY)
    public = RsaPublicKey.decode(der, UNSIGNED)
    assert (len(der), public.modulus.bit_length(), public.exponent) == (269, 2048, 65_537)
    assert public.encode(UNSIGNED) == der
    assert len(public.encode(SIGNED)) == 270


def test_lengths_and_uses(ask: Ask) -> None:
    for bits, error in ((512, "04"), (1028, "04"), (2056, "04"), (4096, "04")):
        assert ask(f"EI0{bits:04}01") == error
    assert asking(largest_rsa=1024)("EI0204801") == "04"
    management = made(ask, key_type="1")
    command = b"EW060101" + counted(DATA) + b";99"
    assert ask(command + counted(management.private_key)) == "03"
    assert len(signed(ask, made(ask, key_type="2"), "06", DATA)) == 128
    assert EI(key_type="0", bits="1024").encoding == UNSIGNED


def test_a_private_key_that_was_changed_or_is_another_lmks_is_none(ask: Ask) -> None:
    pair = made(ask)
    command = b"EW060101" + counted(DATA) + b";99"
    for place in (0, 3, 4, 20, len(pair.private_key) - 1):
        changed = bytearray(pair.private_key)
        changed[place] ^= 1
        assert ask(command + counted(bytes(changed))) == "49"
    assert ask(command + counted(pair.private_key) + b"%01") == "49"
    assert ask(command + counted(pair.private_key[:20])) == "78"


def test_a_public_key_that_no_one_vouched_for_verifies_nothing(ask: Ask) -> None:
    pair, other = made(ask), made(ask)
    signature, mac = signed(ask, pair, "06", DATA), vouched(ask, pair)
    head = b"EY060101" + counted(signature) + b";" + counted(DATA) + b";"
    assert ask(head + mac + pair.public_key) == "00"
    assert ask(head + mac + other.public_key) == "01"
    assert ask(head + bytes(4) + pair.public_key) == "01"
    assert ask(head + mac + pair.public_key + b"%01") == "01"


@pytest.mark.parametrize(
    "der",
    ["", "3000", "30060201010201", "300602010102010300", "3007020200010201 03", "30060201FF020103", "3080020101020103"],
)
def test_what_is_no_public_key(der: str, ask: Ask) -> None:
    assert ask(b"EO01" + bytes.fromhex(der)) in {"15", "04"}
    for length in range(20):
        with pytest.raises(DecodeError):
            RsaPublicKey.decode(bytes.fromhex(der)[:length] + b"\x00", SIGNED)
