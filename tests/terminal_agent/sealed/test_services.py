# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the vault computes is what the receiving side expects, for every format and kind of key; where it refuses."""

import pytest
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.cmac import CMAC
from hypothesis import given
from hypothesis import strategies as st

from protocols.dukpt import aes, tdes
from protocols.dukpt.ksn import AesKsn, TdesKsn
from protocols.dukpt.originator import AesOriginator, AesTransaction, TdesOriginator, TdesTransaction
from protocols.errors import EncodeError
from protocols.mac import RetailMacKey
from protocols.pan import Pan
from protocols.pin.iso9564 import Format, decipher_pin
from protocols.primitives import AesKey, TdesKey
from protocols.vault import Done, Encrypt, Load, Mac, PinMade, Prove, Refusal, Refused, Result, Rotate
from terminal_agent.sealed.pin.block import PinFormat, enciphered
from terminal_agent.sealed.vault import Vault
from tests.terminal_agent.sealed.inside import Machine
from tests.terminal_agent.sealed.vaults import DATA_KSN, PIN_KSN, block, made_key

PINS = st.lists(st.integers(0, 9), min_size=4, max_size=12)
PANS = st.text("0123456789", min_size=8, max_size=19)


def vault_with_all(machine: Machine) -> Vault:
    vault = machine.start()
    for slot, text in (
        ("pin", block("B1", "T", "X", made_key("pin"), PIN_KSN)),
        ("mac-master", block("K0", "T", "B", made_key("mac-master"))),
        ("data", block("B1", "T", "X", made_key("data"), DATA_KSN)),
        ("binding", block("M6", "T", "C", made_key("binding"))),
    ):
        assert isinstance(vault.ask(Load(slot, text)), Done)
    return vault


def make_block(transaction: TdesTransaction | AesTransaction, form: PinFormat, pin: list[int], pan: str) -> bytes:
    field = memoryview(bytearray(16))
    made = enciphered(transaction, form, memoryview(bytes(pin)), memoryview(pan.encode()), b"\x9d" * 8, field)
    assert bytes(field) == bytes(16), "the field is wiped"
    return made


@given(PINS, PANS, st.sampled_from((PinFormat.ISO_0, PinFormat.ISO_3)))
def test_tdes_blocks_are_read_by_the_receiving_side(pin: list[int], pan: str, form: PinFormat) -> None:
    transaction = TdesOriginator(made_key("pin"), TdesKsn(PIN_KSN)).advance()
    assert transaction is not None
    made = make_block(transaction, form, pin, pan)
    key = tdes.transaction_key(made_key("pin"), transaction.ksn)
    with TdesKey(tdes.working_key(key, tdes.Purpose.PIN)) as receiving:
        assert list(decipher_pin(receiving, Format(form), made, Pan(pan))) == pin


@given(PINS, PANS, st.sampled_from((16, 24, 32)))
def test_aes_blocks_are_read_by_the_receiving_side(pin: list[int], pan: str, octets: int) -> None:
    transaction = AesOriginator(made_key("pin", octets), AesKsn(b"\1" * 8 + bytes(4))).advance()
    assert transaction is not None
    made = make_block(transaction, PinFormat.ISO_4, pin, pan)
    key = aes.transaction_key(made_key("pin", octets), transaction.ksn)
    kind = aes.DERIVATION_TYPES[octets]
    with AesKey(aes.working_key(key, transaction.ksn, aes.Usage.PIN_ENCRYPTION, kind)) as receiving:
        assert list(decipher_pin(receiving, Format.ISO_4, made, Pan(pan))) == pin


@pytest.mark.parametrize(
    ("pin", "pan"), [([1, 2, 3], "4000001234567899"), ([1] * 13, "4000001234567899"), ([1] * 4, "x" * 16)]
)
def test_what_is_no_pin_or_no_pan_becomes_no_block(pin: list[int], pan: str) -> None:
    transaction = TdesOriginator(made_key("pin"), TdesKsn(PIN_KSN)).advance()
    assert transaction is not None
    with pytest.raises(EncodeError, match="4 to 12 digits"):
        make_block(transaction, PinFormat.ISO_0, pin, pan)


def test_format_and_kind_of_key_must_belong_together() -> None:
    first = TdesOriginator(made_key("pin"), TdesKsn(PIN_KSN)).advance()
    second = AesOriginator(made_key("pin"), AesKsn(b"\1" * 8 + bytes(4))).advance()
    assert first is not None
    assert second is not None
    with pytest.raises(EncodeError, match="TDES key"):
        make_block(first, PinFormat.ISO_4, [1, 2, 3, 4], "4000001234567899")
    with pytest.raises(EncodeError, match="AES key"):
        make_block(second, PinFormat.ISO_0, [1, 2, 3, 4], "4000001234567899")


