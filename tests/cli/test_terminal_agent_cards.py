# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``terminal-agent reader`` and ``terminal-agent card`` as a bench engineer types them, on our own service."""

import contextlib
import json
import os
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.lib.stations import command
from terminal_agent.cli import main
from terminal_agent.cli.reader_doctor import without_serials
from tests.flows.lab_stage import planted_contact_card
from tests.patience import PATIENCE_S
from tests.secrets.twins import planted_profiles
from tests.twin_pcscd import TwinPcscd

AGENT = command("terminal-agent")
SELECT = "00A4040007A000000003101000"


@pytest.fixture
def twin(tmp_path: Path) -> Iterator[TwinPcscd]:
    words = ("--keypad", "Till Pad=test-visa-contact", "--reader", "Gemalto PC Twin Reader (70D7E2EE)")
    with TwinPcscd(*words, folder=tmp_path / "p") as service:
        yield service


def agent(twin: TwinPcscd, *words: str, code: int = 0) -> str:
    done = twin.client(AGENT, *words)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stdout + done.stderr


def documents(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_reader_list(twin: TwinPcscd) -> None:
    (listed,) = documents(agent(twin, "reader", "list", "--json"))
    by_name = {one["name"]: one for one in listed["readers"]}
    pad, gem = by_name["Till Pad 01 00"], by_name["Gemalto PC Twin Reader (70D7E2EE) 00 00"]
    assert pad["card"] == "ATR 3BE000008131FE45EB"
    assert pad["keypad"] == "takes PINs"
    assert "VERIFY_PIN_DIRECT" in pad["features"]
    assert (gem["card"], gem["profile"], gem["tier"]) == ("none", "gempc-twin", "datasheet only")
    text = agent(twin, "reader", "list")
    assert "  tier     datasheet only" in text


def test_reader_watch(twin: TwinPcscd) -> None:
    environment = os.environ | {"PCSCLITE_CSOCK_NAME": twin.socket}
    argv = [AGENT, "reader", "watch", "--json"]
    with subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, text=True) as watch:
        assert watch.stdout is not None

        def said(count: int) -> list[str]:
            assert watch.stdout is not None
            return [json.loads(watch.stdout.readline())["event"] for _ in range(count)]

        assert said(3) == ["reader.came", "reader.came", "card.came"]
        twin.order("remove Till Pad")
        assert said(1) == ["card.went"]
        twin.order("plug Other=test-visa-contact")
        assert said(2) == ["reader.came", "card.came"]
        twin.order("unplug Other")
        assert said(2) == ["card.went", "reader.went"]
        twin.order("turn Till Pad")
        assert said(1) == ["card.mute"]
        twin.kill()
        assert said(4) == ["reader.went", "card.went", "reader.went", "service.lost"]
        twin.order("remove Till Pad")
        twin.start()
        assert said(3) == ["service.back", "reader.came", "reader.came"]
        watch.send_signal(signal.SIGINT)
        assert watch.wait(PATIENCE_S) == 0


def test_doctor_finds_nothing_wrong(twin: TwinPcscd, tmp_path: Path) -> None:
    bundle = tmp_path / "report.tar.gz"
    text = agent(twin, "reader", "doctor", "--capture", str(bundle))
    assert "ok    service   the PC/SC service answers" in text
    with tarfile.open(bundle) as packed:
        (entry,) = packed.getmembers()
        held = packed.extractfile(entry)
        assert held is not None
        report = held.read().decode()
    assert "70D7E2EE" not in report
    assert [one["name"] for one in json.loads(report)["readers"]] == [
        "Gemalto PC Twin Reader (serial-1) 00 00",
        "Till Pad 01 00",
    ]
    assert bundle.stat().st_mode & 0o777 == 0o600
    again = agent(twin, "reader", "doctor", "--capture", str(bundle), code=2)
    assert "exists already" in again


def test_no_serial_number_is_left_in_a_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    reader = {"name": "Gem (Contact) [x] (70D7E2EE) 00 1F", "serial": "", "problem": "Gem (70D7E2EE) is held"}
    short = {"name": "Other 01 00", "serial": "0", "fine": True}
    report: dict[str, object] = {"readers": [reader, short], "findings": ["/home/somebody/pcscd.comm: not there"]}
    told = json.dumps(without_serials(report))
    assert "70D7E2EE" not in told
    assert "somebody" not in told
    assert json.loads(told) == {
        "readers": [
            {"name": "Gem (Contact) [x] (serial-2) 00 1F", "serial": "", "problem": "Gem (serial-2) is held"},
            {"name": "Other 01 00", "serial": "serial-1", "fine": True},
        ],
        "findings": ["~/pcscd.comm: not there"],
    }


