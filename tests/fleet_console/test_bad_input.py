# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What persons give `fleet-console` by mistake: a clear fault and exit code, no traceback, nothing half done."""

import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from fleet_console import cli, files
from tests.brokers import Pki, make_pki
from tests.fleet_console.estate import make_estate
from tillguard.exits import Exit
from tillguard.voice import Fault


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def office(tmp_path: Path, pki: Pki, capsys: pytest.CaptureFixture[str]) -> Path:
    """Settings of a head office that knows TG000001."""
    path = tmp_path / "office.toml"
    path.write_text('store = "fleet.db"\n')
    assert told(capsys, "terminals", "import", "--certificates", str(pki.ca.parent), settings=path)[0] == 0
    return path


def told(capsys: pytest.CaptureFixture[str], *words: str, settings: Path | None = None) -> tuple[int, str]:
    """Exit code, and what was said on standard error."""
    more = [] if settings is None else ["--settings", str(settings)]
    try:
        code = cli.main([*words, *more])
    except SystemExit as ended:  # argparse
        code = int(ended.code or 0)
    return code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["audit", "show", "--limit", "9" * 30], "--limit: 1 to "),
        (["audit", "show", "--limit", "-1"], "--limit: 1 to "),
        (["events", "--terminal", "TG/1"], "--terminal: a terminal's name expected"),
        (["events", "--terminal", "\udcff"], "--terminal: a terminal's name expected"),
        (["orders", "show", "\udcff"], "trust: missing"),
        (["terminals", "isolate", "TG000001", "--reason", "x" * 100_000], "--reason: 1 to 200 printable characters"),
        (["terminals", "isolate", "TG000001", "--reason", "two\nlines"], "--reason: 1 to 200 printable characters"),
        (
            ["terminals", "import", "--certificates", "{pki}", "--only", "/etc/*"],
            "no terminal's certificate",
        ),
        (["terminals", "import", "--certificates", "{pki}", "--only", "**x"], "no terminal's certificate"),
        (["terminals", "import", "--certificates", "x" * 5_000], "a path that is longer than this system takes"),
        (["terminals", "add", "TG000009", "--certificate", "/dev/zero"], "/dev/zero: larger than 1 MiB"),
        (["terminals", "add", "TG000009", "--certificate", "{pki}"], "is a directory"),
        (["terminals", "add", "TG000009", "--certificate", "a\x1b[31mb"], "a?[31mb: no such file"),
    ],
)
def test_arguments(office: Path, pki: Pki, capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    code, error = told(capsys, *(one.format(pki=pki.ca.parent) for one in words), settings=office)
    assert code in (Exit.USAGE, Exit.ABSENT)
    assert said in error
    assert "Traceback" not in error
    assert "hint: " in error


@pytest.mark.parametrize("address", ["h:" + "9" * 5_000, "../x:1883", "a\nb:1883", f"{'x' * 64}.example:1883"])
def test_addresses_of_a_broker(pki: Pki, capsys: pytest.CaptureFixture[str], address: str) -> None:
    paths = [
        "--ca",
        str(pki.ca),
        "--certificate",
        str(pki.certificate("head-office")),
        "--key",
        str(pki.key("head-office")),
    ]
    code, error = told(capsys, "watch", "--broker", address, *paths)
    assert code == 2
    assert error.splitlines()[-2].startswith("fleet-console: error: --broker: HOST:PORT expected, ")


def test_an_address_in_the_settings_is_named_as_it_stands_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = make_estate(tmp_path).settings("fleet.db")
    settings.write_text(re.sub('address = ".*"', 'address = "127.0.0.1:70000"', settings.read_text()))
    code, error = told(capsys, "ingest", "--settings", str(settings))
    assert code == 2
    assert "error: [broker] address: HOST:PORT expected, the port 1 to 65535" in error


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--port", "70000"], "--port: 1 to 65535 expected"),
        (["--office-port", "-1"], "--office-port: 1 to 65535 expected"),
        (["--admit", "nowhere"], "nowhere: no such folder"),
        (["--user", "root\nallow_anonymous true"], "that mosquitto.conf cannot hold"),
        (["--office-address", "0.0.0.0\nlistener 1884"], "that mosquitto.conf cannot hold"),
        (["--crl", "revoked\udcff.pem"], "that mosquitto.conf cannot hold"),
    ],
)
def test_a_brokers_configuration_is_not_written_from_nonsense(
    pki: Pki, tmp_path: Path, capsys: pytest.CaptureFixture[str], given: list[str], said: str
) -> None:
    names = {"ca": pki.ca, "certificate": pki.certificate("broker"), "key": pki.key("broker")}
    paths = [word for name, path in names.items() for word in (f"--{name}", str(path))]
    paths += ["--office-ca", str(pki.certificate("head-office")), "--dir", str(tmp_path / "broker")]
    code, error = told(capsys, "broker", "config", *paths, *given)
    assert code == Exit.USAGE
    assert said in error
    assert not (tmp_path / "broker").exists()


def test_a_number_of_an_order_is_bounded_before_it_is_read(
    office: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["orders", "new", "resend", "--terminal", "TG000001", "--sequence", "1", "--out", str(tmp_path / "o")]
    code, error = told(capsys, *words, "--set", f"boot={'9' * 5_000}", "--key", str(office), settings=office)
    assert (code, "--set boot: a whole number of at most 19 digits expected" in error) == (2, True)


def test_stored_rows_that_nobody_wrote_are_told_as_damage(office: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with sqlite3.connect(office.parent / "fleet.db") as database:
        database.execute("UPDATE audit SET line = x'00'")
    database.close()
    code, error = told(capsys, "audit", "show", settings=office)
    assert code == Exit.INTEGRITY
    assert "the store holds what was not written there" in error


def test_followed_events_end_when_their_reader_goes_away(office: Path) -> None:
    """As with ``| head -1``: not only at the next event, which may be hours away."""
    words = [sys.executable, "-m", "fleet_console.cli", "events", "--follow", "--settings", str(office)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as following:
        assert following.stdout is not None
        following.stdout.close()
        assert following.wait(60) == 0


def test_a_file_is_written_whole_or_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "order"
    path.write_bytes(b"signed once")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(Fault, match="order: no space left on device"):
            files.put(path, b"signed twice")
    assert path.read_bytes() == b"signed once"
    assert list(tmp_path.iterdir()) == [path]
    files.put(path, b"signed twice")
    assert path.read_bytes() == b"signed twice"


def test_what_is_no_plain_file_is_written_to_and_kept(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("real")
    files.put(tmp_path / "link", b"signed")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"signed"
    files.put(Path("/dev/null"), b"signed")
    assert Path("/dev/null").is_char_device()


def test_a_pipe_that_nobody_writes_to_is_empty(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert files.octets_of(tmp_path / "pipe") == b""