def test_a_block_carries_the_ksn_that_its_key_has() -> None:
    vault = vault_with_all(Machine())
    seen = set()
    for _ in range(5):
        pin, pan = memoryview(bytearray((8, 6, 0, 4))), memoryview(bytearray(b"4000001234567899"))
        made = vault.services.pin_block(PinFormat.ISO_0, pin, pan, memoryview(bytearray(16)))
        assert isinstance(made, PinMade)
        ksn = TdesKsn(bytes(made.ksn))
        key = tdes.working_key(tdes.transaction_key(made_key("pin"), ksn), tdes.Purpose.PIN)
        with TdesKey(key) as receiving:
            assert list(decipher_pin(receiving, Format.ISO_0, bytes(made.block), Pan("4000001234567899"))) == [
                8,
                6,
                0,
                4,
            ]
        seen.add(ksn)
    assert len(seen) == 5


def test_macs_are_the_pads() -> None:
    vault = vault_with_all(Machine())
    session = made_key("session")
    with TdesKey(made_key("mac-master")) as master:
        cryptogram = master.encipher(session)
    for data in (b"", b"x", b"0123456789" * 40):
        reply = vault.ask(Mac(cryptogram, data))
        assert isinstance(reply, Result)
        assert reply.value == RetailMacKey(session).mac(data)


def test_a_session_key_outlives_its_master_and_one_successor() -> None:
    """What is under way while the MAC master key is rotated can still be checked."""
    vault = vault_with_all(Machine())
    with TdesKey(made_key("mac-master")) as master:
        old = master.encipher(made_key("session"))
    before = vault.ask(Mac(old, b"message"))
    vault.ask(Load("mac-master", block("K0", "T", "B", made_key("next master"))))
    vault.ask(Rotate("mac-master"))
    with TdesKey(made_key("next master")) as master:
        vault.ask(Mac(master.encipher(made_key("next session")), b"message"))
    assert vault.ask(Mac(old, b"message")) == before


def test_account_data_is_for_the_receiving_side_alone() -> None:
    vault = vault_with_all(Machine())
    clear = b"4000001234567899D281220112345678"
    first, second = vault.ask(Encrypt(clear)), vault.ask(Encrypt(clear))
    assert isinstance(first, Result)
    assert isinstance(second, Result)
    assert first.ksn != second.ksn
    assert first.value != second.value
    ksn = TdesKsn(bytes(first.ksn))
    key = tdes.working_key(tdes.transaction_key(made_key("data"), ksn), tdes.Purpose.DATA_REQUEST)
    with TdesKey(key) as receiving:
        assert receiving.cbc_decipher(bytes(8), bytes(first.value)).rstrip(b"\0") == clear


def test_the_proof_is_a_cmac_with_a_label_of_its_own() -> None:
    reply = vault_with_all(Machine()).ask(Prove(b"challenge"))
    assert isinstance(reply, Result)
    oracle = CMAC(TripleDES(made_key("binding") + made_key("binding")[:8]))
    oracle.update(b"tillguard binding proof 2\0challenge")
    assert reply.value == oracle.finalize()


def test_no_request_brings_octets_to_the_pin_key() -> None:
    """Encrypt and MAC use their own slots: without these they refuse, whatever the PIN slot holds."""
    vault = Machine(needed=("pin",)).start()
    assert isinstance(vault.ask(Load("pin", block("B1", "T", "X", made_key("pin"), PIN_KSN))), Done)
    for request in (Encrypt(b"x"), Mac(bytes(16), b"x"), Prove(b"x")):
        reply = vault.ask(request)
        assert isinstance(reply, Refused)
        assert reply.why == Refusal.NO_KEY


@pytest.mark.parametrize(
    "request_",
    [
        Encrypt(b""),
        Encrypt(bytes(513)),
        Mac(bytes(15), b"x"),
        Mac(bytes(16), bytes(4097)),
        Prove(b""),
        Prove(bytes(257)),
    ],
)
def test_bounds(request_: Encrypt | Mac | Prove) -> None:
    reply = vault_with_all(Machine()).ask(request_)
    assert isinstance(reply, Refused)
    assert reply.why == Refusal.MALFORMED
