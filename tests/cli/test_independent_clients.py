# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Programs that others wrote accept our cards, on our own service and on the real one, and see the same.

opensc-tool, pcsc_scan and scriptor in C and Perl, pyscard's high level in Python, javax.smartcardio in Java: four
stacks above libpcsclite. What they see is compared with what the card itself answers in this process.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from device_profiles.serve.card_choice import chosen
from tests.patience import PATIENCE_S
from tests.private_pcscd import READER, SELECT_PSE, PrivatePcscd
from tests.twin_pcscd import TwinPcscd

Service = PrivatePcscd | TwinPcscd
NAME = f"{READER} 00 00"
READ_RECORD = "00B2010C00"
UNKNOWN = "00FF000000"
JAVA = Path(__file__).parents[1] / "clients/CardClient.java"
LIBRARY = "-Dsun.security.smartcardio.library="


@pytest.fixture(params=["twin", "real"])
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    with PrivatePcscd() if request.param == "real" else TwinPcscd() as made:
        made.card()
        deadline = time.monotonic() + PATIENCE_S
        while "Yes" not in made.client("opensc-tool", "-l").stdout:  # the real one looks every 0.4 s
            assert time.monotonic() < deadline
        yield made


@pytest.fixture(scope="module")
def answers() -> dict[str, str]:
    """What the card answers by itself."""
    card = chosen("test-visa-contact")
    card.power_on()
    return {octets: card.apdu(bytes.fromhex(octets)).hex().upper() for octets in (SELECT_PSE.hex().upper(), UNKNOWN)}


def test_opensc_tool(service: Service, answers: dict[str, str]) -> None:
    assert service.client("opensc-tool", "-a").stdout.strip() == "3b:e0:00:00:81:31:fe:45:eb"
    said = service.client("opensc-tool", "-s", SELECT_PSE.hex(":")).stdout
    _, _, dump = said.partition("Received ")
    received = b"".join(bytes.fromhex(line[:48]) for line in dump.splitlines()[1:])
    assert received.hex().upper() + "9000" == answers[SELECT_PSE.hex().upper()]


def test_pcsc_scan(service: Service) -> None:
    assert f"0: {NAME}" in service.client("pcsc_scan", "-r", "-n").stdout
    environment = os.environ | {"PCSCLITE_CSOCK_NAME": service.socket}
    argv = ["pcsc_scan", "-n", "-c"]
    with subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, text=True) as scan:
        assert scan.stdout is not None
        seen = ""
        while "ATR: 3B E0 00 00 81 31 FE 45 EB" not in seen:
            line = scan.stdout.readline()
            assert line, seen
            seen += line
        scan.terminate()
    assert "Card state:" in seen


def test_scriptor(service: Service, answers: dict[str, str], tmp_path: Path) -> None:
    script = tmp_path / "commands"
    script.write_text(f"{SELECT_PSE.hex(' ').upper()}\n")
    said = service.client("scriptor", "-r", NAME, str(script)).stdout
    octets = said.partition("< ")[2].partition(" : ")[0].replace("\n", "").replace(" ", "")
    assert octets == answers[SELECT_PSE.hex().upper()]


PYSCARD = """
import sys
from smartcard.System import readers
reader = next(one for one in readers() if str(one) == sys.argv[1])
card = reader.createConnection()
card.connect()
print(bytes(card.getATR()).hex().upper())
for octets in sys.argv[2:]:
    data, first, second = card.transmit(list(bytes.fromhex(octets)))
    print(bytes([*data, first, second]).hex().upper())
card.disconnect()
"""


def test_pyscard(service: Service, answers: dict[str, str]) -> None:
    wanted = SELECT_PSE.hex().upper()
    said = service.client(sys.executable, "-c", PYSCARD, NAME, wanted, UNKNOWN)
    assert said.stdout.split() == ["3BE000008131FE45EB", answers[wanted], answers[UNKNOWN]], said.stderr


def java(*words: str) -> list[str]:
    library = next(path for path in Path("/usr/lib").glob("*/libpcsclite.so.1"))
    return ["java", "--add-modules", "java.smartcardio", f"{LIBRARY}{library}", str(JAVA), *words]


def test_javax_smartcardio(service: Service, answers: dict[str, str]) -> None:
    wanted = SELECT_PSE.hex().upper()
    done = service.client(*java(NAME, wanted, UNKNOWN))
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert f"reader {NAME}" in said
    assert "protocol T=1" in said
    assert "atr 3BE000008131FE45EB" in said
    assert [line.partition(" ")[2] for line in said if line.startswith("answer")] == [answers[wanted], answers[UNKNOWN]]


def test_javax_smartcardio_sees_the_card_go() -> None:
    with TwinPcscd() as twin:
        card = twin.card()
        environment = os.environ | {"PCSCLITE_CSOCK_NAME": twin.socket}
        with subprocess.Popen(java(NAME, "absent"), env=environment, stdout=subprocess.PIPE, text=True) as client:
            assert client.stdout is not None
            while not client.stdout.readline().startswith("waiting"):
                assert client.poll() is None
            card.remove()
            assert client.stdout.readline() == "absent true\n"
            assert client.wait(PATIENCE_S) == 0


def test_others_know_our_keypad() -> None:
    with TwinPcscd("--keypad", "Till Pad=test-visa-contact") as twin:
        assert "PIN pad" in twin.client("opensc-tool", "-l").stdout
        said = twin.client(*java("Till Pad", "features")).stdout
        assert "features 060442330006070442330007" in said
