# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A card's counter survives its process and is stored before the answer that used it."""

from pathlib import Path

import pytest

from device_profiles.serve.card_memory import RememberingCard, remembered
from device_profiles.twins.activation import Activation
from tillguard.voice import Fault


class Counting:
    def __init__(self, atc: int) -> None:
        self.atc = atc

    def power_on(self) -> Activation:
        raise AssertionError("not asked for here")

    def power_off(self) -> None: ...

    def apdu(self, command: bytes) -> bytes:
        self.atc += command == b"pay"
        return b"\x90\x00"


def test_counts_on_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "card.state"
    assert remembered(path) == 0
    card = RememberingCard(Counting(remembered(path)), path)
    card.apdu(b"select")
    assert not path.exists()
    card.apdu(b"pay")
    assert remembered(path) == 1
    RememberingCard(Counting(remembered(path)), path).apdu(b"pay")
    assert remembered(path) == 2


@pytest.mark.parametrize("content", [b"", b"x", b"-1", b"65536", b"\xff"])
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "card.state"
    path.write_bytes(content)
    with pytest.raises(Fault, match="no transaction counter"):
        remembered(path)


def test_a_full_disk_gives_no_answer(tmp_path: Path) -> None:
    card = RememberingCard(Counting(0), tmp_path / "missing" / "card.state")
    with pytest.raises(Fault, match="cannot be written"):
        card.apdu(b"pay")
