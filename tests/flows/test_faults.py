# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What goes wrong at a till: missing and busy devices, people, hosts. Each ends in words and leaves all usable."""

import asyncio
import contextlib
import json
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.lib.stations import StationFailed, command
from tests.flows.stage import Stage
from tests.patience import PATIENCE_S


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Stage(tmp_path) as built:
        yield built


def status(stage: Stage) -> dict[str, dict[str, object]]:
    parts: dict[str, dict[str, object]] = json.loads(stage.run("status").stdout)["parts"]
    return parts


def wait_until(stage: Stage, part: str, up: bool, within_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + within_s
    while status(stage)[part]["up"] is not up:
        assert time.monotonic() < deadline, f"{part} is not {'up' if up else 'down'} after {within_s:g} s"
        time.sleep(0.02)


def test_no_reader(stage: Stage) -> None:
    stage.pad()
    stage.acquirer()
    stage.agent()
    assert stage.run("status").returncode == 3
    fields = stage.pay()
    assert fields["outcome"] == "failed"
    assert "reader" in fields["reason"]
    stage.reader()
    wait_until(stage, "reader", up=True)
    assert stage.pay()["outcome"] == "approved"


def test_no_pad(stage: Stage) -> None:
    stage.reader()
    stage.acquirer()
    stage.agent()
    fields = stage.pay()
    assert fields["outcome"] == "failed"
    assert "pad" in fields["reason"]
    stage.pad()
    wait_until(stage, "pad", up=True)
    assert stage.pay()["outcome"] == "approved"


@pytest.mark.parametrize("device", ["reader", "pad"])
def test_unplugged_between_payments_and_back_soon(stage: Stage, device: str) -> None:
    stage.everything()
    assert stage.pay()["outcome"] == "approved"
    stage.stop(device)
    fields = stage.pay()
    assert fields["outcome"] == "failed"
    assert device in fields["reason"]
    getattr(stage, device)()
    wait_until(stage, device, up=True, within_s=20)  # the promised two in test_unplugged
    assert stage.pay()["outcome"] == "approved"


def test_cancelled_at_the_pad(stage: Stage) -> None:
    stage.reader()
    stage.pad("--behaviour", "cancel")
    stage.acquirer()
    stage.agent()
    fields = stage.pay()
    assert (fields["outcome"], fields["reason"]) == ("cancelled", "the cardholder cancelled PIN entry")
    assert stage.decisions() == []


def test_a_pad_that_is_opened_while_it_asks(stage: Stage) -> None:
    stage.values["pin_s"] = 20.0
    stage.reader()
    stage.pad("--behaviour", "silent", "--tamper-after", "4")
    stage.acquirer()
    agent = stage.agent()
    for _ in range(2):  # the second finds the pad as it was left, and asks nobody
        fields = stage.pay()
        assert fields["outcome"] == "failed"
        assert "the pad has been tampered with: it has erased its keys" in str(fields["reason"])
    assert stage.decisions() == []
    lost = [line["fields"]["reason"] for line in agent.lines if line.get("name") == "device.lost"]
    assert lost == ["the pad has been tampered with: it has erased its keys"], "told once, whatever worker meets it"
    stage.stop("pad")
    pad = stage.pad()
    assert stage.pay()["outcome"] == "failed", "switching it off and on heals nothing"
    assert pad.process.poll() is None


def test_another_pad_than_the_profiles(stage: Stage) -> None:
    stage.values["pad"] = f'{stage.folder / "pad"}"\nserial = "TGUIC0000009'
    stage.reader()
    stage.pad()
    stage.acquirer()
    stage.agent()
    fields = stage.pay()
    assert fields["outcome"] == "failed"
    assert "another pad is connected: serial number TGUIC0000001, TGUIC0000009 expected" in str(fields["reason"])
    assert stage.decisions() == []


def test_nobody_types(stage: Stage) -> None:
    stage.values["pin_s"] = 0.5
    stage.reader()
    stage.pad("--behaviour", "silent")
    stage.acquirer()
    stage.agent()
    fields = stage.pay()
    assert (fields["outcome"], fields["reason"]) == ("cancelled", "no PIN within 0 s")
    assert stage.pay("18.00")["outcome"] == "approved", "the pad is usable again"


def test_nobody_taps(stage: Stage) -> None:
    stage.values["card_s"] = 0.5
    stage.start("reader", "device-twin", "reader", "--link", str(stage.folder / "reader"))
    stage.pad()
    stage.acquirer()
    stage.agent()
    assert stage.pay()["outcome"] == "cancelled"


def test_the_card_is_torn_away(stage: Stage) -> None:
    stage.reader("--fault", "torn")
    stage.pad()
    stage.acquirer()
    stage.agent()
    fields = stage.pay()
    assert fields["outcome"] == "failed"
    assert stage.decisions() == []


def test_a_second_agent_is_refused(stage: Stage) -> None:
    stage.everything()
    with pytest.raises(StationFailed, match="another agent writes it"):
        stage.start("second", "terminal-agent", "run", "--profile", str(stage.folder / "terminal.toml"))
    assert stage.pay()["outcome"] == "approved"


def test_a_port_in_use_is_named(stage: Stage, tmp_path: Path) -> None:
    stage.everything()
    other = tmp_path / "other"
    other.mkdir()
    text = (stage.folder / "terminal.toml").read_text()
    text = text.replace('state = "state"', 'state = "other/state"').replace('"agent.sock"', '"other/agent.sock"')
    text = text.replace(str(stage.values["acquirer"]), "127.0.0.1:9")  # one terminal, one session
    (stage.folder / "other.toml").write_text(text)
    second = stage.start("second", "terminal-agent", "run", "--profile", str(stage.folder / "other.toml"))
    lost = [line for line in second.lines if line.get("name") == "device.lost"]
    assert {line["fields"]["device"] for line in lost} == {"reader", "pad"}
    assert all("in use" in line["fields"]["reason"] for line in lost)
    assert stage.pay()["outcome"] == "approved"


def test_a_port_of_the_simulator_in_use(stage: Stage) -> None:
    port = stage.hsm().ready["address"].rpartition(":")[2]
    with pytest.raises(StationFailed, match="in use"):
        stage.start("second", "hsm-sim", "serve", "--port", port)


def test_an_unknown_key_names_file_path_and_hint(stage: Stage) -> None:
    path = stage.profile()
    path.write_text(path.read_text().replace("cvm-limit", "cvm-limti"))
    for words in (["run", "--profile", str(path)], ["profile", "check", str(path)]):
        done = subprocess.run([command("terminal-agent"), *words], capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert f"{path}: emv.aids[0].cvm-limti: unknown key" in done.stderr
        assert "hint: did you mean 'cvm_limit'?" in done.stderr or "hint: did you mean 'cvm-limit'?" in done.stderr


def test_a_plain_acquirer_beyond_loopback_is_refused(stage: Stage) -> None:
    stage.values |= {"acquirer": "192.0.2.1:8583", "tls": ""}
    done = subprocess.run(
        [command("terminal-agent"), "run", "--profile", str(stage.profile())],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "TLS" in done.stderr or "tls" in done.stderr


def test_a_corrupted_audit_log_stops_the_agent_and_names_the_record(stage: Stage) -> None:
    stage.everything()
    stage.pay()
    stage.stop("agent")
    log = stage.folder / "state/TG000001.audit.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    lines[4] = lines[4].replace(b"payment.step", b"payment.stop")
    log.write_bytes(b"".join(lines))
    verify = subprocess.run(
        [command("terminal-agent"), "audit", "verify", str(log)], capture_output=True, text=True, check=False
    )
    assert verify.returncode == 6
    assert "record 5: changed" in verify.stderr
    with pytest.raises(StationFailed, match="record 5: changed"):
        stage.agent()


def script(stage: Stage, rules: str) -> str:
    path = stage.folder / "script.toml"
    path.write_text(rules)
    return str(path)


@pytest.mark.parametrize(
    ("rule", "reason"),
    [("wrong-mac", "MAC"), ("garbage", ""), ("drop", "did not answer")],
)
def test_a_host_that_cannot_be_trusted_is_reversed(stage: Stage, rule: str, reason: str) -> None:
    stage.reader()
    stage.pad()
    stage.acquirer("--script", script(stage, f'[[rules]]\nmti = "0100"\ntimes = 1\nfault = "{rule}"\n'))
    stage.agent()
    fields = stage.pay()
    assert fields["outcome"] == "failed"
    assert reason in fields["reason"]
    deadline = time.monotonic() + PATIENCE_S
    while not [one for one in stage.decisions() if one["mti"] in ("0400", "0401")] and time.monotonic() < deadline:
        time.sleep(0.05)
    reversals = [one for one in stage.decisions() if one["mti"] in ("0400", "0401")]
    assert [one["code"] for one in reversals] == ["00"]
    assert stage.pay()["outcome"] == "approved"


class GarbageHost:
    """Accepts, reads, and answers every message with noise in a proper frame."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self.listener.accept()
                with peer, contextlib.suppress(OSError):
                    while peer.recv(4096):
                        peer.sendall(struct.pack(">H", 40) + b"\xff" * 40)

    def close(self) -> None:
        self.listener.close()


def test_a_host_that_speaks_noise(stage: Stage) -> None:
    host = GarbageHost()
    stage.values |= {"acquirer": host.address, "tls": ""}
    stage.reader()
    stage.pad()
    stage.agent()
    fields = stage.pay()
    assert fields["outcome"] == "failed"
    host.close()


def test_no_host_at_all(stage: Stage) -> None:
    stage.values["tls"] = ""
    stage.reader()
    stage.pad()
    stage.agent()
    fields = stage.pay()
    assert fields["outcome"] == "failed"
    assert "127.0.0.1:9" in fields["reason"]


def test_broker_away_payments_go_on_and_reports_wait(stage: Stage) -> None:
    stage.reader()
    stage.pad()
    stage.acquirer()
    stage.agent()
    assert stage.pay()["outcome"] == "approved"
    assert status(stage)["report"]["up"] is False


async def test_garbage_on_the_local_socket_harms_nobody(stage: Stage) -> None:
    await asyncio.to_thread(stage.everything)
    reader, writer = await asyncio.open_unix_connection(stage.folder / "agent.sock")
    for line in (
        b"\x00\xff",
        b"{}",
        b'{"jsonrpc":"2.0","id":1,"method":"payment.start","params":{"amount":-1}}',
        b"[]",
    ):
        writer.write(line + b"\n")
        assert b"error" in await reader.readline()
    writer.close()
    await writer.wait_closed()
    assert (await asyncio.to_thread(stage.pay))["outcome"] == "approved"
