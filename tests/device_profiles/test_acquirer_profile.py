# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Acquirer profiles: the bank that we ship holds what it says, and a wrong one is refused with its key named."""

import re
from pathlib import Path

import pytest
from psec import des

from device_profiles.acquirer_profile import load_acquirer
from device_profiles.card_profile import card_names, load_card
from device_profiles.catalog import folder
from hsm_sim.engine.key_types import key_type
from hsm_sim.engine.wrapping import VariantLmk
from protocols.hsm.codes import KeyScheme
from protocols.pan import Pan
from protocols.pin.reference import pvv
from protocols.primitives import TdesKey
from protocols.secret import ClearKey, Pin
from tests.device_profiles.acquirer_bench import TEST_PAN, TEST_PIN, test_key
from tillguard.voice import Fault

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")  # psec's
BANK = folder("acquirers") / "test-bank.toml"


def test_the_banks_keys_are_the_test_keys_under_the_test_lmk() -> None:
    keys = load_acquirer("test-bank").keys_under_test_lmk
    lmk = VariantLmk.of_test_keys()
    for text, name, kind in (
        (keys.bdk, "BDK", "009"),
        (keys.terminal_master, "TMK-MAC", "002"),
        (keys.zone_pin, "ZPK", "001"),
        (keys.pin_verification, "PVK", "002"),
        (keys.card_master, "MK-AC", "109"),
        (keys.data_bdk, "BDK-DATA", "009"),
    ):
        wrapped = lmk.wrap(ClearKey(test_key(name)), key_type(kind), KeyScheme.DOUBLE)
        assert text == "U" + wrapped.cryptogram.hex().upper()
        assert des.generate_kcv(test_key(name), 3).hex().upper() in BANK.read_text(encoding="utf-8")


def test_the_cardholders_pvv_is_of_the_test_pin() -> None:
    account = load_acquirer("test-bank").accounts[0]
    assert account.number == Pan(TEST_PAN)
    assert account.pvv == pvv(TdesKey(test_key("PVK")), account.number, 1, Pin.from_text(TEST_PIN))
    assert all(one.number.has_luhn_digit() for one in load_acquirer("test-bank").accounts)


@pytest.mark.parametrize("name", card_names())
def test_every_card_has_its_account_and_its_accounts_pvv_is_of_its_pin(name: str) -> None:
    accounts = {one.pan: one for one in load_acquirer("test-bank").accounts}
    card = load_card(name)
    for application in card.applications:
        account = accounts[application.pan]
        assert (account.scheme, account.expiry) == (application.scheme, application.expiry)
        assert account.sequence_number == application.sequence_number
        pin = Pin.from_text(card.cardholder.test_pin)
        assert account.pvv == pvv(TdesKey(test_key("PVK")), account.number, int(account.pvki), pin)


def test_a_repr_shows_no_number() -> None:
    shown = repr(load_acquirer("test-bank"))
    assert TEST_PAN not in shown
    assert "5757" not in shown


@pytest.mark.parametrize(
    ("found", "instead", "said"),
    [
        ('dialect = "ascii-1987"', 'dialect = "ebcdic"', "dialect: one of ascii-1987, bcd-tpdu expected"),
        ('currency = "978"', 'currency = "EUR"', "currency: three digits"),
        ('currency = "978"', 'currency = "978"\nksn-field = 53', "the KSN cannot travel in DE53"),
        ('bdk = "U94', 'bdk = "U9', "a scheme letter and its hexadecimal digits expected"),
        ('pan = "4000009999990016"', 'pan = "40000099999900AB"', "pan: 8 to 19 digits expected"),
        ('expiry = "2812"', 'expiry = "1228x"', "expiry: YYMM expected"),
        ('expiry = "2812"', 'expiry = "2813"', "expiry: YYMM expected"),
        ('pvv = "5757"', 'pvv = "575"', "pvv: 4 digits"),
        ("pin-tries = 3", "pin-tries = 0", "pin-tries: 1 to 15"),
        ('name = "test-poor-cardholder"', 'name = "test-cardholder"', "every name and every pan once"),
        ("pin-tries = 3", "pin-trys = 3", "did you mean 'pin-tries'?"),
    ],
)
def test_wrong_profiles_are_refused(found: str, instead: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "bank.toml"
    text, changes = re.subn(re.escape(found), instead, BANK.read_text(encoding="utf-8"), count=1)
    assert changes == 1
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Fault) as refused:
        load_acquirer(str(path))
    assert said in refused.value.what + refused.value.hint
    assert TEST_PAN not in refused.value.what
