# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: the serial twins' commands say one ready line, end cleanly on both signals, and name what is wrong."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from device_profiles import catalog
from device_profiles.cli import main
from protocols.pan import Pan
from protocols.serial.swipe import ReportJoiner
from terminal_agent.card.serial import open_reader
from terminal_agent.line.url import open_line
from terminal_agent.pad.drivers import open_pad as open_any_pad
from terminal_agent.pad.ipp import open_pad
from terminal_agent.pad.port import PinEntered
from tests.device_profiles.twins.pads import ABECS_IDENTITY
from tests.patience import PATIENCE_S

TEST_PAN = "4000009999990016"
SELECT_PPSE = bytes.fromhex("00A404000E325041592E5359532E444446303100")


class Twin:
    """A command in a process of its own."""

    def __init__(self, *words: str) -> None:
        command = [sys.executable, "-m", "device_profiles.cli", *words]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.first = self.process.stdout.readline()

    def __enter__(self) -> "Twin":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def end(self, number: int = signal.SIGTERM) -> tuple[int, list[str], str]:
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, out.splitlines(), err


def test_a_swipe_reader_speaks_once_and_types_nothing(tmp_path: Path) -> None:
    link = tmp_path / "swipe"
    words = ("reader", "--model", "swipe-hid", "--card", "test-visa-contact", "--tap-after", "1", "--link", str(link))
    with Twin(*words, "--trace") as twin, link.open("rb", buffering=0) as reports:
        octets = b""
        while len(octets) < 128:
            octets += reports.read(128 - len(octets))
        code, _, err = twin.end()
    assert (code, err.strip()) == (0, "reader < 128 octets")
    joiner = ReportJoiner()
    swipe = [joiner.feed(octets[:64]), joiner.feed(octets[64:])][1]
    assert swipe is not None
    assert swipe.masked == "400000******0057"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_reader_serves_and_ends(number: int, tmp_path: Path) -> None:
    link = tmp_path / "reader"
    with Twin("reader", "--card", "test-visa-like", "--link", str(link), "--json", "--trace") as twin:
        ready = json.loads(twin.first)
        assert ready == {
            "event": "ready",
            "twin": "reader",
            "model": "pn532",
            "line": str(link.readlink()),
            "link": str(link),
        }
        profile = catalog.reader("pn532")
        reader = await open_reader(profile, await open_line(str(link), profile.line))
        assert await reader.wait_for_card(10.0) is not None
        assert (await reader.transmit(SELECT_PPSE)).endswith(b"\x90\x00")
        await reader.release()
        await reader.close()
        code, lines, err = twin.end(number)
    assert (code, err) == (0, "")
    assert not link.is_symlink()
    said = [json.loads(line) for line in lines]
    assert {(one["event"], one["wire"]) for one in said} == {("traffic", "reader")}
    assert {one["direction"] for one in said} == {">", "<"}
    assert "InListPassiveTarget ISO 14443-4 A" in [one["text"] for one in said]


async def _entered(line: str) -> PinEntered:
    profile = catalog.pinpad("ipp-uic")
    pad = await open_pad(profile, await open_line(line, profile.line))
    outcome = await pad.enter_pin(Pan(TEST_PAN), "EUR 42.00", 10.0)
    await pad.close()
    assert isinstance(outcome, PinEntered)
    return outcome


async def test_a_pad_serves_and_remembers(tmp_path: Path) -> None:
    ksns = []
    for _ in range(2):
        with Twin(
            "pinpad", "--cardholder", "test-visa-like", "--state", str(tmp_path / "pad"), "--json", "--trace"
        ) as twin:
            ready = json.loads(twin.first)
            ksns.append((await _entered(ready["line"])).ksn.hex().upper())
            code, lines, err = twin.end()
        assert (code, err) == (0, "")
        assert TEST_PAN not in "".join(lines)
        said: list[dict[str, Any]] = [json.loads(line) for line in lines]
        assert "EUR 42.00 ENTER PIN ****" in [one["text"] for one in said if one["event"] == "display"]
    assert ksns == ["FFFF9876543210E00001", "FFFF9876543210E00002"]


async def test_a_cloned_pad_repeats_itself() -> None:
    with Twin("pinpad", "--cardholder", "test-visa-like", "--fault", "replay") as twin:
        assert twin.first.startswith("ready /dev/pts/")
        line = twin.first.split()[1]
        assert await _entered(line) == await _entered(line)
        assert twin.end()[0] == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["reader", "--model", "pn53"], 2, "no model 'pn53' among the readers"),
        (["reader", "--card", "nobody"], 2, "nobody"),
        (["reader", "--fault", "cut"], 2, "--fault: no fault 'cut'"),
        (["reader", "--tap-after", "-1"], 2, "--tap-after"),
        (["pinpad", "--model", "x"], 2, "no model 'x' among the pinpads"),
        (["pinpad", "--load", "x"], 2, "no model 'x' among the pinpads/loads"),
        (["pinpad", "--fault", "x"], 2, "--fault: no fault 'x'"),
        (["pinpad", "--state", "/"], 2, "cannot be read"),
        (["pinpad", "--tui", "--json"], 2, "the screen leaves no place"),
        (["pinpad", "--card", "test-visa-contact"], 2, "have no slot"),
        (["reader", "--tag", "https://example.com/", "--card", "test-visa-like"], 2, "goes with no --card"),
        (["reader", "--tag", ""], 2, "1 to 250 ASCII characters"),
        (["pinpad", "--tamper-after", "-1"], 2, "--tamper-after: out of range"),
        (["pinpad", "--tui"], 2, "no terminal is here to show it in"),
        (["reader", "--card", "test-visa-like", "--state", "/"], 2, "/: cannot be read: Is a directory"),
    ],
)
def test_faults_have_hints(words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    as_json = [] if words == ["pinpad", "--tui"] else ["--json"]
    assert main([*words, *as_json]) == code
    out, err = capsys.readouterr()
    assert said in err
    assert err.startswith("device-twin: error: ")
    assert "hint: " in err or words[1] == "--tap-after"
    assert not as_json or json.loads(out)["exit"] == code


def test_help_names_every_twin(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    for name in ("reader", "pinpad", "acquirer", "broker", "pki"):
        assert f"\n  {name}" in out
    for name in ("reader", "pinpad"):
        with pytest.raises(SystemExit):
            main([name, "--help"])
        assert "examples:" in capsys.readouterr().out


def test_an_unknown_twin_is_usage() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["toaster"])
    assert ended.value.code == 2


def test_help_reads_no_heavy_module() -> None:
    script = (
        "import sys\nfrom device_profiles.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print([name for name in ('asyncio', 'cryptography', 'msgspec', 'tomllib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


async def test_the_trace_of_a_sealed_session_is_readable_and_redacted(tmp_path: Path) -> None:
    link = tmp_path / "pad"
    words = ("--model", "abecs", "--load", "test-bank-abecs", "--cardholder", "test-visa-like", "--link", str(link))
    with Twin("pinpad", *words, "--trace") as twin:
        profile = catalog.pinpad("abecs")
        pad = await open_any_pad(profile, await open_line(str(link), profile.line), None, ABECS_IDENTITY)
        assert isinstance(await pad.enter_pin(Pan(TEST_PAN), "EUR 42.00", 10.0), PinEntered)
        await pad.close()
        _, lines, told = twin.end()
    assert "pad > GPN method 3, key 01, PAN 400000******0016" in told
    assert "pad < GPN success, KSN FFFF9876543240E00001, block of 8 octets" in told
    assert "pad shows: EUR 42.00       ENTER PIN ****" in lines
    assert TEST_PAN not in told + "".join(lines)
