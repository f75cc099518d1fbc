# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Programs that others wrote for a PN532 take our twin for one: libnfc's nfc-list in C, and nfcpy, both unmodified.

nfcpy speaks ISO/IEC 14443-4 itself, through the chip; nfc-list looks for ten sorts of cards. What they see is compared
with what the card answers in this process.
"""

import errno
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from device_profiles.card_profile import load_card
from device_profiles.twins.card import CardTwin
from tests.patience import PATIENCE_S

CLIENT = Path(__file__).parents[1] / "clients/nfc_client.py"
SELECT_PPSE = "00A404000E325041592E5359532E444446303100"
UNKNOWN = "00FF000000"
LONG = "00A40400FF" + "41" * 255 + "00"  # in a frame of 64 octets, and in one of 256, it has to be chained
ATTEMPTS = 8
ACKNOWLEDGED_LATE = os.strerror(errno.ETIMEDOUT)
ADDRESS = "https://example.com/menu"


@contextmanager
def line(tmp_path: Path, *words: str) -> Iterator[str]:
    """A PN532 twin in a process of its own, and the terminal it is on."""
    argv = [sys.executable, "-m", "device_profiles.cli", "reader", "--link", str(tmp_path / "reader"), *words]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as twin:
        assert twin.stdout is not None
        twin.stdout.readline()
        try:
            yield str((tmp_path / "reader").readlink())
        finally:
            twin.terminate()
            assert twin.wait(PATIENCE_S) == 0


def nfcpy(where: str, *apdus: str) -> dict[str, Any]:
    """What it found. It gives the chip 100 ms to acknowledge, which a busy machine may use up: then it tries again."""
    argv = [sys.executable, str(CLIENT), where, *apdus]
    for _ in range(ATTEMPTS):
        ran = subprocess.run(argv, capture_output=True, text=True, timeout=60)
        if ran.returncode == 0 or ACKNOWLEDGED_LATE not in ran.stderr:
            break
    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def nfc_list(where: str) -> str:
    environment = os.environ | {"LIBNFC_DEVICE": f"pn532_uart:{where}:115200"}
    ran = subprocess.run(["nfc-list", "-v"], env=environment, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0
    assert "opened" in ran.stdout
    return ran.stdout


def counted(said: str) -> list[int]:
    """How many of each of its ten sorts it found; ISO 14443 A is the first, B the fourth."""
    return [int(count) for count in re.findall(r"(\d+) .* passive target\(s\) found", said)]


def answer(card: str, *apdus: str) -> list[str]:
    twin = CardTwin(load_card(card), os.urandom)
    twin.power_on()
    return [twin.apdu(bytes.fromhex(apdu)).hex().upper() for apdu in apdus]


@pytest.mark.parametrize(
    ("card", "kind", "type_"), [("test-visa-like", "106A", "Type4Tag"), ("test-visa-b", "106B", "Type4Tag")]
)
def test_nfcpy_talks_to_a_payment_card(card: str, kind: str, type_: str, tmp_path: Path) -> None:
    apdus = (SELECT_PPSE, UNKNOWN, LONG)
    with line(tmp_path, "--card", card, "--tap-after", "0") as where:
        found = nfcpy(where, *apdus)
    assert found == {
        "kind": kind,
        "type": type_,
        "answers": answer(card, *apdus),
        "addresses": [],
        "present": True,
    }


def test_nfcpy_reads_a_tag(tmp_path: Path) -> None:
    with line(tmp_path, "--tag", ADDRESS, "--tap-after", "0") as where:
        found = nfcpy(where, SELECT_PPSE)
    assert found["answers"] == ["6A82"]
    assert found["addresses"] == [ADDRESS]
    assert found["present"]


def test_nfcpy_finds_nobody(tmp_path: Path) -> None:
    with line(tmp_path) as where:
        assert nfcpy(where) == {"kind": None}


def test_nfc_list_finds_a_card_of_type_a(tmp_path: Path) -> None:
    with line(tmp_path, "--card", "test-visa-like", "--tap-after", "0") as where:
        said = nfc_list(where)
    assert "1 ISO14443A passive target(s) found" in said
    assert "ATQA (SENS_RES): 00  04" in said
    assert "UID (NFCID3): 08" in said
    assert "SAK (SEL_RES): 20" in said
    assert "ATS: 78  80  70  02" in said
    assert counted(said)[1:] == [0] * 9


def test_nfc_list_finds_a_card_of_type_b(tmp_path: Path) -> None:
    with line(tmp_path, "--card", "test-visa-b", "--tap-after", "0") as where:
        said = nfc_list(where)
    assert counted(said) == [0, 0, 0, 1, 0, 0, 0, 0, 0, 0]
    assert "Application Data: 00  00  00  00" in said
    assert "Protocol Info: 00  81  71" in said


def test_nfc_list_finds_nobody(tmp_path: Path) -> None:
    with line(tmp_path) as where:
        assert counted(nfc_list(where)) == [0] * 10
