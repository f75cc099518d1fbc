# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A whole estate on one machine: head office, mosquitto, N terminals, one of them cloned. Starts and shows.

Everything is done by the commands that an operator has; what they answer decides how the lab ends.
"""

import json
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from demo import Screen  # beside this file
from stations import Station, StationFailed, Stations, command, die_with_parent

LISTENS_WITHIN_S = 10.0
ISOLATED_WITHIN_S = 10.0
CLONED = 42  # the terminal that is cloned; of a smaller estate the last one
FEWEST = 2  # the broker's access list is tried with one terminal against another
SETTINGS = """\
store = "fleet.db"
[broker]
address = "127.0.0.1:{port}"
ca = "pki/ca.pem"
certificate = "pki/office.pem"
key = "pki/office.key"
[ingest]
receipt-key = "receipt.key"
[audit]
key = "audit.key"
"""


class FleetLab:
    """One run."""

    def __init__(self, count: int, screen: Screen, folder: Path) -> None:
        self.count, self.screen, self.folder = count, screen, folder
        self.cloned = f"TG{min(CLONED, count):06}"
        self.stations = Stations(screen.heard)
        self.port, self.office_port = _free(), _free()
        self._held = False

    def run(self) -> int:
        """Exit code 0 where the copy was found and isolated, and nothing of the others was lost."""
        broker = self._prepare()
        try:
            with self.stations:
                return self._scene()
        finally:
            broker.send_signal(signal.SIGTERM)
            broker.wait()

    def _prepare(self) -> "subprocess.Popen[bytes]":
        self.screen.title("an estate")
        self._do("device-twin", "pki", "--dir", "pki", "--fleet", str(self.count))
        self._do(
            "fleet-console", "broker", "config", "--dir", "broker", "--ca", "pki/ca.pem", "--office-ca",
            "pki/office-ca.pem", "--certificate", "pki/broker.pem", "--key", "pki/broker.key", "--admit", "pki",
            "--port", str(self.port), "--office-port", str(self.office_port), "--address", "127.0.0.1",
            "--user", "root",
        )  # fmt: skip
        for name in ("receipt", "audit"):
            subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", f"{name}.key"], cwd=self.folder,
                           check=True, capture_output=True)  # fmt: skip
            subprocess.run(["openssl", "pkey", "-in", f"{name}.key", "-pubout", "-out", f"{name}.pub"],
                           cwd=self.folder, check=True, capture_output=True)  # fmt: skip
        (self.folder / "office.toml").write_text(SETTINGS.format(port=self.office_port))
        program = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin")
        if program is None:
            raise StationFailed("mosquitto is not installed: apt-get install mosquitto")
        log = (self.folder / "mosquitto.log").open("wb")
        broker = subprocess.Popen([program, "-c", "broker/mosquitto.conf"], cwd=self.folder, stderr=log, stdout=log,
                                  preexec_fn=die_with_parent)  # fmt: skip
        deadline = time.monotonic() + LISTENS_WITHIN_S
        while not _listens(self.office_port):
            if broker.poll() is not None or time.monotonic() > deadline:
                raise StationFailed(f"mosquitto does not listen:\n{(self.folder / 'mosquitto.log').read_text()}")
            time.sleep(0.02)
        self.screen.line(f"  mosquitto for terminals on {self.port}, for head office on {self.office_port}")
        return broker

    def _scene(self) -> int:
        self.screen.title("the broker's access list, tried from outside")
        checks = self._do("fleet-console", "broker", "check", "--terminals", f"127.0.0.1:{self.port}", "--one",
                          "pki/TG000001.pem", "--other", "pki/TG000002.pem")  # fmt: skip
        for one in checks:
            if one.get("event") != "check":
                continue
            self.screen.line(f"  {'holds ' if one['holds'] else 'BROKEN'}  {one['name']}: {one['words']}")
        self._held = bool(checks) and all(one.get("holds") for one in checks)
        self.screen.title(f"{self.count} terminals report; half way a copy of {self.cloned} appears")
        self._do("fleet-console", "terminals", "import", "--certificates", "pki")
        ingest = self.stations.start("fleet-console", "fleet-console", "ingest", "--settings",
                                     str(self.folder / "office.toml"), "--json")  # fmt: skip
        ingest.wait_ready()
        told = self._do(
            "device-twin", "fleet", "--terminals", str(self.count), "--clone", self.cloned, "--broker",
            f"127.0.0.1:{self.port}", "--pki", "pki", "--receipt-key", "receipt.pub", "--reports", "20",
        )[-1]  # fmt: skip
        self.screen.line(f"  {told['told']} reports told, {told['receipted']} with a signed receipt, "
                         f"{told['waiting']} of the others waiting, {told['kib_each']} KiB a terminal")  # fmt: skip
        isolated = _isolated(ingest)
        if isolated is not None:
            self.screen.data({"station": "fleet-console", **isolated})
            self.screen.line(f"  {self.screen.paint('isolated', '31')} {isolated['terminal']}: {isolated['reason']}")
        return self._end(told, isolated)

    def _end(self, told: dict[str, Any], isolated: dict[str, Any] | None) -> int:
        self.screen.title("head office")
        [status] = self._do("fleet-console", "status")
        for name in ("terminals", "presence", "dead_letters"):
            words = ", ".join(f"{count} {what}" for what, count in status[name].items()) or "none"
            self.screen.line(f"  {name.replace('_', ' '):<14}{words}")
        self.screen.line(f"  reports       {status['reports']}")
        [chain] = self._do("fleet-console", "audit", "verify", "--public", "audit.pub")
        self.screen.line(f"  audit         {chain['records']} records hold, head {chain['head'][:40]}…")
        sound = (
            self._held
            and not told["waiting"]
            and isolated is not None
            and isolated["terminal"] == self.cloned
            and status["terminals"] == {"active": self.count - 1, "isolated": 1}
        )
        verdict = "one copy: seen, said why, isolated; nothing of the others lost" if sound else "NOT AS IT SHOULD BE"
        self.screen.data({"event": "verdict", "sound": sound, "words": verdict})
        self.screen.line(f"\n{self.screen.paint(verdict, '32' if sound else '31')}")
        return 0 if sound else 1

    def _do(self, name: str, *words: str) -> list[dict[str, Any]]:
        """One command to its end; its answers."""
        done = subprocess.run([command(name), *words, "--json"], cwd=self.folder, capture_output=True, text=True,
                              check=False)  # fmt: skip
        if done.returncode and words[:2] not in (("broker", "check"), ("fleet", "--terminals")):
            raise StationFailed(f"{name} {words[0]}:\n{done.stderr.strip()}")
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        for one in answers:
            self.screen.data({"station": name, **one})
        return answers


def _isolated(ingest: Station) -> dict[str, Any] | None:
    """What the ingest said of the copy; None where it said nothing in time."""
    deadline = time.monotonic() + ISOLATED_WITHIN_S
    while time.monotonic() < deadline:
        for line in list(ingest.lines):
            if line.get("event") == "isolated":
                return line
        time.sleep(0.05)
    return None


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
