# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""One contact payment on real daemons: pcscd and vpcd, mosquitto with a fresh CA, TLS everywhere. Starts and shows.

The daemons register nowhere: pcscd runs in mounts and a network of its own, where its virtual readers' ports, which
vpcd opens on every address, can be reached by the card alone; mosquitto listens on loopback.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from demo import Demo, Screen, played  # beside this file
from demo_options import alone, begun_parser
from demo_profile import TERMINAL, wires
from fleet_lab import FEWEST, FleetLab
from stations import Station, StationFailed

from protocols.telemetry.topics import Lane, report_topic

OTHER_TERMINAL = "TG000002"
READER = "Tillguard Contact"
EXAMPLES = """\
examples:
  scripts/lab                    approved: EUR 42.00 by contact chip, online PIN at the pad
  scripts/lab --wrong-pin        declined: the issuer does not know that PIN
  scripts/lab --tampered-arqc    declined: the card's cryptogram was changed on its way
  scripts/lab --t0               the card speaks T=0 instead of T=1
  scripts/lab --trace            also the bytes of every wire, redacted by type
  scripts/lab --fleet 200        an estate: head office, 200 terminals, one of them cloned and found out
  scripts/lab --keep             leaves everything running and says how to talk to it

Real pcscd, vpcd, pyscard and mosquitto; card, pad, acquirer and HSM are simulators with public TEST keys. Nothing
leaves this machine. Not a certified device.
"""


def profile_text(pad: str, acquirer: str, broker: str) -> str:
    """The terminal profile of the lab, as a person would write it."""
    return f"""\
# Made by scripts/lab. A real reader: change its line to a part of the name that pcsc_scan -r shows.
[terminal]
id = "{TERMINAL}"
merchant = "TILLGUARD000001"
state = "state"
socket = "agent.sock"

[reader]
model = "pcsc"
line = "pcsc:{READER} * 00"

[pad]
model = "ipp-uic"
line = "{pad}"

[emv]
country = "276"
currency = "978"
serial-number = "{TERMINAL}"
capabilities = "E040C8"

[[emv.aids]]
aid = "A0000000031010"
application-version = "0096"
transaction-limit = 500000
cvm-limit = 2500

[[emv.contact]]
aid = "A0000000031010"
application-version = "0096"

{wires(acquirer, broker)}"""