def test_doctor_names_the_cure(twin: TwinPcscd) -> None:
    twin.order("turn Till Pad")
    assert "turn it: chip first" in agent(twin, "reader", "doctor", code=1)
    twin.order("unplug Till Pad")
    twin.order("unplug Gemalto PC Twin Reader (70D7E2EE)")
    assert "plug one in" in agent(twin, "reader", "doctor", code=1)
    assert "no reader is plugged in" in agent(twin, "reader", "list", code=3)
    twin.kill()
    text = agent(twin, "reader", "doctor", code=1)
    assert "FAIL  service   the PC/SC service does not run" in text
    assert "systemctl start pcscd" in text
    assert "does not run" in agent(twin, "reader", "list", code=3)


def test_card_read_tells_every_tag_in_words(twin: TwinPcscd) -> None:
    text = agent(twin, "card", "read", "--reader", "Pad")
    for line in (
        "contact card, T=1, ATR 3BE000008131FE45EB",
        "application A0000000031010",
        "      50  Application Label: 'TEST CREDIT'",
        "    5A  Application Primary Account Number: 400000******0057",
        "        file 1, records 1 to 1, the first 0 of them signed",
        "        issuer authentication by EXTERNAL AUTHENTICATE",
    ):
        assert line in text.splitlines()
    assert "4000009999990057" not in text
    (document,) = documents(agent(twin, "card", "read", "--reader", "Pad", "--json"))
    assert document["applications"][0]["aid"] == "A0000000031010"


def test_card_read_of_a_contactless_card(twin: TwinPcscd) -> None:
    twin.order("insert Till Pad=test-visa-like")
    text = agent(twin, "card", "read", "--reader", "Pad")
    assert "directory 2PAY.SYS.DDF01" in text
    assert "9F6C  Card Transaction Qualifiers" in text


def test_card_apdu(twin: TwinPcscd) -> None:
    twin.order("insert Till Pad=test-visa-contact;transmission=t0")
    text = agent(twin, "card", "apdu", "--reader", "Pad", SELECT, "80CA9F3600")
    assert f"> {SELECT}" in text
    assert "  OK 6F=(84=A0000000031010" in text or "84=A0000000031010" in text
    raw = documents(agent(twin, "card", "apdu", "--raw", "--json", "--reader", "Pad", SELECT))
    assert raw[0]["answer"].startswith("61")
    assert "write header" in agent(twin, "card", "apdu", "--reader", "Pad", "00A4", code=2)
    assert "hexadecimal" in agent(twin, "card", "apdu", "--reader", "Pad", "xyz", code=2)


def test_a_recording_of_a_test_card_is_exact_and_replays(twin: TwinPcscd, tmp_path: Path) -> None:
    path = tmp_path / "card.jsonl"
    (said,) = documents(agent(twin, "card", "trace", "--record", str(path), "--reader", "Pad", "--json"))
    assert said["exact"] is True
    assert said["exchanges"] > 5
    assert "4000009999990057" in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert "exists already" in agent(twin, "card", "trace", "--record", str(path), code=2)
    twin.order("insert Till Pad=test-visa-contact")  # a new card: its counters begin anew
    text = agent(twin, "card", "trace", "--replay", str(path), "--reader", "Pad")
    assert text == f"{said['exchanges']} exchanges, 0 answered differently\n"
    read = agent(twin, "card", "read", "--reader", f"replay:{path}")
    assert "application A0000000031010" in read
    assert "400000******0057" in read


def test_another_card_answers_differently(twin: TwinPcscd, tmp_path: Path) -> None:
    path = tmp_path / "card.jsonl"
    agent(twin, "card", "trace", "--record", str(path), "--reader", "Pad")
    text = agent(twin, "card", "trace", "--replay", str(path), "--reader", "Pad", code=1)
    assert "1 answered differently" in text  # the same card, but its counter went on
    assert "9F3602" in text


def test_a_recording_of_another_card_is_masked(twin: TwinPcscd, tmp_path: Path) -> None:
    planted = planted_profiles()
    card = planted_contact_card(planted)
    twin.order(f"insert Till Pad={card}")
    path = tmp_path / "card.jsonl"
    (said,) = documents(agent(twin, "card", "trace", "--record", str(path), "--reader", "Pad", "--json"))
    assert said["exact"] is False
    twin.order(f"insert Till Pad={card}")
    assert "0 answered differently" in agent(twin, "card", "trace", "--replay", str(path), "--reader", "Pad")
    apdus = agent(twin, "card", "apdu", "--reader", "Pad", SELECT, "80A8000002830000", "00B2010C00")
    assert "0000000000" in apdus  # the middle of the account number; the witness searches the rest


