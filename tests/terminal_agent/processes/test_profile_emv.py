# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What a terminal profile says of cards: lists of CA keys, the exception file, and what no flow can do yet."""

import datetime
import hashlib
import hmac
from pathlib import Path

import pytest

from protocols.pan import Pan
from terminal_agent.cli import main
from terminal_agent.processes.profile import authorities, load, models
from tests.flows.stage import PROFILE, TERMINAL, TLS
from tillguard.voice import Fault

PAN = Pan("4000009999990057")
KEY = bytes(range(16))


def written(folder: Path, extra: str = "") -> Path:
    """A sound profile in ``folder`` with lines added to [emv]."""
    (folder / "pki").mkdir()
    for name in ("ca.pem", f"{TERMINAL}.pem", f"{TERMINAL}.key"):
        (folder / "pki" / name).write_text("not looked into here")
    text = PROFILE.format(
        terminal=TERMINAL,
        reader="/dev/ttyUSB0",
        pad="/dev/ttyUSB1",
        card_s=5,
        pin_s=5,
        acquirer_s=5,
        acquirer="127.0.0.1:5000",
        tls=TLS,
        broker="localhost:8883",
    )
    path = folder / "terminal.toml"
    path.write_text(text.replace("[[emv.aids]]", f'capabilities = "E0F8C8"\n{extra}\n[[emv.aids]]', 1))
    return path


def found(path: Path) -> object:
    return models(load(path), path)


def test_the_test_keys_are_the_default(tmp_path: Path) -> None:
    path = written(tmp_path)
    keys = models(load(path), path).authorities
    assert len(keys.keys) == 3
    assert keys.find(bytes.fromhex("A000000003"), 0xE7, datetime.date(2026, 1, 1)).index == 0xE7


def test_live_keys_by_name(tmp_path: Path) -> None:
    path = written(tmp_path, 'ca-keys = ["visa-live", "mastercard-live"]')
    assert len(models(load(path), path).authorities.keys) == 7


def test_live_and_test_keys_do_not_go_together(tmp_path: Path) -> None:
    path = written(tmp_path, 'ca-keys = ["visa-live", "tillguard-test"]')
    with pytest.raises(Fault, match="together with lists of TEST keys") as refused:
        found(path)
    assert "anybody can make a card under a TEST key" in refused.value.hint


def test_an_own_list_lies_beside_the_profile(tmp_path: Path) -> None:
    shipped = Path(__file__).parents[3] / "device_profiles" / "data" / "ca-keys" / "tillguard-test.toml"
    (tmp_path / "mine.toml").write_text(shipped.read_text())
    assert len(authorities(("mine.toml",), tmp_path / "terminal.toml").keys) == 3
    with pytest.raises(Fault, match="no model 'visa-life' among the ca-keys"):
        authorities(("visa-life",), tmp_path / "terminal.toml")


def test_no_list_is_no_key(tmp_path: Path) -> None:
    path = written(tmp_path, "ca-keys = []")
    assert models(load(path), path).authorities.keys == ()


def test_the_exception_file(tmp_path: Path) -> None:
    listed = hmac.digest(KEY, PAN.digits.encode(), hashlib.sha256).hex()
    (tmp_path / "stolen.txt").write_text(f"{listed}\n{'00' * 32}\n")
    (tmp_path / "stolen.key").write_text(KEY.hex())
    path = written(tmp_path, '[emv.exceptions]\nfile = "stolen.txt"\nkey-file = "stolen.key"\n')
    text = path.read_text()
    assert "[emv.exceptions]" in text
    exceptions = models(load(path), path).exceptions
    assert exceptions is not None
    assert exceptions.lists(PAN, 1)
    assert not exceptions.lists(Pan("4000009999990016"), 1)


@pytest.mark.parametrize(
    ("stolen", "key", "said"), [(None, "", "No such file"), ("zz", KEY.hex(), "no exception file")]
)
def test_a_list_that_cannot_be_read_is_no_empty_list(stolen: str | None, key: str, said: str, tmp_path: Path) -> None:
    if stolen is not None:
        (tmp_path / "stolen.txt").write_text(stolen)
        (tmp_path / "stolen.key").write_text(key)
    path = written(tmp_path, '[emv.exceptions]\nfile = "stolen.txt"\nkey-file = "stolen.key"\n')
    with pytest.raises(Fault, match=said):
        found(path)


@pytest.mark.parametrize("name", ["signature", "cardholder-choice"])
def test_people_at_the_till_can_be_asked(name: str, tmp_path: Path) -> None:
    assert load(written(tmp_path, f"{name} = true"))


def test_nobody_looks_at_signatures_beside_an_unattended_terminal(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="nobody stands beside an unattended terminal"):
        load(written(tmp_path, 'signature = true\nterminal-type = "25"'))


VAULT = """
[vault]
store = "vault/store"
counter = "elsewhere/counter"
card-pin = {}
"""


def test_a_pin_that_is_enciphered_for_the_card_needs_a_vault_that_does_so(tmp_path: Path) -> None:
    path = written(tmp_path, "enciphered-pin = true")
    plain = path.read_text()
    for vault in ("", VAULT.format("false")):
        path.write_text(plain + vault)
        with pytest.raises(Fault, match="card-pin = true expected"):
            load(path)
    path.write_text(plain + VAULT.format("true"))
    with pytest.raises(Fault, match="the pad ipp-uic cannot encipher a PIN for a card"):
        found(path)
    path.write_text(path.read_text().replace('"ipp-uic"', '"software"'))
    assert found(path)


def test_a_pin_for_the_card_needs_a_reader_with_keys(tmp_path: Path) -> None:
    path = written(tmp_path, "offline-pin = true")
    with pytest.raises(Fault, match="the reader pn532 has no keys for a PIN"):
        found(path)
    path.write_text(path.read_text().replace('"pn532"', '"gempc-pinpad"').replace('"/dev/ttyUSB0"', '"pcsc:GemPC"'))
    assert models(load(path), path).reader.keypad


def test_no_payment_is_made_with_a_stripe(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_text(path.read_text().replace('"pn532"', '"swipe-hid"'))
    with pytest.raises(Fault, match="no payment is made with a stripe"):
        found(path)


def test_the_check_tells_the_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path)
    (tmp_path / "state").mkdir()
    assert main(["profile", "check", str(path)]) == 0
    assert "CA keys   3 of tillguard-test" in capsys.readouterr().out
