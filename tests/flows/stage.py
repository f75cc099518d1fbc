# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A whole terminal with its far ends, each its own process over a PTY or loopback, loaded with the planted values."""

import contextlib
import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from scripts.lib.stations import Station, command
from tests.secrets.twins import PlantedProfiles, planted_profiles

TERMINAL = "TG000001"

PROFILE = """\
[terminal]
id = "{terminal}"
merchant = "TILLGUARD000001"
state = "state"
socket = "agent.sock"
[reader]
model = "pn532"
line = "{reader}"
[pad]
model = "ipp-uic"
line = "{pad}"
[timeouts]
card = {card_s}
pin = {pin_s}
acquirer = {acquirer_s}
[emv]
country = "276"
currency = "978"
serial-number = "{terminal}"
[[emv.aids]]
aid = "A0000000031010"
transaction-limit = 500000
cvm-limit = 2500
[acquirer]
address = "{acquirer}"
{tls}
[report]
broker = "{broker}"
ca = "pki/ca.pem"
certificate = "pki/{terminal}.pem"
key = "pki/{terminal}.key"
"""

TLS = """\
[acquirer.tls]
ca = "pki/ca.pem"
certificate = "pki/TG000001.pem"
key = "pki/TG000001.key"
server-name = "localhost"
"""


class Stage:
    """Start what a test needs; everything is stopped at its end, and what each process printed is kept on disk."""

    def __init__(self, folder: Path, planted: PlantedProfiles | None = None, *, warden: Path | None = None) -> None:
        """``warden``: the socket of one that runs beside the agent."""
        self.folder = folder
        self.warden = warden
        self.planted = planted or planted_profiles()
        self.stations: dict[str, Station] = {}
        self.values: dict[str, Any] = {
            "terminal": TERMINAL,
            "reader": folder / "reader",
            "pad": folder / "pad",
            "acquirer": "127.0.0.1:9",
            "broker": "127.0.0.1:9",
            "tls": TLS,
            "card_s": 3.0,
            "pin_s": 3.0,
            "acquirer_s": 2.0,
        }

    def __enter__(self) -> Self:
        self.make_pki()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in reversed(list(self.stations)):
            self.stop(name)

    def make_pki(self) -> None:
        """Certificates of a TEST CA, below ``pki``."""
        argv = [command("device-twin"), "pki", "--dir", str(self.folder / "pki"), "--terminal", TERMINAL]
        subprocess.run(argv, check=True, capture_output=True)

    def start(self, name: str, *argv: str) -> Station:
        """Start one process and wait until it is ready."""
        station = Station(name, [command(argv[0]), *argv[1:], "--json"], self._keep)
        self.stations[name] = station
        station.wait_ready()
        return station

    def stop(self, name: str) -> None:
        """Stop one process cleanly."""
        self._end(self.stations.pop(name))

    def kill(self, name: str) -> None:
        """kill -9."""
        station = self.stations.pop(name)
        station.process.kill()
        self._end(station)

    @contextlib.contextmanager
    def asleep(self, name: str) -> Iterator[None]:
        """One process does nothing for the length of a block, so that a payment that needs it is not over before."""
        process = self.stations[name].process
        process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            process.send_signal(signal.SIGCONT)

    def reader(self, *options: str) -> Station:
        """The PN532 twin with the planted card."""
        card = [
            "--card",
            str(self.planted.card),
            "--state",
            str(self.folder / "card.state"),
            "--link",
            str(self.folder / "reader"),
        ]
        return self.start("reader", "device-twin", "reader", *card, *options)

    def pad(self, *options: str) -> Station:
        """The IPP pad twin with the planted keys and cardholder."""
        keys = ["--load", str(self.planted.pad_load), "--cardholder", str(self.planted.card)]
        state = ["--state", str(self.folder / "pad.state"), "--link", str(self.folder / "pad")]
        return self.start("pad", "device-twin", "pinpad", *keys, *state, *options)

    def hsm(self) -> Station:
        """The HSM simulator."""
        return self.start("hsm", "hsm-sim", "serve", "--port", "0", "--trace")

    def acquirer(self, *options: str, tls: bool = True) -> Station:
        """The acquirer twin with the planted account; starts the HSM when there is none."""
        hsm = self.stations.get("hsm") or self.hsm()
        pki = self.folder / "pki"
        secure = [
            "--tls-ca",
            pki / "ca.pem",
            "--tls-certificate",
            pki / "acquirer.pem",
            "--tls-key",
            pki / "acquirer.key",
        ]
        argv = ["--hsm", hsm.ready["address"], "--profile", self.planted.acquirer, *(secure if tls else [])]
        station = self.start("acquirer", "device-twin", "acquirer", *map(str, argv), "--trace", *options)
        self.values["acquirer"] = station.ready["address"]
        self.values["tls"] = TLS if tls else ""
        return station

    def broker(self, *options: str) -> Station:
        """An MQTT broker with mutual TLS."""
        pki = self.folder / "pki"
        files = ["--ca", pki / "ca.pem", "--certificate", pki / "broker.pem", "--key", pki / "broker.key"]
        station = self.start("broker", "device-twin", "broker", *map(str, files), *options)
        self.values["broker"] = station.ready["address"]
        return station

    def profile(self) -> Path:
        """Write the terminal profile."""
        path = self.folder / "terminal.toml"
        beside = f'warden = "{self.warden}"\n' if self.warden else ""
        path.write_text(beside + PROFILE.format(**self.values))
        return path

    def agent(self) -> Station:
        """The agent, tracing every wire."""
        return self.start("agent", "terminal-agent", "run", "--profile", str(self.profile()), "--trace")

    def everything(self) -> None:
        """All of it, as in the demonstration but for head office."""
        self.reader()
        self.pad()
        self.acquirer()
        self.broker()
        self.agent()

    def pay(self, amount: str = "42.00") -> dict[str, Any]:
        """One payment through the command; the fields of its end."""
        done = self.run("pay", "--amount", amount, "--currency", "EUR")
        self._keep("pay", {"stdout": done.stdout, "stderr": done.stderr})
        last: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        assert last.get("name") == "payment.finished", done.stdout + done.stderr
        fields: dict[str, Any] = last["fields"]
        assert (done.returncode == 0) == (fields["outcome"] == "approved")
        return fields

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command of the agent against this stage's socket."""
        argv = [command("terminal-agent"), *words, "--json", "--socket", str(self.folder / "agent.sock")]
        return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)

    def decisions(self) -> list[dict[str, Any]]:
        """What the acquirer decided so far."""
        return [line for line in self.stations["acquirer"].lines if line.get("event") == "decision"]

    def _end(self, station: Station) -> None:
        station.stop()
        self._keep(station.name, {"stderr": station.talk})

    def _keep(self, name: str, line: dict[str, Any]) -> None:
        # What the processes print is searched for planted values with everything else that the suite stores.
        with (self.folder / f"{name}.printed").open("a") as kept:
            kept.write(json.dumps(line) + "\n")