def test_no_card_and_no_such_reader(twin: TwinPcscd, tmp_path: Path) -> None:
    assert "no card came within" in agent(twin, "card", "read", "--reader", "Gemalto", "--wait", "0.1", code=1)
    assert "no reader matches 'ACR'" in agent(twin, "card", "read", "--reader", "ACR", code=3)
    assert "no such file" in agent(twin, "card", "read", "--reader", "replay:/nowhere", code=2)
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"c": "00A40400"}\n')
    assert "line 1: 'r': 2 octets" in agent(twin, "card", "read", "--reader", f"replay:{bad}", code=2)
    assert "not a PC/SC reader" in agent(twin, "card", "read", "--model", "pn532", code=2)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("read", "--wait", "nan"), "--wait: 0 to 86400 seconds"),
        (("read", "--wait", "-1"), "--wait: 0 to 86400 seconds"),
        (("read", "--wait", "soon"), "a number expected"),
        (("read", "--aid", "00" * 300), "--aid: 5 to 16 octets"),
        (("read", "--reader", "replay:/dev/zero"), "larger than 64 MiB"),
        (("read", "--reader", "replay:/"), "cannot be read"),
        (("trace", "--replay", "/dev/null"), "no exchange is in it"),
        (("tell", "95"), "TAG=HEX expected"),
        (("tell", "=00"), "TAG=HEX expected"),
    ],
)
def test_what_is_not_understood(words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with contextlib.suppress(SystemExit):  # the parser's way to end
        assert main(["card", *words]) == 2
    fault = capsys.readouterr().err
    assert said in fault
    assert "hint:" in fault


def test_a_card_that_leaves_is_recorded_up_to_there(twin: TwinPcscd, tmp_path: Path) -> None:
    twin.order("insert Till Pad=test-visa-contact;fault=torn-at-command-4")
    path = tmp_path / "torn.jsonl"
    words = ("card", "trace", "--reader", "Pad", "--record", str(path))
    assert "3 exchanges, up to here" in agent(twin, *words, code=1)
    assert len(path.read_text().splitlines()) == 4


def test_interrupted_while_a_pin_is_typed(tmp_path: Path) -> None:
    path = tmp_path / "payment.jsonl"
    argv = [AGENT, "card", "trace", "--record", str(path), "--amount", "42.00"]
    words = ("--trace", "--behaviour", "silent", "--keypad", "Till Pad=test-visa-cda")
    with TwinPcscd(*words, folder=tmp_path / "p") as twin:
        environment = os.environ | {"PCSCLITE_CSOCK_NAME": twin.socket}
        with subprocess.Popen(argv, env=environment, stderr=subprocess.PIPE, text=True) as payment:
            while "GET DATA" not in twin.until("traffic")["text"]:  # the PIN's tries: the last question before it
                assert payment.poll() is None
            payment.send_signal(signal.SIGINT)
            assert payment.stderr is not None
            talk = payment.stderr.read()
    assert payment.returncode == 130
    assert talk.endswith("exchanges, up to here\nterminal-agent: interrupted\n"), talk
    assert path.exists()


def test_lights_and_buzzers(tmp_path: Path) -> None:
    with TwinPcscd("--reader", "ACS ACR122U PICC Interface", "--reader", "Plain", folder=tmp_path / "p") as twin:
        (said,) = documents(agent(twin, "reader", "signal", "buzzer-off", "--reader", "ACR122", "--json"))
        assert (said["signal"], said["answer"]) == ("buzzer-off", "9000")
        assert "known: buzzer-off" in agent(twin, "reader", "signal", "disco", "--reader", "ACR122", code=2)
        assert "known: none" in agent(twin, "reader", "signal", "buzzer-off", "--reader", "Plain", code=2)
        by_model = ("reader", "signal", "led-off", "--reader", "Plain", "--model", "acr1252u")
        assert "answered 9000" in agent(twin, *by_model)
        assert "2 readers match" in agent(twin, "reader", "signal", "buzzer-off", code=3)


def test_a_payment_on_the_bench(twin: TwinPcscd, tmp_path: Path) -> None:
    twin.order("insert Till Pad=test-visa-cda")
    path = tmp_path / "payment.jsonl"
    text = agent(twin, "card", "trace", "--reader", "Pad", "--record", str(path), "--amount", "42.00")
    assert "offline PIN: the card says that the PIN is right" in text
    assert "TVR 0000008000\n    amount exceeds the floor limit" in text
    assert "PIN in clear" in agent(twin, "explain", str(path))
    twin.order("insert Till Pad=test-visa-cda;behaviour=wrong-pin")
    again = tmp_path / "wrong.jsonl"
    (said, kept) = documents(
        agent(twin, "card", "trace", "--reader", "Pad", "--record", str(again), "--amount", "42.00", "--json")
    )
    assert "cardholder verification was not successful" in said["tvr_words"]
    assert kept["exact"] is True
    assert "for example" in agent(twin, "card", "trace", "--record", "x", "--amount", "4,2", code=2)
    assert "only with --amount" in agent(twin, "card", "trace", "--record", "x", "--profile", "t.toml", code=2)


def test_a_data_object_in_words() -> None:
    done = subprocess.run(
        [AGENT, "card", "tell", "95=0480008000"], capture_output=True, text=True, timeout=60, check=False
    )
    assert "    combined data authentication failed" in done.stdout
    done = subprocess.run([AGENT, "card", "tell", "95=04x"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2


@pytest.mark.parametrize("noun", ["reader", "card"])
def test_help_shows_examples(noun: str) -> None:
    done = subprocess.run([AGENT, noun, "--help"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0
    assert "examples:" in done.stdout
