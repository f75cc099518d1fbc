# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""One contactless payment with an encrypted PIN, from tap to approved, seen over MQTT: every part its own process.

Wires the commands together and shows what they say; computes nothing about the payment itself.
"""

import argparse
import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from demo_options import alone, begun_parser  # beside this file
from demo_profile import CARDS, PADS, READERS, SOFTWARE, TERMINAL, profile_text
from demo_vault import ENCIPHER_TEXT, VAULT_TEXT, load_keys
from stations import StationFailed, Stations, command, die_with_parent, environment_says_no_colour, uninterrupted

USAGE = 2  # the exit code of words that a command does not take: no payment was begun
EXAMPLES = """\
examples:
  scripts/demo                   approved: EUR 42.00, online PIN at the pad
  scripts/demo --wrong-pin       declined: the issuer does not know that PIN
  scripts/demo --pad software    approved: the PIN is typed at a keypad whose digits go to the vault alone
  scripts/demo --encipher        approved: the message to the acquirer carries no account number, not even inside TLS
  scripts/demo --card test-mastercard-like   approved by kernel 2: the card signs its cryptogram
  scripts/demo --tampered-arqc   declined: the card's cryptogram was changed on its way
  scripts/demo --torn            approved: the card leaves before its cryptogram arrives, and is charged once
  scripts/demo --replay          the second payment is declined: a cloned pad sends an old PIN block again
  scripts/demo --usb             a night at the till: a stick, a bad keyboard, a service window; verdicts in words
  scripts/demo --trace           also the bytes of every wire, redacted by type
  scripts/demo --keep            leaves everything running and says how to talk to it