class Lab(Demo):
    """The demonstration with another reader, card and broker; paying and showing are the same."""

    name = "lab"
    closing = "pcscd, vpcd, pyscard and mosquitto are real; card, pad, acquirer and HSM simulators with TEST keys"

    def start(self) -> None:
        """Start every process; what does not depend on another starts side by side."""
        start, folder, options = self.stations.start, self.folder, self.options
        trace = ["--trace"] if options.trace else []
        self._begin_pki(TERMINAL, OTHER_TERMINAL)
        self._end_pki()
        pcscd = start(
            "pcscd",
            "device-twin",
            "pcscd",
            "--kind",
            "real",
            "--reader",
            READER,
            "--dir",
            str(folder / "pcscd"),
            "--json",
        )
        hsm = start("hsm-sim", "hsm-sim", "serve", "--port", "0", "--json", *trace)
        pad = start(
            "pad", "device-twin", "pinpad", "--model", "ipp-uic", "--cardholder", options.card,
            "--behaviour", "wrong-pin" if options.wrong_pin else "right-pin", "--link", str(folder / "pad"), "--json",
        )  # fmt: skip
        broker = start("mosquitto", "device-twin", "broker", *self._pki("broker"), "--kind", "mosquitto", "--json")
        inside = pcscd.wait_ready()
        os.environ["PCSCLITE_CSOCK_NAME"] = inside["socket"]  # where libpcsclite, in the agent, finds this pcscd
        start(
            "card", "device-twin", "card", "--vpcd", inside["readers"][0]["address"],
            "--network-of", str(inside["pid"]), "--card", options.card,
            "--fault", "tampered-arqc" if options.tampered_arqc else "none", "--after-use", "return", "--json",
            *(["--transmission", "t0"] if options.t0 else []),
        )  # fmt: skip
        acquirer = start(
            "acquirer", "device-twin", "acquirer", "--hsm", hsm.wait_ready()["address"], "--port", "0",
            "--tls-ca", str(folder / "pki/ca.pem"), "--tls-certificate", str(folder / "pki/acquirer.pem"),
            "--tls-key", str(folder / "pki/acquirer.key"), "--json",
        )  # fmt: skip
        address = broker.wait_ready()["address"]
        start(
            "fleet-console", "fleet-console", "watch", "--broker", address, *self._pki("head-office"),
            "--terminals", str(folder / "pki"), "--json",
        )  # fmt: skip
        pad.wait_ready()
        profile = folder / "terminal.toml"
        profile.write_text(profile_text(str(folder / "pad"), acquirer.wait_ready()["address"], address))
        start("agent", "terminal-agent", "run", "--profile", str(profile), "--json", *trace)
        self.screen.title("stations")
        for station in self.stations.running:
            ready = station.wait_ready()
            self._introduce(station.name, ready, station.ready_after_ms)

    def _introduce(self, name: str, ready: dict[str, Any], ms: float) -> None:
        at = ready.get("address") or ready.get("line") or Path(ready.get("socket", "")).name
        more = {
            "pcscd": "the real pcscd, in mounts and a network of its own, with vpcd's virtual readers",
            "hsm-sim": "payment HSM simulator; its master keys are public TEST keys",
            "pad": "IPP PIN pad, DUKPT-loaded with TEST keys; encrypts the PIN by itself",
            "mosquitto": f"the real mosquitto {ready.get('version', '')}, TLS 1.3, client certificate required",
            "card": f"a TEST chip card in the reader, ATR {ready.get('atr', '')}",
            "acquirer": "ISO 8583 host over TLS; verifies everything through hsm-sim",
            "fleet-console": "head office, watching",
            "agent": "the terminal's daemon, with pyscard",
        }.get(name, "")
        self.screen.data({"station": name, "ready_after_ms": round(ms), **ready})
        self.screen.line(f"  {name:<14}{at:<24}{self.screen.paint(f'{ms:5.0f} ms', '2')}  {more}")

    def head_office(self) -> bool:
        """As in the demonstration; before it, that another terminal's valid certificate opens nothing of this one's."""
        refused = self.trespass()
        return super().head_office() and refused

    def trespass(self) -> bool:
        """Publish into this terminal's tree with the certificate of another; whether mosquitto refused."""
        host, _, port = self._station("mosquitto").ready["address"].rpartition(":")
        pki = self.folder / "pki"
        argv = ["mosquitto_pub", "-h", host, "-p", port, "-V", "5", "-q", "1", "-d"]
        argv += ["--cafile", str(pki / "ca.pem"), "--cert", str(pki / f"{OTHER_TERMINAL}.pem")]
        argv += ["--key", str(pki / f"{OTHER_TERMINAL}.key")]
        argv += ["-t", report_topic(TERMINAL, Lane.HEALTH), "-m", "forged"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False)
        refused = "RC:135" in done.stdout + done.stderr  # MQTT 5.0, 2.4: not authorized
        self.screen.title("the broker's access list")
        self.screen.data({"station": "mosquitto", "event": "trespass", "by": OTHER_TERMINAL, "refused": refused})
        verdict = "refused (135, not authorized)" if refused else "NOT REFUSED"
        self.screen.line(f"  {OTHER_TERMINAL}, with its own valid certificate, reports as {TERMINAL}: {verdict}")
        return refused

    def _station(self, name: str) -> Station:
        return next(station for station in self.stations.running if station.name == name)

    def to_try(self) -> tuple[str, ...]:
        """Commands for a person, while it runs."""
        pids = {name: self._station(name).process.pid for name in ("pcscd", "card")}
        return (
            f"export PCSCLITE_CSOCK_NAME={os.environ['PCSCLITE_CSOCK_NAME']}",
            "opensc-tool -l                        # or pcsc_scan, or any other PC/SC program",
            f"kill -USR1 {pids['card']}; sleep 1; kill -USR2 {pids['card']}     # take the card out, and put it in",
            f"kill -USR1 {pids['pcscd']}; sleep 1; kill -USR2 {pids['pcscd']}     # kill pcscd, and start it again",
            "terminal-agent pay --amount 18.00 --currency EUR",
        )


def main() -> int:
    """Parse, run in a folder of its own, clean up."""
    parser = begun_parser("lab", EXAMPLES)
    parser.add_argument("--t0", action="store_true", help="the card speaks T=0")
    parser.add_argument("--card", default="test-visa-contact", help="card profile (default test-visa-contact)")
    parser.add_argument("--fleet", type=int, metavar="N", help=f"an estate of N terminals instead ({FEWEST} or more)")
    options = parser.parse_args()
    if options.fleet is not None and options.fleet < FEWEST:
        parser.error(f"--fleet: {FEWEST} or more expected, since one of them is cloned")
    if options.fleet is not None:
        alone(parser, options, "fleet", "json")
    options.replay = False  # a scene of the demonstration only
    screen = Screen(as_json=options.json, trace=options.trace)
    folder = Path(tempfile.mkdtemp(prefix="tillguard-lab-"))
    if options.fleet is not None:
        return _fleet(options.fleet, screen, folder)
    screen.line(screen.paint("Tillguard: one contact payment with an encrypted PIN, on real daemons", "1"))
    return played(Lab(options, screen, folder))


def _fleet(count: int, screen: Screen, folder: Path) -> int:
    screen.line(screen.paint(f"Tillguard: head office and {count} terminals over mutual TLS", "1"))
    try:
        return FleetLab(count, screen, folder).run()
    except StationFailed as fault:
        print(f"lab: error: {fault}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nlab: interrupted; everything was stopped", file=sys.stderr)
        return 130
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
