# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The [report] section, as the settings reader takes it from a file."""

from pathlib import Path

import pytest

from protocols.telemetry.events import Lane
from terminal_agent.report.settings import ReportSettings
from tillguard.settings import load
from tillguard.voice import Fault

GOOD = 'broker = "127.0.0.1:8883"\nca = "ca.pem"\ncertificate = "t.pem"\nkey = "t.key"\n'


def read(tmp_path: Path, text: str) -> ReportSettings:
    path = tmp_path / "report.toml"
    path.write_text(text)
    return load(path, ReportSettings)


def test_good_section(tmp_path: Path) -> None:
    settings = read(tmp_path, GOOD)
    assert settings.address == ("127.0.0.1", 8883)
    assert settings.ca == tmp_path / "ca.pem"
    assert settings.lanes.octets[Lane.BULK] == 16 << 20
    assert settings.receipt_key is None
    assert read(tmp_path, GOOD.replace("127.0.0.1", "[::1]")).address == ("::1", 8883)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("127.0.0.1:8883", "127.0.0.1", "broker: HOST:PORT expected"),
        ("127.0.0.1:8883", ":8883", "broker: HOST:PORT expected"),
        ("127.0.0.1:8883", "h:0", "broker: HOST:PORT expected"),
        ("127.0.0.1:8883", "h:65536", "broker: HOST:PORT expected"),
        ('key = "t.key"', "", "key: missing"),
        ('key = "t.key"', 'key = "t.key"\ntls = false', "tls: unknown key"),
        ('key = "t.key"', 'key = "t.key"\n[lanes]\nbulk-kib = 1', "bulk-kib: 64 to 1048576 expected"),
        ('key = "t.key"', 'key = "t.key"\nheartbeat-s = 1', "heartbeat-s: 5 to 3600 expected"),
        ('key = "t.key"', 'key = "t.key"\nreceipt-s = 0.5', "receipt-s: 1 to 3600 expected"),
        ('key = "t.key"', 'key = "t.key"\nkeep-alive-s = 1', "keep-alive-s: 5 to 300 expected"),
    ],
)
def test_bad_sections(tmp_path: Path, old: str, new: str, words: str) -> None:
    with pytest.raises(Fault, match=words):
        read(tmp_path, GOOD.replace(old, new))
