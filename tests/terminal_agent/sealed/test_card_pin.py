# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A PIN for the card to check: what the vault makes of it, read by OpenSSL with the card's private key; who may ask."""

import os
import random
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.emv.oda import PublicKey
from protocols.errors import EncodeError
from protocols.vault import Ended, EnterCardPin, EnterPin, PinEnded, PinMade, Refusal, Refused, Reply, Result
from terminal_agent.sealed.pin import card
from tests.attacks.vaults import VaultTarget
from tests.secrets import planted
from tests.secrets.scanner import Marked, Scanner
from tests.terminal_agent.sealed.test_keypad import PAN, Person
from tests.terminal_agent.sealed.vaults import Asker, component_files, keypad_pair, load_all, made, running

CHALLENGE = bytes.fromhex("0123456789ABCDEF")
TEST_KEYS = {bits: rsa.generate_private_key(65_537, bits) for bits in (1024, 1152, 1408)}
TEST_KEYS[1976] = rsa.generate_private_key(3, 1976)
"""1976 bits are 247 octets, a length that is no multiple of eight."""


def public(key: rsa.RSAPrivateKey) -> PublicKey:
    numbers = key.public_key().public_numbers()
    return PublicKey(numbers.n, numbers.e, (numbers.n.bit_length() + 7) // 8)


def by_openssl(key: rsa.RSAPrivateKey, data: bytes, folder: Path) -> bytes:
    """What the card reads: RSA without any padding."""
    (folder / "card.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
    words = ["pkeyutl", "-decrypt", "-inkey", str(folder / "card.pem"), "-pkeyopt", "rsa_padding_mode:none"]
    done = subprocess.run(["openssl", *words], input=data, capture_output=True, check=True, timeout=60)
    return done.stdout


def as_card(key: rsa.RSAPrivateKey, data: bytes) -> bytes:
    private = key.private_numbers()
    number = pow(int.from_bytes(data, "big"), private.d, private.public_numbers.n)
    return number.to_bytes(len(data), "big")


def asked_for(key: PublicKey, timeout_ms: int = 20_000, challenge: bytes = CHALLENGE) -> EnterCardPin:
    return EnterCardPin(key.modulus.to_bytes(key.octets, "big"), key.exponent, challenge, "EUR 42.00", timeout_ms)


def typed(asker: Asker, person: Person, request: EnterCardPin | EnterPin, keys: str) -> Reply:
    number = asker.send(request)
    while "ENTER PIN" not in person.read():
        pass
    person.press(keys)
    return asker.answer(number)


@settings(deadline=None)
@given(st.lists(st.integers(0, 9), min_size=4, max_size=12), st.sampled_from(sorted(TEST_KEYS)), st.integers(0, 2**64))
def test_the_card_reads_header_pin_block_its_number_and_fill(pin: list[int], bits: int, seed: int) -> None:
    key, drawn = TEST_KEYS[bits], random.Random(seed)
    field = memoryview(bytearray(16))
    data = card.enciphered(public(key), memoryview(bytes(pin)), CHALLENGE, drawn.randbytes, field)
    assert bytes(field) == bytes(16), "the field is wiped"
    text = as_card(key, data)
    block = bytes.fromhex(f"2{len(pin):X}" + "".join(map(str, pin)).ljust(14, "F"))
    fill = random.Random(seed).randbytes(bits // 8 - 17)
    assert text == b"\x7f" + block + CHALLENGE + fill


@pytest.mark.parametrize("bits", sorted(TEST_KEYS))
def test_openssl_reads_the_same(bits: int, tmp_path: Path) -> None:
    key = TEST_KEYS[bits]
    field = memoryview(bytearray(16))
    data = card.enciphered(public(key), memoryview(bytes((8, 6, 0, 4))), CHALLENGE, os.urandom, field)
    text = by_openssl(key, data, tmp_path)
    assert text[:17] == bytes.fromhex("7F 24 8604 FFFFFFFFFF") + CHALLENGE
    again = card.enciphered(public(key), memoryview(bytes((8, 6, 0, 4))), CHALLENGE, os.urandom, field)
    assert again != data, "the fill is fresh every time"


@pytest.mark.parametrize(
    ("key", "digits", "challenge"),
    [
        (public(TEST_KEYS[1024]), 3, CHALLENGE),
        (public(TEST_KEYS[1024]), 13, CHALLENGE),
        (public(TEST_KEYS[1024]), 4, CHALLENGE[:7]),
        (PublicKey((1 << 759) + 1, 3, 95), 4, CHALLENGE),
    ],
)
def test_what_is_no_pin_no_challenge_or_a_short_key_is_refused(key: PublicKey, digits: int, challenge: bytes) -> None:
    with pytest.raises(EncodeError, match="4 to 12 digits, 8 octets drawn by the card and a key of 96"):
        card.enciphered(key, memoryview(bytes(digits)), challenge, os.urandom, memoryview(bytearray(16)))


def test_a_modulus_with_a_small_factor_is_refused() -> None:
    """Blinding divides by a random number; where that shares a factor with the modulus, the key is no RSA key."""
    modulus = 3 ** (1024 * 12 // 19)
    key = PublicKey(modulus, 65_537, (modulus.bit_length() + 7) // 8)
    with pytest.raises(EncodeError, match="no product of two large primes"):
        card.enciphered(key, memoryview(bytes(4)), CHALLENGE, lambda size: b"\3".rjust(size, b"\0"),
                        memoryview(bytearray(16)))  # fmt: skip


def test_typed_at_the_keypad_and_read_by_the_card(tmp_path: Path) -> None:
    keypad, link = keypad_pair(tmp_path)
    person, key = Person(keypad), TEST_KEYS[1152]
    with running(made(tmp_path, keypad=str(link), card_pin=True), components=component_files(tmp_path)) as asker:
        load_all(asker)
        reply = typed(asker, person, asked_for(public(key)), "8604\r")
        assert isinstance(reply, Result), reply
        assert reply.ksn == b""
        assert by_openssl(key, bytes(reply.value), tmp_path)[:9] == bytes.fromhex("7F 24 8604 FFFFFFFFFF")
        cancelled = typed(asker, person, asked_for(public(key)), "86\x1b")
        assert cancelled == PinEnded(Ended.CANCELLED)
        assert isinstance(typed(asker, person, EnterPin(PAN.encode(), "", 20_000), "8604\r"), PinMade)


@pytest.mark.parametrize(
    "request_",
    [
        asked_for(public(TEST_KEYS[1024]), challenge=bytes(7)),
        asked_for(public(TEST_KEYS[1024]), timeout_ms=0),
        EnterCardPin(b"\x81" * 95, 3, CHALLENGE, "", 1000),
        EnterCardPin(b"\x81" * 249, 3, CHALLENGE, "", 1000),
        EnterCardPin(b"\x80" * 128, 3, CHALLENGE, "", 1000),
        EnterCardPin(b"\x81" * 128, 5, CHALLENGE, "", 1000),
    ],
    ids=["challenge", "timeout", "short key", "long key", "even modulus", "exponent"],
)
def test_bounds(request_: EnterCardPin, tmp_path: Path) -> None:
    _, link = keypad_pair(tmp_path)
    with running(made(tmp_path, keypad=str(link), card_pin=True), components=component_files(tmp_path)) as asker:
        load_all(asker)
        refused = asker.ask(request_)
        assert isinstance(refused, Refused)
        assert refused.why == Refusal.MALFORMED


@pytest.mark.parametrize(("keypad", "card_pin", "why"), [(True, False, Refusal.POLICY), (False, True, Refusal.KEYPAD)])
def test_never_without_leave_and_never_in_pad_mode(keypad: bool, card_pin: bool, why: Refusal, tmp_path: Path) -> None:
    link = str(keypad_pair(tmp_path)[1]) if keypad else ""
    with running(made(tmp_path, keypad=link, card_pin=card_pin), components=component_files(tmp_path)) as asker:
        load_all(asker)
        refused = asker.ask(asked_for(public(TEST_KEYS[1024])))
        assert isinstance(refused, Refused)
        assert refused.why == why


def test_both_kinds_of_pin_share_one_throttle_which_a_restart_does_not_fill(tmp_path: Path) -> None:
    keypad, link = keypad_pair(tmp_path)
    person, request = Person(keypad), asked_for(public(TEST_KEYS[1024]))
    wanted = made(tmp_path, keypad=str(link), card_pin=True, pin_interval=3600.0, pin_burst=2)
    with running(wanted, components=component_files(tmp_path)) as asker:
        load_all(asker)
        assert isinstance(typed(asker, person, request, "8604\r"), Result)
        assert isinstance(typed(asker, person, EnterPin(PAN.encode(), "", 20_000), "8604\r"), PinMade)
        refused = asker.ask(request)
        assert isinstance(refused, Refused)
        assert refused.why == Refusal.THROTTLED
    with running(wanted) as asker:
        refused = asker.ask(request)
        assert isinstance(refused, Refused)
        assert refused.why == Refusal.THROTTLED


@pytest.mark.parametrize("lack", ["", "leaky"], ids=["hardened", "leaky"])
def test_neither_pin_nor_its_block_is_left_in_memory(lack: str, tmp_path: Path) -> None:
    """Neither as digits in any of their forms, nor as the block of format 2 that the card reads."""
    block = bytes.fromhex(f"2{len(planted.PIN):X}{planted.PIN}".ljust(16, "F"))
    scanner = Scanner((Marked.digits("PIN", planted.PIN), Marked.octets("PIN block", block)))
    target = VaultTarget(tmp_path, lack, card_pin=True)
    try:
        for _ in range(3):
            reply = typed(target.asker, Person(target.keypad), asked_for(public(TEST_KEYS[1024])), f"{planted.PIN}\r")
            assert isinstance(reply, Result)
        found = scanner.scan(target.memory())
        assert bool(found) == bool(lack), found
    finally:
        target.stop()
        os.close(target.keypad)
