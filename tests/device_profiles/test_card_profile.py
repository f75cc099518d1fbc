# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The card files: all of them load, are TEST cards of ours, and mistakes are told with file and place."""

import hashlib
from pathlib import Path

import pytest
from psec.pin import generate_visa_pvv

from device_profiles import catalog
from device_profiles.card_profile import card_names, load_card
from protocols.octets import unhex
from protocols.pan import Pan, Track2
from protocols.primitives import with_odd_parity
from tillguard.voice import Fault

FILE = catalog.find("cards", "test-visa-like")


def demo_key(name: str) -> bytes:
    """How the TEST keys came about: SHA-256 of a sentence, cut, with odd parity."""
    return bytes(with_odd_parity(bytearray(hashlib.sha256(f"tillguard TEST {name}".encode()).digest()[:16])))


@pytest.mark.parametrize("name", card_names())
def test_every_card_loads_and_is_a_test_card(name: str) -> None:
    card = load_card(name)
    assert card.name == name
    assert name.startswith("test-")
    assert Pan(card.application.pan).has_luhn_digit()
    track2 = Track2.from_text(card.application.static_objects()[0x57].hex())
    assert (track2.pan.digits, track2.expiry) == (card.application.pan, card.application.expiry)
    for tags in (card.application.answer, *(record.tags for record in card.application.records)):
        assert len(set(tags)) == len(tags)


@pytest.mark.parametrize("name", card_names())
def test_the_cards_are_personalised_with_the_test_keys(name: str) -> None:
    card = load_card(name)
    assert unhex(card.keys.test_mk_ac, "key") == demo_key("MK-AC")


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@pytest.mark.parametrize("name", card_names())
def test_the_cards_carry_the_pvv_of_their_pin(name: str) -> None:
    card = load_card(name)
    pvv = generate_visa_pvv(demo_key("PVK"), "1", card.cardholder.test_pin, card.application.pan)
    assert card.application.discretionary[:5] == f"1{pvv}"


@pytest.mark.parametrize(
    ("line", "change", "said"),
    [
        ('atqa = "0004"', 'atqa = "04"', "atqa: 2 octets"),
        ("sak = 0x20", "sak = 0x08", "sak: bit 6"),
        ('ats = "0578807002"', 'ats = "0678807002"', "ats: its first octet"),
        ('aid = "A0000000031010"', 'aid = "A0"', "aid: 5 to 16 octets"),
        ('pan = "4000009999990016"', 'pan = "4000X"', "PAN: 5 characters found"),
        ('expiry = "2812"', 'expiry = "28"', "expiry: 4 digits"),
        ('service-code = "201"', 'service-code = "20"', "service-code: 3 digits"),
        ('discretionary = "15757000000"', 'discretionary = "157570000000000"', "discretionary: up to 13"),
        ("sequence-number = 1", "sequence-number = 100", "sequence-number 0 to 99"),
        ('country = "276"', 'country = "DE"', "country: 3 digits"),
        ("cryptogram-version = 10", "cryptogram-version = 11", "cryptogram-version: one of"),
        ("9F66049F0206", "9F66049F02FF", "DOL"),
        ("sfi = 2", "sfi = 11", "sfi 1 to 10"),
        ('9F07 = "FF00"', '9F07 = "FX"', "objects.9F07: hexadecimal"),
        ('test-pin = "7391"', 'test-pin = "739"', "test-pin: 4 to 12"),
        ('test-mk-ac = "38', 'test-mk-ac = "', "test-mk-ac: 16 octets"),
        ('label = "TEST CREDIT"', 'label = ""', "label: 1 to 16"),
        ("priority = 1", "prioriti = 1", "unknown key"),
        ('expiry = "2812"', 'expiry = "2813"', "expiry: YYMM"),
    ],
)
def test_a_mistake_names_its_place_and_no_secret(tmp_path: Path, line: str, change: str, said: str) -> None:
    text = FILE.read_text(encoding="utf-8")
    assert line in text
    path = tmp_path / "card.toml"
    path.write_text(text.replace(line, change))
    with pytest.raises(Fault) as caught:
        load_card(str(path))
    assert str(path) in caught.value.what
    assert said in caught.value.what
    assert "7391" not in caught.value.what
    path.unlink()  # a folder of the suite keeps no account data


