# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Every published key block: what it holds, whether X9.143:2021 or only TR-31 allows it, and what the errata are."""

import json
from typing import Any

import pytest

from protocols.errors import DecodeError, IntegrityError
from protocols.keyblock import binding, optional
from protocols.keyblock.codes import FORMS, Binding, Cipher
from protocols.keyblock.header import Header
from protocols.keyblock.x9143 import ProtectionKey
from protocols.secret import ClearKey
from tests.protocols.keyblock.samples import GOOD, STANDARD, UIC, VECTORS, WRAPPED, Sample

LENGTH_SHOWS = "the length of the key is not hidden"
SHORT_DES = "a single DES key under the algorithm triple DES"
NO_KSN = "20 hexadecimal digits expected"

FORGIVEN = {
    **dict.fromkeys(
        ["tr31-1a", "tr31-1b", "tr31-1c", "tr31-2", "tr31-3", "tr31-4", "tr31-5", "tr31-6", "tr31-9", "psec-29",
         "psec-30", "psec-31", "psec-32", "psec-37", "oemv-tool-B0128B1TX-38", "oemv-tool-B0128B1T9-44", *UIC],
        (LENGTH_SHOWS,),
    ),
    **dict.fromkeys(["psec-20", "psec-21", "psec-22"], (SHORT_DES,)),
    "psec-35": (NO_KSN,),
    "oemv-tool-B0120B1TX-45": (NO_KSN, LENGTH_SHOWS),
}  # fmt: skip
"""What a lenient reader forgives, by vector. All others are as X9.143:2021 wants them."""

DISAGREEMENTS = {
    "tr31-17": "psec reads the extended length of optional blocks wrongly",
    "tr31-18": "psec reads the extended length of optional blocks wrongly",
    "psec-20": "openemv takes no key of 8 octets under the algorithm T, nor do we if strict",
    "psec-21": "openemv takes no key of 8 octets under the algorithm T, nor do we if strict",
    "psec-22": "openemv takes no key of 8 octets under the algorithm T, nor do we if strict",
    "oemv-tool-B0128B1T9-44": "openemv knows no mode of use 9, an owner's own code, which a policy may still refuse",
}
"""Why one public implementation disagrees with the others on a vector: what docs/keys.md explains."""


@pytest.mark.parametrize("sample", GOOD.values(), ids=GOOD)
def test_the_key_in_it(sample: Sample) -> None:
    found = sample.protection().unwrap(sample.text, strict=False)
    assert bytes(found.key.reveal()).hex().upper() == sample.expected
    expected = FORGIVEN.get(sample.name, ())
    assert len(found.forgiven) == len(expected)
    assert all(said.endswith(reason) for said, reason in zip(found.forgiven, expected, strict=True))


@pytest.mark.parametrize("sample", GOOD.values(), ids=GOOD)
def test_whether_the_standard_in_force_allows_it(sample: Sample) -> None:
    key = sample.protection()
    if sample.name in FORGIVEN:
        with pytest.raises(DecodeError, match=FORGIVEN[sample.name][0]):
            key.unwrap(sample.text)
    else:
        assert key.unwrap(sample.text).forgiven == ()


@pytest.mark.parametrize(
    ("name", "where", "lenient"),
    [
        ("x9143-8.2-erratum", "optional block 1 (KS", True),
        ("x9143-8.3.2.1-erratum", "characters 1 to 4", False),
        ("x9143-8.3.2.2-erratum", "characters 1 to 4", False),
    ],
)
def test_what_the_standard_misprints(name: str, where: str, lenient: bool) -> None:
    sample = STANDARD[name]
    assert sample.status == "standard-erratum"
    with pytest.raises(DecodeError) as caught:
        sample.protection().unwrap(sample.text)
    assert where in str(caught.value)
    if lenient:  # its MAC is right: only its optional blocks are not what their names promise
        assert len(sample.protection().unwrap(sample.text, strict=False).forgiven) == 2
    else:
        with pytest.raises(DecodeError):
            sample.protection().unwrap(sample.text, strict=False)


def test_all_are_here() -> None:
    assert len(STANDARD) + len(WRAPPED) == 54
    assert {sample.name for sample in STANDARD.values() if sample.status == "partial"} == set(DISAGREEMENTS)
    assert sum(sample.status == "standard-erratum" for sample in STANDARD.values()) == 3


@pytest.mark.parametrize("entry", WRAPPED, ids=lambda entry: entry["id"])
def test_wrapping_bit_for_bit(entry: dict[str, Any]) -> None:
    given = entry["input"]
    text = given["header"]
    header = Header(text[0], text[5:7], text[7], text[8], text[9:11], text[11])
    key = ProtectionKey(FORMS[text[0]].cipher, bytes.fromhex(given["kbpk"]))
    made = key.wrap(header, bytes.fromhex(given["key"]), bytes.fromhex(given["pad"]), hide_length=False)
    assert made == entry["expected"]
    assert bytes(key.unwrap(made, strict=False).key.reveal()).hex().upper() == given["key"]


def test_the_derived_keys_that_a_manual_prints() -> None:
    entry = json.loads((VECTORS / "uic_key_blocks.json").read_text())["vectors"][0]
    made = binding.derived_keys(Cipher.TDES, Binding.DERIVATION_CBC, ClearKey.from_hex(entry["input"]["kbpk"]))
    assert made == (ClearKey.from_hex(entry["kbek"]), ClearKey.from_hex(entry["kbmk"]))


def test_a_block_of_the_standard_made_again() -> None:
    """A block with check values and padding keeps its text when wrapped with the same fill."""
    sample = STANDARD["oemv-tool-D0144B1TX-43"]
    with sample.protection() as key:
        found = key.unwrap(sample.text)
        again = key.wrap(found.header, found.key, bytes(64))
        assert again[:48] == sample.text[:48]
        assert key.unwrap(again).key == found.key


def test_what_the_optional_blocks_say() -> None:
    rsa = STANDARD["tr31-17"].protection().unwrap(STANDARD["tr31-17"].text).header
    assert [block.identifier for block in rsa.optional] == ["CT", "KP", "TS", "PB"]
    certificate = rsa.first("CT")
    assert certificate is not None
    assert optional.certificates_of(certificate)[0][:2] == b"\x30\x82"
    stamp = rsa.first("TS")
    assert stamp is not None
    assert optional.time_of(stamp).isoformat() == "2020-08-18T22:12:18+00:00"
    assert rsa.first("KP") == optional.check_value_block("KP", "A", STANDARD["tr31-17"].kbpk)

    chain = STANDARD["tr31-18"].protection().unwrap(STANDARD["tr31-18"].text).header.first("CT")
    assert chain is not None
    assert len(optional.certificates_of(chain)) == 2

    dukpt = (
        STANDARD["oemv-tool-B0128B1TX-38"].protection().unwrap(STANDARD["oemv-tool-B0128B1TX-38"].text, strict=False)
    )
    serial, own, above = (dukpt.header.first(name) for name in ("KS", "KC", "KP"))
    assert serial is not None
    assert optional.serial_number(serial).hex().upper() == "FFFF00A0200001E00000"
    assert own == optional.check_value_block("KC", "T", dukpt.key)
    assert above == optional.check_value_block("KP", "T", STANDARD["oemv-tool-B0128B1TX-38"].kbpk)


def test_another_key_opens_none() -> None:
    for sample in GOOD.values():
        wrong = bytearray(sample.kbpk)
        wrong[0] ^= 0x10
        with pytest.raises(IntegrityError):
            ProtectionKey(FORMS[sample.text[0]].cipher, wrong).unwrap(sample.text, strict=False)
