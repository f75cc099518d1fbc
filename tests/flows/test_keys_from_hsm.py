# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A terminal's initial key out of a running hsm-sim, by host command; a PIN under it, read by that unit.

Both ends form the transport key of the same components; nothing else is common to them but the wire.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocols.vault import Done, EnterPin, Load, PinMade
from tests.hsm_sim.conftest import command_line
from tests.hsm_sim.raw_client import RawClient
from tests.hsm_sim.running import Running
from tests.hsm_sim.running import running as unit_running
from tests.terminal_agent.sealed.test_keypad import PAN, Person
from tests.terminal_agent.sealed.vaults import TRANSPORT, component_files, keypad_pair, made, running

KSN = "FFFF9876543210E00000"
BDK = "0123456789ABCDEFFEDCBA9876543210"
ZPK = "2222222222222222" + "9898989898989898"


def halves(key: str) -> tuple[str, str]:
    """Two components that give ``key``."""
    mask = ("A4" * (len(key) // 2))[: len(key)]
    return mask, bytes(a ^ b for a, b in zip(bytes.fromhex(mask), bytes.fromhex(key), strict=True)).hex()


@pytest.fixture
def unit(tmp_path: Path) -> Iterator[Running]:
    """With BDK, terminal master key and zone PIN key of LMK 02, in user storage."""
    (tmp_path / "words").write_text("TEST passphrase of a unit")
    (tmp_path / "words").chmod(0o600)
    script = "state offline\nstate secure\n"
    for what, index, key in (
        ("B0/X/N", "010", BDK),
        ("K0/N/N/A", "011", TRANSPORT.hex()),
        ("P0/N/N", "012", ZPK),
    ):
        script += "\n".join((f"keys form {what} {index} 02", *halves(key), "", ""))
    script += "state offline\nstate online\n"
    with unit_running("--state", str(tmp_path / "s"), "--passphrase-file", str(tmp_path / "words")) as found:
        line = command_line("console", "--state", str(tmp_path / "s"))
        done = subprocess.run(line, input=script, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        yield found


def test_an_initial_key_by_host_command_serves_for_pins_that_the_unit_reads(unit: Running, tmp_path: Path) -> None:
    with RawClient(unit.address()) as host:
        made_there = host.ask(f"A0BFFFSO1K010{KSN[:15]};1K011R%02#B1T2N00E00").decode()
        assert made_there[:4] == "A100", made_there
        answer = made_there[4:]
        start = answer.index("R", 1 + int(answer[2:6])) if answer[0] == "S" else 0
        key_block, value = answer[start + 1 : -6], answer[-6:]
        keypad, link = keypad_pair(tmp_path)
        person = Person(keypad)
        wanted = made(tmp_path, keypad=str(link), needed=("pin",))
        with running(wanted, components=component_files(tmp_path)) as asker:
            loaded = asker.ask(Load("pin", key_block, bytes.fromhex(KSN)))
            assert isinstance(loaded, Done), loaded
            assert loaded.words == f"pin {value} serves"
            number = asker.send(EnterPin(PAN.encode(), "", 20_000))
            while "ENTER PIN" not in person.read():
                pass
            person.press("8604\r")
            entered = asker.answer(number)
            assert isinstance(entered, PinMade)
        ksn, block = bytes(entered.ksn).hex().upper(), bytes(entered.block).hex().upper()
        translated = host.ask(f"G0K010K012605{ksn}{block}0101{PAN[3:15]}%02").decode()
        assert translated[:4] == "G100", translated
        assert translated[4:6] == "04", "four digits: the unit has deciphered it"
