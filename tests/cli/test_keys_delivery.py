# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A terminal's first PIN key by TR-34, as persons do it: openssl certifies, hsm-sim is the host, a vault the device."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hsm_sim.audit import verify_file
from protocols.dukpt import tdes
from protocols.dukpt.ksn import TdesKsn
from protocols.primitives import TdesKey, check_value
from tests.cli.test_keys import Desk, components
from tests.hsm_sim.conftest import command_line
from tests.hsm_sim.running import running

KSN = "FFFF9876543210E00000"
BDK = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
PARTS = ["A4" * 16, bytes(octet ^ 0xA4 for octet in BDK).hex()]
ALICE, BOB = "six words of alice", "six words of bob"
CA_CONFIG = "[ca]\ndefault_ca = here\n[here]\ndatabase = index.txt\ndefault_md = sha256\n"
OFFICERS = f"""state offline
state secure
officers add alice
{ALICE}
{ALICE}
officers add bob
{BOB}
{BOB}
keys form 009 010
{PARTS[0]}
{PARTS[1]}

"""


class Authority:
    """One that certifies, by the openssl command."""

    def __init__(self, folder: Path, name: str, usage: str) -> None:
        self.folder = folder
        self.name = name
        (folder / f"{name}.ext").write_text(f"basicConstraints=critical,CA:false\nkeyUsage=critical,{usage}\n")
        (folder / "ca.cnf").write_text(CA_CONFIG)
        (folder / "index.txt").touch()
        self._openssl(
            *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.pem"),
            *("-days", "30", "-subj", f"/O=TEST/CN=TEST {name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        )

    def certify(self, request: str, certificate: str) -> None:
        self._openssl(
            *("x509", "-req", "-in", request, "-CA", f"{self.name}.pem", "-CAkey", f"{self.name}.key", "-days", "30"),
            *("-extfile", f"{self.name}.ext", "-out", certificate),
        )

    def list_nobody(self, out: str) -> None:
        self._openssl(
            *("ca", "-gencrl", "-config", "ca.cnf", "-keyfile", f"{self.name}.key", "-cert", f"{self.name}.pem"),
            *("-crldays", "30", "-out", out),
        )

    def _openssl(self, *words: str) -> None:
        done = subprocess.run(["openssl", *words], cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


class Unit:
    """A running hsm-sim and its console."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def console(self, *words: str, given: str = "") -> str:
        line = command_line("console", "--state", str(self.folder / "s"), *words)
        done = subprocess.run(line, input=given, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def unit(tmp_path: Path) -> Iterator[Unit]:
    folder = tmp_path / "hsm"
    folder.mkdir()
    (folder / "words").write_text("TEST passphrase of a unit")
    (folder / "words").chmod(0o600)
    with running("--state", str(folder / "s"), "--passphrase-file", str(folder / "words")):
        yield Unit(folder)


@pytest.mark.parametrize("passes", [1, 2])
def test_a_terminals_first_pin_key(unit: Unit, tmp_path: Path, passes: int) -> None:
    usb = tmp_path / "usb"
    usb.mkdir()
    hosts = Authority(usb, "hosts", "digitalSignature")
    devices = Authority(usb, "devices", "keyEncipherment")
    hosts.list_nobody("hosts.crl")
    unit.console(given=OFFICERS)
    (usb / "host.csr").write_text(unit.console("tr34", "request", "00", "CN=host 1,O=TEST"))
    hosts.certify("host.csr", "host.pem")
    unit.console("tr34", "certify", str(usb / "host.pem"), str(usb / "devices.pem"))
    unit.console("tr34", "credential", str(usb))

    desk = Desk(tmp_path)

    def keys(*words: str) -> str:
        done = desk.keys(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    keys("init")
    keys("load", "transport", *components(desk))
    assert "keys certify" in keys("credential", "--subject", "CN=terminal 1,O=TEST", "--out", str(usb / "device.csr"))
    devices.certify("device.csr", "device.pem")
    said = keys("certify", "--certificate", str(usb / "device.pem"), "--hosts", str(usb / "hosts.pem"))
    assert "certified as O=TEST,CN=terminal 1" in said or "certified as CN=terminal 1,O=TEST" in said
    assert keys("ask", str(usb)).splitlines() == [f"wrote {usb / 'device.ct'}"]
    assert "bound to" in keys("bind", str(usb))
    if passes == 2:
        assert f"wrote {usb / 'device.rt'}" in keys("ask", str(usb))

    sent = unit.console("tr34", "send", "010", KSN, str(usb), "alice", "bob", given=f"{ALICE}\n{BOB}\n")
    with TdesKey(tdes.initial_key(BDK, TdesKsn(bytes.fromhex(KSN)))) as initial:
        value = check_value(initial).hex().upper()
    assert f"key {value} for" in sent
    signed = ("cms", "-verify", "-inform", "DER", "-binary", "-noverify", "-nointern", "-certfile", "host.pem")
    subprocess.run(["openssl", *signed, "-in", "key.kt"], cwd=usb, check=True, capture_output=True)
    load = ("load", "pin", "--token", str(usb / "key.kt"), "--ksn", KSN)
    assert f"pin {value} serves" in keys(*load)
    again = desk.keys(*load)
    assert again.returncode == 4
    assert "not fresh" in again.stderr

    last = unit.console("audit", "last", "1")
    assert f"key.sent key=00/K010 ksn={KSN} check_value={value}" in last
    assert f"passes={passes} approved=alice bob" in last
    assert verify_file(unit.folder / "s" / "audit.jsonl").records > 5
    assert desk.events().count("key.loaded") == 3  # transport, credential, pin
    assert "key.bound" in desk.events()
    stolen = desk.keys("bind", str(usb))
    assert stolen.returncode == 4
    assert "bound does not take: bind" in stolen.stderr


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (("certify", "--certificate", "{0}/file", "--hosts", "{0}/file"), 2, "no certificate"),
        (("bind", "{0}"), 2, "fetch it from the host"),
        (("bind", "{0}", "--rebind", "--unbind"), 2, "one of them"),
        (("load", "pin", "--token", "{0}/none"), 2, "fetch it from the host"),
        (("load", "pin", "--token", "{0}/file"), 4, "keys credential"),
        (("ask", "{0}"), 4, "keys credential"),
        (("credential", "--subject", "nobody", "--out", "{0}/out"), 2, "RFC 4514"),
        (("credential", "--subject", "CN=x", "--out", "{0}/no/folder"), 2, "cannot be written"),
    ],
)
def test_faults_say_the_cure(tmp_path: Path, words: tuple[str, ...], code: int, expected: str) -> None:
    desk = Desk(tmp_path)
    desk.keys("init")
    done = desk.keys(*(word.format(tmp_path) for word in words))
    assert expected in done.stdout + done.stderr
    assert done.returncode == code
    assert "Traceback" not in done.stderr
