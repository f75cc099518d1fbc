# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""`device-twin fleet`: many terminals at the wire of head office, each with its own certificate and story."""

import argparse
import asyncio
import contextlib
import random
import time
from pathlib import Path

from device_profiles.serve.fleet import OVERDUE_S, Fleet, Member, Tally, Way
from device_profiles.serve.fleet_spool import FleetSpool
from device_profiles.serve.signals import until_signalled
from device_profiles.twins.fleet_terminal import FleetTerminal, Kept
from protocols.errors import DecodeError
from protocols.telemetry.events import make
from protocols.telemetry.keys import PublicKey, from_public_pem, signer_from_pem
from tillguard.address import host_port
from tillguard.exits import Exit
from tillguard.voice import Fault, Voice

EXAMPLES = """examples:
  device-twin pki --dir ./pki --fleet 200
  device-twin fleet --terminals 200 --broker 127.0.0.1:8883 --pki ./pki --receipt-key receipt.pub --reports 20
  device-twin fleet --terminals 5000 --storm --reports 4 --broker 127.0.0.1:8883 --pki ./pki --receipt-key receipt.pub
  device-twin fleet --terminals 200 --clone TG000042 --broker 127.0.0.1:8883 --pki ./pki --receipt-key receipt.pub
"""
LARGEST_FLEET = 100_000
_PAUSE_S = 0.02


