# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Lists of CA keys: each published key with its checksum, labelled, what is wrong refused; the TEST authority."""

import json
from pathlib import Path

import pytest

from device_profiles.authority_profile import load_authority
from device_profiles.ca_keys import Use, ca_key_lists, load_ca_keys
from device_profiles.twins.card_rsa import CardRsa
from tillguard.voice import Fault

VECTORS = Path(__file__).parents[1] / "vectors" / "capk.json"
LISTS = ca_key_lists()


def test_the_lists_are_the_published_keys() -> None:
    published = {
        (entry["rid"].upper(), entry["index"].upper(), entry["modulus"].upper(), entry["kind"])
        for entry in json.loads(VECTORS.read_text())["emv_utils"]
    }
    shipped = {
        (key.rid, key.index, key.modulus, found.kind.value)
        for name in LISTS
        if name != "tillguard-test"
        for found in [load_ca_keys(name)]
        for key in found.keys
    }
    assert shipped == published
    assert len(shipped) == 30


@pytest.mark.parametrize("name", LISTS)
def test_every_list_is_labelled_and_sound(name: str) -> None:
    found = load_ca_keys(name)
    assert found.kind is (Use.LIVE if name.endswith("-live") else Use.TEST)
    assert found.source
    assert found.keys
    for key in found.keys:
        key.ca_key().check()


def test_the_test_list_is_the_public_half_of_the_test_authority() -> None:
    authority = load_authority("tillguard-test")
    found = load_ca_keys("tillguard-test")
    modulus = CardRsa(authority.key).modulus
    assert {(key.rid, key.index) for key in found.keys} == {(rid, authority.index) for rid in authority.rids}
    assert {key.ca_key().key.modulus for key in found.keys} == {modulus}
    live = {(key.rid, key.index) for name in LISTS if name != "tillguard-test" for key in load_ca_keys(name).keys}
    assert not live & {(key.rid, key.index) for key in found.keys}, "no index that a payment system has published"


def text(**changes: str) -> str:
    key = load_ca_keys("tillguard-test").keys[0]
    values = {"rid": key.rid, "index": key.index, "modulus": key.modulus, "checksum": key.checksum} | changes
    lines = "\n".join(f'{name} = "{value}"' for name, value in values.items())
    return f'title = "mine"\nkind = "test"\nsource = "me"\n[[keys]]\n{lines}\n'


def test_an_own_list(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text() + '[[withdrawn]]\nrid = "A000000003"\nindex = "E7"\nserial = "00001A"\n')
    found = load_ca_keys(str(path))
    assert found.keys[0].last_day is None
    assert found.withdrawn[0].octets() == (bytes.fromhex("A000000003"), 0xE7, bytes.fromhex("00001A"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"index": "E8"}, "checksum of CA key A000000003 E8 does not match"),
        ({"checksum": "00" * 20}, "does not match"),
        ({"checksum": "00"}, "checksum: 20 octets"),
        ({"rid": "A0"}, "rid: 5 octets"),
        ({"modulus": "xyz"}, "modulus: hexadecimal digits expected"),
        ({"modulus": "02"}, "an odd one of 1 to 248"),
        ({"exponent": "11"}, "exponent 3 or 65537"),
        ({"expires": "12/30"}, "expires: a day as YYYY-MM-DD"),
    ],
)
def test_a_wrong_key_is_refused(changes: dict[str, str], said: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text(**changes))
    with pytest.raises(Fault) as refused:
        load_ca_keys(str(path))
    assert said in refused.value.what


@pytest.mark.parametrize(
    ("line", "change", "said"),
    [
        ('index = "E7"', 'index = "E7E7"', "index: 1 octet expected"),
        ('expires = "1235"', 'expires = "1335"', "expires: MMYY"),
        ('index = "E7"', 'index = "zz"', "index: hexadecimal digits"),
        ('identifier = "400000"', 'identifier = "40"', "identifier: 3 to 8 digits"),
        ('serial = "00001A"', 'serial = "1A"', "serial: 3 octets"),
    ],
)
def test_a_wrong_authority_is_refused(line: str, change: str, said: str, tmp_path: Path) -> None:
    source = Path(__file__).parents[2] / "device_profiles" / "data" / "authorities" / "tillguard-test.toml"
    path = tmp_path / "authority.toml"
    path.write_text(source.read_text().replace(line, change, 1))
    with pytest.raises(Fault) as refused:
        load_authority(str(path))
    assert said in refused.value.what


def test_keys_that_do_not_fit_exponent_3_are_refused(tmp_path: Path) -> None:
    source = Path(__file__).parents[2] / "device_profiles" / "data" / "authorities" / "tillguard-test.toml"
    lines = ['test-p = "07"' if line.startswith("test-p") else line for line in source.read_text().splitlines()]
    path = tmp_path / "authority.toml"
    path.write_text("\n".join(lines))
    with pytest.raises(Fault, match="primes whose product"):
        load_authority(str(path))
