# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A terminal's initial key out of a running hsm-sim, by host command; a PIN under it, read by that unit.

The transport key before it comes to both ends in components, or to the terminal by TR-34.
"""

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from protocols.vault import (
    Announce,
    AskHost,
    Bind,
    Binding,
    Certify,
    Done,
    EnterPin,
    Load,
    LoadToken,
    PinMade,
    Request,
    RequestCredential,
    Result,
)
from tests.hsm_sim.conftest import command_line
from tests.hsm_sim.raw_client import RawClient
from tests.hsm_sim.running import Running
from tests.hsm_sim.running import running as unit_running
from tests.protocols.keyblock.tr34.pki import issue, party, revocations
from tests.terminal_agent.sealed.test_keypad import PAN, Person
from tests.terminal_agent.sealed.vaults import TRANSPORT, Asker, component_files, keypad_pair, made, running

KSN = "FFFF9876543210E00000"
BDK = "0123456789ABCDEFFEDCBA9876543210"
ZPK = "2222222222222222" + "9898989898989898"


AES_TMK = "00112233445566778899AABBCCDDEE01"


def pem(one: x509.Certificate | x509.CertificateRevocationList) -> bytes:
    return one.public_bytes(Encoding.PEM)


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


def initial_key_of(client: RawClient) -> tuple[str, str]:
    """The terminal's key block under its master key, and the check value, by A0."""
    made_there = client.ask(f"A0BFFFSO1K010{KSN[:15]};1K011R%02#B1T2N00E00").decode()
    assert made_there[:4] == "A100", made_there
    answer = made_there[4:]
    start = answer.index("R", 1 + int(answer[2:6]))
    return answer[start + 1 : -6], answer[-6:]


def pin_read_by(client: RawClient, asker: Asker, person: Person) -> bool:
    """Whether the unit deciphers a PIN of four digits that is typed at the vault's keypad."""
    number = asker.send(EnterPin(PAN.encode(), "", 20_000))
    while "ENTER PIN" not in person.read():
        pass
    person.press("8604\r")
    entered = asker.answer(number)
    assert isinstance(entered, PinMade), entered
    ksn, block = bytes(entered.ksn).hex().upper(), bytes(entered.block).hex().upper()
    translated = client.ask(f"G0K010K012605{ksn}{block}0101{PAN[3:15]}%02").decode()
    assert translated[:4] == "G100", translated
    return translated[4:6] == "04"


def test_an_initial_key_by_host_command_serves_for_pins_that_the_unit_reads(unit: Running, tmp_path: Path) -> None:
    keypad, link = keypad_pair(tmp_path)
    wanted = made(tmp_path, keypad=str(link), needed=("pin",))
    files = component_files(tmp_path)
    with RawClient(unit.address()) as client, running(wanted, components=files) as asker:
        key_block, value = initial_key_of(client)
        loaded = asker.ask(Load("pin", key_block, bytes.fromhex(KSN)))
        assert loaded == Done(f"pin {value} serves")
        assert pin_read_by(client, asker, Person(keypad))


def test_tr_34_brings_what_opens_key_blocks_and_the_host_wire_brings_the_rest(tmp_path: Path) -> None:
    """A terminal whose keys nobody typed: master key by TR-34, initial key in a block under it, and a PIN."""
    (tmp_path / "words").write_text("TEST passphrase of a unit")
    (tmp_path / "words").chmod(0o600)
    usb = tmp_path / "usb"
    usb.mkdir()
    now = datetime.now(UTC)
    listed = revocations(party("host authority"), made=now - timedelta(hours=1), until=now + timedelta(days=1))
    (usb / "hosts.crl").write_bytes(pem(listed))
    (usb / "devices.pem").write_bytes(pem(party("device authority").certificate))
    keypad, link = keypad_pair(tmp_path)
    wanted = made(tmp_path, keypad=str(link), needed=("pin",))
    state = ("--state", str(tmp_path / "s"))
    with unit_running(*state, "--passphrase-file", str(tmp_path / "words")) as unit:

        def console(*words: str, given: str = "") -> str:
            line = command_line("console", *state, *words)
            done = subprocess.run(line, input=given, capture_output=True, text=True, check=False, timeout=60)
            assert done.returncode == 0, done.stderr
            return done.stdout

        script = "state offline\nstate secure\n"
        for name in ("alice", "bob"):
            script += f"officers add {name}\nsix words of {name}\nsix words of {name}\n"
        for what, index, key in (("B0/X/N", "010", BDK), ("K0/N/E/A", "011", AES_TMK), ("P0/N/N", "012", ZPK)):
            script += "\n".join((f"keys form {what} {index} 02", *halves(key), "", ""))
        console(given=script)
        csr = x509.load_pem_x509_csr(console("tr34", "request", "02", "CN=host 9").encode())
        host = issue(
            "h", party("host 1").key, party("host authority"), 9, usage="digital_signature", public=csr.public_key()
        )
        (usb / "host.pem").write_bytes(pem(host.certificate))
        console("tr34", "certify", str(usb / "host.pem"), str(usb / "devices.pem"))
        console("tr34", "credential", str(usb))
        with running(wanted, delivery=True) as asker:

            def result(request: Request) -> bytes:
                reply = asker.ask(request)
                assert isinstance(reply, Result), reply
                return bytes(reply.value)

            def done(request: Request) -> str:
                reply = asker.ask(request)
                assert isinstance(reply, Done), reply
                return reply.words

            asked = x509.load_der_x509_csr(result(RequestCredential("CN=terminal 7")))
            authority = party("device authority")
            device = issue(
                "t", party("device 1").key, authority, 7, usage="key_encipherment", public=asked.public_key()
            )
            hosts = party("host authority").certificate.public_bytes(Encoding.DER)
            done(Certify(device.certificate.public_bytes(Encoding.DER), hosts))
            done(Bind(Binding.BIND, (usb / "host.ct").read_bytes()))
            (usb / "device.ct").write_bytes(result(Announce()))
            (usb / "device.rt").write_bytes(result(AskHost()))
            console(
                "tr34", "send", "011", "K1", str(usb), "alice", "bob", given="six words of alice\nsix words of bob\n"
            )
            assert done(LoadToken("transport", (usb / "key.kt").read_bytes())).endswith("serves")
        console(given="state offline\nstate online\n")
        with running(wanted) as asker, RawClient(unit.address()) as client:
            key_block, _ = initial_key_of(client)
            assert isinstance(asker.ask(Load("pin", key_block, bytes.fromhex(KSN))), Done)
            assert pin_read_by(client, asker, Person(keypad))