def configure(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.epilog = EXAMPLES
    parser.add_argument("--terminals", type=int, required=True, metavar="N", help="TG000001 and so on")
    parser.add_argument("--broker", required=True, metavar="HOST:PORT", help="the terminals' listener")
    parser.add_argument("--pki", type=Path, required=True, metavar="DIR", help="of device-twin pki --fleet")
    parser.add_argument("--receipt-key", type=Path, required=True, metavar="FILE", help="head office's, public, PEM")
    parser.add_argument("--reports", type=int, default=10, metavar="N", help="that each terminal tells (10)")
    parser.add_argument("--over", type=float, default=2.0, metavar="SECONDS", help="in which it tells them (2)")
    parser.add_argument("--spool", type=Path, metavar="FILE", help="keep the spools here, over kill -9 (memory)")
    parser.add_argument("--storm", action="store_true", help="cut every line half way through")
    parser.add_argument("--clone", metavar="NAME", help="a second machine with that terminal's disk appears half way")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the stories (1)")
    parser.add_argument("--overdue", type=float, default=OVERDUE_S, metavar="SECONDS",
                        help=f"without a receipt for so long, what waits is sent again ({OVERDUE_S:g})")  # fmt: skip
    parser.add_argument("--within", type=float, default=120.0, metavar="SECONDS", help="give up after so long (120)")
    parser.add_argument("--json", action="store_true", help="answer as JSON lines")


def run(args: argparse.Namespace) -> int:
    """Tell all stories; exit code 0 once every report has its receipt, 1 where some have none in time."""
    if not 1 <= args.terminals <= LARGEST_FLEET or not 0 <= args.reports <= 1_000_000:
        raise Fault(f"--terminals: 1 to {LARGEST_FLEET}, --reports: up to a million expected", "see --help", Exit.USAGE)
    try:
        host, port = host_port(args.broker)
    except ValueError as fault:
        raise Fault(f"--broker: {fault}", "such as 127.0.0.1:8883", Exit.USAGE) from None
    try:
        head_office = from_public_pem(args.receipt_key.read_bytes(), str(args.receipt_key))
    except (OSError, DecodeError) as fault:
        raise Fault(f"{args.receipt_key}: no public key", "openssl pkey -pubout", Exit.USAGE) from fault
    try:
        way = Way.to(host, port, args.pki)
    except OSError as fault:  # ssl.SSLError is one
        raise Fault(f"{args.pki / 'ca.pem'}: no authority in PEM", "of device-twin pki --fleet", Exit.USAGE) from fault
    run_fleet = _Run(args, way, head_office)
    try:
        import uvloop
    except ModuleNotFoundError:
        return asyncio.run(run_fleet.go())
    return uvloop.run(run_fleet.go())


class _Run:
    """One run of the command."""

    def __init__(self, args: argparse.Namespace, way: Way, head_office: PublicKey) -> None:
        self._args, self._way, self._head_office = args, way, head_office
        self._voice = Voice("device-twin", as_json=args.json)
        self._chance = random.Random(args.seed)  # noqa: S311  # the order of attempts, not a secret
        self._spool = FleetSpool(args.spool) if args.spool else None
        self._tally = Tally()
        self._changed = asyncio.Event()

    async def go(self) -> int:
        args, stop = self._args, until_signalled()
        names = [f"TG{number:06}" for number in range(1, args.terminals + 1)]
        before = _resident_kib()
        fleet = Fleet([self._member(name) for name in names])
        fleet.start()
        began = time.monotonic()
        deadline = began + args.within
        while fleet.connected < len(names) and time.monotonic() < deadline and not stop.is_set():
            await self._while(_PAUSE_S)
        connected_s = time.monotonic() - began
        self._say("connected", {"terminals": fleet.connected, "seconds": round(connected_s, 3)})
        kib = (_resident_kib() - before) / max(1, len(names))
        await self._tell(fleet, stop)
        told = time.monotonic()
        while self._waiting(fleet) and time.monotonic() < deadline and not stop.is_set():
            await self._while(0.2)
        waiting = self._waiting(fleet)
        await fleet.stop()
        if self._spool is not None:
            self._spool.close()
        self._say(
            "done",
            {
                "terminals": len(names), "told": self._tally.told, "receipted": self._tally.receipted,
                "waiting": waiting, "published": self._tally.published, "refused": self._tally.refused,
                "connections": self._tally.connections, "kib_each": round(kib, 1),
                "drained_s": round(time.monotonic() - told, 3),
            },
        )  # fmt: skip
        return int(Exit.FAILED if waiting else Exit.OK)

    async def _while(self, seconds: float) -> None:
        """Until a receipt came, or so long."""
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    async def _tell(self, fleet: Fleet, stop: asyncio.Event) -> None:
        """The stories, spread over the time; the storm and the clone come half way."""
        args = self._args
        for turn in range(args.reports):
            if turn == args.reports // 2:
                if args.storm:
                    fleet.drop()
                if args.clone:
                    self._clone(fleet)
            for member in fleet.members:
                self._happen(member)
            for member in fleet.members:
                member.push()
            try:
                async with asyncio.timeout(args.over / max(1, args.reports)):
                    await stop.wait()
                return
            except TimeoutError:
                pass

    def _member(self, name: str) -> Member:
        now = _now_ms()
        boot, prev, kept = self._spool.begin(name, now) if self._spool is not None else (now, None, list[Kept]())
        return self._at_the_wire(self._made(name, boot, prev, kept))

    def _made(self, name: str, boot: int, prev: str | None, kept: list[Kept]) -> FleetTerminal:
        try:
            signer = signer_from_pem((self._args.pki / f"{name}.key").read_bytes(), name)
        except (OSError, DecodeError):
            hint = f"device-twin pki --dir {self._args.pki} --fleet {self._args.terminals}"
            raise Fault(f"{self._args.pki}: no usable key of {name}", hint, Exit.USAGE) from None
        seed = self._args.seed
        return FleetTerminal(name, boot, signer, self._head_office, prev=prev, kept=kept, seed=seed)

    def _at_the_wire(self, terminal: FleetTerminal) -> Member:
        return Member(
            terminal,
            self._way,
            self._spool,
            self._tally,
            self._chance.random,
            _now_ms(),
            self._changed.set,
            self._args.overdue,
        )

    def _happen(self, member: Member) -> None:
        terminal = member.terminal
        made = (
            terminal.happen(_now_ms()) if terminal.seq else terminal.tell(make("agent.started", _now_ms(), version="1"))
        )
        self._tally.told += 1
        if self._spool is not None:
            self._spool.keep(terminal.name, [made], terminal.boot, terminal.prev)

    def _clone(self, fleet: Fleet) -> None:
        """The disk of one terminal was copied before its present life: the copy begins a life of its own."""
        found = next((one for one in fleet.members if one.terminal.name == self._args.clone), None)
        if found is None:
            raise Fault(f"--clone: no terminal {self._args.clone} in this fleet", "such as TG000001", Exit.USAGE)
        terminal = found.terminal
        copy = self._made(terminal.name, terminal.boot + 1, terminal.first_prev, [])
        member = self._at_the_wire(copy)
        fleet.join(member)
        self._say("cloned", {"terminal": terminal.name})

    def _waiting(self, fleet: Fleet) -> int:
        """Reports without a receipt; of a copy and its model only that each is heard at all."""
        unheard = sum(not one.heard for one in fleet.members if one.terminal.name == self._args.clone)
        return unheard + sum(one.terminal.waiting for one in fleet.members if one.terminal.name != self._args.clone)

    def _say(self, event: str, fields: dict[str, object]) -> None:
        text = ", ".join(f"{name} {value}" for name, value in fields.items())
        self._voice.answer({"event": event, **fields}, f"{event}: {text}")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _resident_kib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4
