# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The profile's section [emv] and the request: what is accepted, and what each mistake is told."""

import datetime
from pathlib import Path

import pytest

from protocols.emv.bits import Ttq
from terminal_agent.emv import Combination, EmvTerminal, TransactionRequest
from tests.terminal_agent.emv.session import VISA, request, terminal
from tillguard.settings import load
from tillguard.voice import Fault

TOML = """
country = "276"
currency = "978"
serial-number = "TG000001"
terminal-type = "22"
capabilities = "E040C8"
online-pin = true
consumer-device-cvm = true
merchant-category = "5411"

[[aids]]
aid = "A0000000031010"
kernel = 3
application-version = "0096"
transaction-limit = 500000
cvm-limit = 2500
floor-limit = 0
"""


def test_a_profile_is_read(tmp_path: Path) -> None:
    path = tmp_path / "emv.toml"
    path.write_text(TOML)
    loaded = load(path, EmvTerminal)
    assert loaded.aids == (Combination(VISA, 500_000, 2_500, 3, 0, "0096"),)
    assert loaded.qualifiers == Ttq.EMV_MODE | Ttq.ONLINE_PIN | Ttq.CONSUMER_DEVICE_CVM
    assert loaded.country_octets == bytes.fromhex("0276")


@pytest.mark.parametrize(
    ("line", "change", "where", "said"),
    [
        ('country = "276"', 'country = "DE"', "", "country: three digits"),
        ('currency = "978"', 'currency = "000"', "", "currency: not a numeric code"),
        ('serial-number = "TG000001"', 'serial-number = "1"', "", "serial-number: eight letters"),
        ('terminal-type = "22"', 'terminal-type = "2"', "", "terminal-type: 2 hexadecimal digits"),
        ('capabilities = "E040C8"', 'capabilities = "E00008"', "", "octet 2 bit 7"),
        ('capabilities = "E040C8"', 'capabilities = "E040C8"\nsignature = true', "", "octet 2 bit 6"),
        ('merchant-category = "5411"', 'merchant-category = "54"', "", "four digits"),
        ("kernel = 3", "kernel = 7", "aids[0]", "kernel: 7 is not built, known: 2, 3"),
        ('aid = "A0000000031010"', 'aid = "A000"', "aids[0]", "aid: 10 to 32 hexadecimal digits"),
        ("cvm-limit = 2500", "cvm-limit = -1", "aids[0]", "cvm-limit: 0 to"),
        ("cvm-limit = 2500", "cvm-limits = 2500", "aids[0]", "unknown key"),
        ("cvm-limit = 2500", "", "aids[0]", "missing"),
    ],
)
def test_a_mistake_names_its_place(tmp_path: Path, line: str, change: str, where: str, said: str) -> None:
    assert line in TOML
    path = tmp_path / "emv.toml"
    path.write_text(TOML.replace(line, change))
    with pytest.raises(Fault) as caught:
        load(path, EmvTerminal)
    assert str(path) in caught.value.what
    assert where in caught.value.what
    assert said in caught.value.what


def test_at_least_one_application_and_none_twice() -> None:
    with pytest.raises(ValueError, match="at least one"):
        terminal(aids=())
    with pytest.raises(ValueError, match="listed twice"):
        terminal(aids=(Combination(VISA, 1, 1), Combination(VISA.lower(), 1, 1)))


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": -1},
        {"amount": 10**12},
        {"currency": "EUR"},
        {"unpredictable_number": b"\0\0\0"},
        {"sequence_counter": 0},
        {"transaction_type": 0x20},
        {"transaction_type": 0x09},
        {"cashback": 100},
        {"transaction_type": 0x09, "cashback": 5_000},
    ],
    ids=str,
)
def test_requests_that_cannot_be(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        request(**changes)


def test_a_request_is_a_value() -> None:
    assert request() == request()
    assert isinstance(request(), TransactionRequest)
    assert request().date == datetime.date(2025, 11, 22)