Everything is simulated, every key is a public TEST key, nothing leaves this machine. Not a certified device.
"""


class Screen:
    """What a person sees, or with ``--json`` what a program reads."""

    def __init__(self, *, as_json: bool, trace: bool) -> None:
        self.as_json = as_json
        self.trace = trace
        self._bare = environment_says_no_colour() or as_json
        self._turn = threading.Lock()  # every station's reader thread speaks through this screen

    def paint(self, text: str, code: str) -> str:
        """``text`` in one colour, or bare."""
        return text if self._bare else f"\x1b[{code}m{text}\x1b[0m"

    def title(self, text: str) -> None:
        """A heading."""
        if not self.as_json:
            self._write("\n" + self.paint(text, "1"))

    def line(self, text: str) -> None:
        """A line for a person."""
        if not self.as_json:
            self._write(text)

    def data(self, document: dict[str, Any]) -> None:
        """A line for a program."""
        if self.as_json:
            self._write(json.dumps(document, ensure_ascii=False))

    def _write(self, text: str) -> None:
        with self._turn:
            print(text, flush=True)

    def heard(self, station: str, document: dict[str, Any]) -> None:
        """A JSON line of any process, as it comes: traffic is shown when asked for."""
        if document.get("event") == "traffic" and self.trace:
            self.data({"station": station, **document})
            arrow = {">": "→", "<": "←"}.get(document.get("direction", ""), "·")
            self.line(self.paint(f"            {document.get('wire', ''):<9}{arrow} {document.get('text', '')}", "2"))


class Demo:
    """The stations of one run and what is done with them."""

    name = "demo"
    closing = "every part its own process, all of them simulators with TEST keys"

    def __init__(self, options: argparse.Namespace, screen: Screen, folder: Path) -> None:
        self.options = options
        self.screen = screen
        self.folder = folder
        self.stations = Stations(screen.heard)
        self.began = time.monotonic()
        self.pki: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start every process; what does not depend on another starts side by side."""
        start, folder, options = self.stations.start, self.folder, self.options
        trace = ["--trace"] if options.trace else []
        self._begin_pki(TERMINAL)
        hsm = start("hsm-sim", "hsm-sim", "serve", "--port", "0", "--json", *trace)
        reader = start(
            "reader", "device-twin", "reader", "--model", options.reader, "--card", options.card,
            "--fault", self._card_fault(), "--link", str(folder / "reader"), "--json",
        )  # fmt: skip
        software = options.pad == SOFTWARE
        behaviour = "wrong-pin" if options.wrong_pin else "right-pin"
        pad = start(
            "keypad", "device-twin", "keypad", "--model", SOFTWARE, "--cardholder", options.card,
            "--behaviour", behaviour, "--link", str(folder / "pad"), "--json",
        ) if software else start(
            "pad", "device-twin", "pinpad", "--model", options.pad,
            "--cardholder", options.card, "--behaviour", behaviour,
            "--fault", "replay" if options.replay else "none", "--link", str(folder / "pad"), "--json",
        )  # fmt: skip
        self._end_pki()
        broker = start("broker", "device-twin", "broker", *self._pki("broker"), "--port", "0", "--json")
        acquirer = start(
            "acquirer", "device-twin", "acquirer", "--hsm", hsm.wait_ready()["address"], "--port", "0",
            "--tls-ca", str(folder / "pki/ca.pem"), "--tls-certificate", str(folder / "pki/acquirer.pem"),
            "--tls-key", str(folder / "pki/acquirer.key"), "--json",
            "--mac", "tdes-cbc" if options.pad == "abecs" else "retail",
        )  # fmt: skip
        profile = self.folder / "terminal.toml"
        broker_address = broker.wait_ready()["address"]
        start(
            "fleet-console", "fleet-console", "watch", "--broker", broker_address, *self._pki("head-office"),
            "--terminals", str(folder / "pki"), "--json",
        )  # fmt: skip
        reader.wait_ready()
        pad.wait_ready()
        text = profile_text(
            (options.reader, options.pad),
            str(folder / "reader"),
            str(folder / "pad"),
            acquirer.wait_ready()["address"],
            broker_address,
            phone="mobile" in options.card,
        )
        slots = [*(["pin", "mac-master"] if software else []), *(["data"] if options.encipher else [])]
        profile.write_text((text.replace(*ENCIPHER_TEXT) if options.encipher else text) + (VAULT_TEXT if slots else ""))
        if slots:
            self.screen.title("a vault, and keys for it")
            for words, said in load_keys(profile, slots):
                self.screen.data({"station": "keys", "verb": words[0], **said})
                outcome = said.get("words") or said.get("check_value") or said.get("source")
                self.screen.line(f"  keys {' '.join(words[:2]):<16} {outcome}")
        start("agent", "terminal-agent", "run", "--profile", str(profile), "--json", *trace)
        self.screen.title("stations")
        for station in self.stations.running:
            ready = station.wait_ready()
            self._introduce(station.name, ready, station.ready_after_ms)

    def _card_fault(self) -> str:
        """What is wrong with the card."""
        if self.options.torn:
            return "torn-at-cryptogram"
        return "tampered-arqc" if self.options.tampered_arqc else "none"

    def _begin_pki(self, *terminals: str) -> None:
        """Certificates for everybody, made beside other work."""
        words = [word for name in terminals for word in ("--terminal", name)]
        with uninterrupted():
            self.pki = subprocess.Popen(
                [command("device-twin"), "pki", "--dir", str(self.folder / "pki"), *words, "--json"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                preexec_fn=die_with_parent,
            )

    def _end_pki(self) -> None:
        """Wait for them; whoever is interrupted here leaves nobody who writes on."""
        assert self.pki is not None  # begun before
        try:
            talk = self.pki.communicate()[1]
        except BaseException:
            self.pki.kill()
            self.pki.wait()
            raise
        if self.pki.returncode:
            raise StationFailed(f"pki:\n{talk.strip()}")

    def _pki(self, name: str) -> list[str]:
        pki = self.folder / "pki"
        return [
            "--ca",
            str(pki / "ca.pem"),
            "--certificate",
            str(pki / f"{name}.pem"),
            "--key",
            str(pki / f"{name}.key"),
        ]

    def _introduce(self, name: str, ready: dict[str, Any], ms: float) -> None:
        at = ready.get("address") or ready.get("line") or Path(ready.get("socket", "")).name
        more = {
            "hsm-sim": "payment HSM simulator; its master keys are public TEST keys",
            "reader": f"{READERS[self.options.reader]} with a TEST contactless card in its field",
            "keypad": "a keypad that sends what is typed; its line goes to the vault alone",
            "pad": f"{self.options.pad} PIN pad, DUKPT-loaded with TEST keys; encrypts the PIN by itself",
            "acquirer": "ISO 8583 host over TLS; verifies everything through hsm-sim",
            "broker": f"{ready.get('kind', '')}, MQTT 5 over TLS, client certificate required",
            "fleet-console": "head office, watching",
            "agent": "the terminal's daemon",
        }.get(name, "")
        self.screen.data({"station": name, "ready_after_ms": round(ms), **ready})
        self.screen.line(f"  {name:<14}{at:<24}{self.screen.paint(f'{ms:5.0f} ms', '2')}  {more}")

    def pay(self, title: str) -> tuple[int, dict[str, Any]]:
        """One payment through the thin client: its exit code and its last JSON line."""
        self.screen.title(title)
        argv = [command("terminal-agent"), "pay", "--amount", self.options.amount, "--currency", self.options.currency]
        argv += ["--socket", str(self.folder / "agent.sock")]
        if not self.screen.as_json:
            code = subprocess.call(argv)
            return code, {}
        done = subprocess.run([*argv, "--json"], stdout=subprocess.PIPE, text=True, check=False)
        last: dict[str, Any] = {}
        for line in done.stdout.splitlines():
            last = json.loads(line)
            self.screen.data({"station": "pay", **last})
        return done.returncode, last

    def decision(self) -> None:
        """What the acquirer found, from its own log: it knows more than it tells the terminal."""
        acquirer = next(station for station in self.stations.running if station.name == "acquirer")
        while (found := acquirer.next_line(1)) is not None:
            if found.get("event") != "decision" or found.get("mti") != "0100":
                continue
            self.screen.data({"station": "acquirer", **found})
            checks = ", ".join(f"{name.upper()} {verdict}" for name, verdict in found["checks"].items())
            reasons = "".join(f"; {reason}" for reason in found["reasons"])
            self.screen.line(self.screen.paint(f"             the acquirer's own log: {checks}{reasons}", "2"))
            return

    def head_office(self) -> bool:
        """Show what arrived over MQTT until the payment's end did, and all before it; False when it did not arrive."""
        self.screen.title("seen at head office, over MQTT")
        console = next(station for station in self.stations.running if station.name == "fleet-console")
        wanted = 2 if self.options.replay else 1
        deadline = time.monotonic() + 10
        ends, reports, missing = 0, dict[tuple[int, int], dict[str, Any]](), True
        while (ends < wanted or missing) and time.monotonic() < deadline:
            report = console.next_line(deadline - time.monotonic())
            if report is None:
                break
            if report.get("event") != "report":
                continue
            ends += report["name"] == "payment.finished"
            reports[report["boot"], report["seq"]] = report
            missing = any(seq > 1 and (boot, seq - 1) not in reports for boot, seq in reports)
        for (boot, seq), report in sorted(reports.items()):  # an urgent lane overtakes the others
            if report["name"] in ("agent.heartbeat", "audit.head"):  # whenever they are due, not the payment's story
                continue
            self.screen.data({"station": "fleet-console", **report})
            self.screen.line(f"  {report['terminal']}  {boot}/{seq:<4}{report['name']:<18}{report['words']}")
        return ends >= wanted and not missing

    def audit(self) -> int:
        """Prove the local audit chain."""
        self.screen.title("audit chain of the terminal")
        log = self.folder / "state" / f"{TERMINAL}.audit.jsonl"
        argv = [command("terminal-agent"), "audit", "verify", str(log)]
        done = subprocess.run(
            argv + (["--json"] if self.screen.as_json else []), stdout=subprocess.PIPE, text=True, check=False
        )
        for line in done.stdout.splitlines():
            self.screen.line(f"  {line}")
            if self.screen.as_json:
                self.screen.data({"station": "audit", **json.loads(line)})
        return done.returncode

    def run(self) -> int:
        """The whole demonstration; the exit code is the (last) payment's, or 1 when its report or its log failed."""
        self.start()
        code, _ = self.pay(f"payment of {self.options.currency} {self.options.amount}")
        if code == USAGE:
            return code
        self.decision()
        if self.options.replay:
            code, _ = self.pay("a second payment; the pad is a clone that sends the old PIN block again")
            self.decision()
        arrived = self.head_office()
        if not arrived:
            print(f"{self.name}: error: the payment's end did not arrive at head office within 5 s", file=sys.stderr)
        proved = self.audit()
        took = time.monotonic() - self.began
        self.screen.data({"station": self.name, "exit": code, "seconds": round(took, 2)})
        spent = self.screen.paint(f"{took:.1f} s", "2")
        self.screen.line(f"\n{spent}; {self.closing}")
        if self.options.keep:
            self.keep()
        return code or (0 if arrived and not proved else 1)

    def keep(self) -> None:
        """Leave it running until Ctrl-C."""
        self.screen.title("still running; Ctrl-C ends it. Try, in another terminal:")
        bin_folder = Path(command("terminal-agent")).parent
        for words in (
            f"export PATH={bin_folder}:$PATH TILLGUARD_SOCKET={self.folder}/agent.sock",
            *self.to_try(),
            "terminal-agent status",
            f"terminal-agent audit verify {self.folder}/state/{TERMINAL}.audit.jsonl",
            f"cat {self.folder}/terminal.toml",
        ):
            self.screen.line(f"  {words}")
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                time.sleep(3600)

    def to_try(self) -> tuple[str, ...]:
        """Commands for a person, while it runs."""
        return (
            "terminal-agent pay --amount 18.00 --currency EUR      # below the CVM limit: no PIN",
            "terminal-agent watch",
        )


def played(demo: Demo) -> int:
    """Run it, stop what it started whatever happens, and remove its folder; the exit code."""
    try:
        with demo.stations:
            return demo.run()
    except StationFailed as fault:
        print(f"{demo.name}: error: {fault}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\n{demo.name}: interrupted; everything was stopped", file=sys.stderr)
        return 130
    finally:
        if demo.pki is not None and demo.pki.poll() is None:  # interrupted while it wrote: it must not write on
            demo.pki.kill()
            demo.pki.wait()
        shutil.rmtree(demo.folder, ignore_errors=True)


def main() -> int:
    """Parse, run in a folder of its own, clean up."""
    parser = begun_parser(
        "demo", EXAMPLES,
        torn="a card that signs leaves too early and comes back",
        replay="two payments, the second with the first one's PIN block",
        usb="no payment: a story of the USB bus and its policy",
    )  # fmt: skip
    parser.add_argument("--reader", default="pn532", choices=READERS, help="contactless reader (default pn532)")
    parser.add_argument("--card", choices=CARDS, help=f"who pays (default {CARDS[0]}; with --torn {CARDS[1]})")
    parser.add_argument("--pad", default="ipp-uic", choices=PADS, help="where the PIN is enciphered (default ipp-uic)")
    parser.add_argument(
        "--encipher", action="store_true", help="account data are enciphered as soon as they are read, by a vault"
    )
    options = parser.parse_args()
    if options.replay and options.pad == SOFTWARE:
        parser.error("--replay: a vault does not send a PIN block twice; that fault is the pad's")
    if options.usb:
        alone(parser, options, "usb", "json")
    if options.torn and options.card == CARDS[0]:
        parser.error("--torn: a Visa-like card has nothing to recover: it makes its cryptogram at once")
    if "mobile" in (options.card or "") and (options.wrong_pin or options.replay):
        parser.error("--wrong-pin, --replay: a phone verifies its holder itself, so no PIN is typed; leave them out")
    options.card = options.card or CARDS[1 if options.torn else 0]
    screen = Screen(as_json=options.json, trace=options.trace)
    if options.usb:
        import usb_demo  # the agent's USB room, which no payment needs

        return usb_demo.play(usb_demo.STORY, screen.title, screen.line, screen.data, screen.paint)
    folder = Path(tempfile.mkdtemp(prefix="tillguard-demo-"))
    screen.line(screen.paint("Tillguard: one contactless payment with an encrypted PIN, from tap to approved", "1"))
    return played(Demo(options, screen, folder))


if __name__ == "__main__":
    sys.exit(main())