@pytest.mark.parametrize(
    ("line", "change", "said"),
    [
        ('atr = "3BE000008131FE45EB"', 'atr = "3B"', "atr: 2 to 33 octets"),
        ('atr-t0 = "3B6800000073C84000009000"', 'atr-t0 = "X"', "atr-t0: hexadecimal"),
        ("response-format = 2", "response-format = 3", "response-format: 1 or 2"),
        ("offline-limit = 0", "offline-limit = 256", "offline-limit: 0 to 255"),
        ("offline-limit = 0", 'language = "e"', "language: one to four"),
        ("[contact]", "[contactless]", "unknown key"),
        ('8D = "8A02', '8F = "8A02', "records and objects 8C and 8D expected"),
        ('8C = "9F0206', '8C = "9F02', "objects.8C"),
    ],
)
def test_a_mistake_in_a_contact_card(tmp_path: Path, line: str, change: str, said: str) -> None:
    text = catalog.find("cards", "test-visa-contact").read_text(encoding="utf-8")
    assert line in text
    path = tmp_path / "card.toml"
    path.write_text(text.replace(line, change))
    with pytest.raises(Fault) as caught:
        load_card(str(path))
    assert said in caught.value.what
    path.unlink()  # a folder of the suite keeps no account data


@pytest.mark.parametrize(
    ("card", "line", "change", "said"),
    [
        ("test-visa-cda", 'issuer = "visa-like"', 'issuer = "nobody"', "authentication.issuer: none of that name"),
        ("test-visa-cda", 'test-p = "', 'test-p = "' + "FF" * 200, "64 to 248 octets"),
        ("test-visa-cda", "number = 2", "number = 1", "records: one of each"),
        ("test-mastercard-like", '8C = "9F02', '8C = "9F', "objects.8C"),
        ("test-mastercard-like", '9F51 = "', '9F51 = "00', "objects.9F51"),
        ("test-multi-application", 'aid = "A0000000041010"', 'aid = "a0000000031010"', "an aid of its own"),
    ],
)
def test_a_mistake_in_a_card_that_signs(tmp_path: Path, card: str, line: str, change: str, said: str) -> None:
    text = catalog.find("cards", card).read_text(encoding="utf-8")
    assert line in text
    path = tmp_path / "card.toml"
    path.write_text(text.replace(line, change))
    with pytest.raises(Fault) as caught:
        load_card(str(path))
    assert said in caught.value.what
    assert caught.value.hint
    path.unlink()  # a folder of the suite keeps no account data


@pytest.mark.parametrize(("table", "said"), [("contact", "at least one chip"), ("application", "missing")])
def test_a_card_has_a_chip_and_an_application(tmp_path: Path, table: str, said: str) -> None:
    text = catalog.find("cards", "test-visa-contact").read_text(encoding="utf-8")
    begin = text.index(f"[{table}]")
    end = text.index("[application]") if table == "contact" else text.index("[keys]")
    path = tmp_path / "card.toml"
    path.write_text(text[:begin] + text[end:])
    with pytest.raises(Fault) as caught:
        load_card(str(path))
    assert said in caught.value.what
    path.unlink()


def test_a_contactless_card_needs_its_list_and_answer(tmp_path: Path) -> None:
    path = tmp_path / "card.toml"
    path.write_text(FILE.read_text(encoding="utf-8").replace("answer = [", "# answer = ["))
    with pytest.raises(Fault) as caught:
        load_card(str(path))
    assert "pdol and answer expected" in caught.value.what
    path.unlink()


def test_an_unknown_card_lists_the_known() -> None:
    with pytest.raises(Fault) as caught:
        load_card("test-visa-lik")
    assert "did you mean 'test-visa-like'?" in caught.value.hint


@pytest.mark.parametrize(("expiry", "last"), [("2812", "31"), ("2802", "29"), ("2702", "28"), ("2704", "30")])
def test_the_expiry_date_is_the_last_day_of_its_month(tmp_path: Path, expiry: str, last: str) -> None:
    path = tmp_path / "card.toml"
    path.write_text(FILE.read_text(encoding="utf-8").replace('expiry = "2812"', f'expiry = "{expiry}"'))
    assert load_card(str(path)).application.static_objects()[0x5F24].hex() == expiry + last
    path.unlink()
