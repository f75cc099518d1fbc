# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Puts the acquirer twin on a TCP port and before an HSM: reads its files, wires, prints. Decides no payment."""

import argparse
import asyncio
import contextlib
import ipaddress
import json
import os
import ssl
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from device_profiles.acquirer_profile import AcquirerProfile, MacKind, load_acquirer
from device_profiles.serve.signals import until_signalled
from device_profiles.serve.tcp import Bank, HsmLink, server_context
from device_profiles.twins.acquirer import Event, Host
from device_profiles.twins.acquirer_hsm import HsmGone
from device_profiles.twins.acquirer_ledger import Ledger
from device_profiles.twins.acquirer_script import Script
from protocols.hsm.commands import NC
from tillguard.address import host_port
from tillguard.exits import Exit
from tillguard.settings import load
from tillguard.voice import Fault, Voice


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT; ``args`` as acquirer_command.py has them."""
    if not 0 <= args.port < 65536:
        raise Fault(f"--port {args.port}: not a port", "0 to 65535; 0 takes any free one", Exit.USAGE)
    profile = load_acquirer(args.profile)
    if args.mac:
        profile = replace(profile, mac=MacKind(args.mac))
    script = load(args.script, Script) if args.script else Script()
    security = _security(args)
    ledger = _restored(args.state) if args.state else Ledger()
    return asyncio.run(_serve(args, profile, script, security, ledger))


async def _serve(
    args: argparse.Namespace, profile: AcquirerProfile, script: Script, security: ssl.SSLContext | None, ledger: Ledger
) -> int:
    voice = Voice("device-twin", as_json=args.json)
    stop = until_signalled()
    hsm_host, hsm_port = _address(args.hsm)
    link = HsmLink(hsm_host, hsm_port)
    try:
        diagnosis = await link.ask(NC())
    except HsmGone:
        what = f"no HSM answers at {args.hsm}"
        raise Fault(what, "start one: hsm-sim serve --port 1500", Exit.UNREACHABLE) from None
    check_value = diagnosis.fields.check_value.hex().upper() if diagnosis.fields is not None else ""
    bank = Bank(
        Host(profile, ledger, script),
        profile.speech,
        link,
        lambda: datetime.now(UTC),
        lambda event: _tell(voice, event),
        trace=(lambda direction, text: _trace(voice, direction, text)) if args.trace else None,
        save=_saver(args.state, ledger) if args.state else None,
    )
    try:
        server = await asyncio.get_running_loop().create_server(bank.line, args.listen, args.port, ssl=security)
    except OSError as fault:
        link.close()
        what = f"cannot listen on {args.listen}:{args.port}: {fault.strerror or 'not possible'}"
        raise Fault(what, "another program has that port? --port 0 takes any free one") from None
    host, port = server.sockets[0].getsockname()[:2]
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    ready = {
        "event": "ready",
        "twin": "acquirer",
        "profile": profile.name,
        "address": address,
        "tls": security is not None,
        "hsm": args.hsm,
        "check_value": check_value,
    }
    voice.answer(ready, f"ready {address} {profile.name}, HSM {args.hsm} (LMK check value {check_value})")
    await stop.wait()
    server.close()
    await bank.close()
    return int(Exit.OK)


def _tell(voice: Voice, event: Event) -> None:
    if voice.as_json:
        voice.data(event)
        return
    reasons = "; ".join(event.get("reasons", ())) or event.get("reason", "")
    if "mti" not in event:
        voice.say(f"{event['event']}: {reasons}")
        return
    checks = " ".join(f"{name}={value}" for name, value in event.get("checks", {}).items())
    head = f"{event['mti']} {event.get('terminal', '')} STAN {event.get('stan', '')}"
    outcome = f"{event.get('code', '')} {event.get('words', event['event'])}"
    voice.say(" · ".join(part for part in (head, outcome, checks, reasons) if part))


def _trace(voice: Voice, direction: str, text: str) -> None:
    if voice.as_json:
        voice.data({"event": "traffic", "wire": "acquirer", "direction": direction, "text": text})
    else:
        voice.say(f"acquirer {direction} {text}")


def _address(text: str) -> tuple[str, int]:
    try:
        return host_port(text)
    except ValueError as fault:
        raise Fault(f"--hsm {text}: {fault}", "write it as 127.0.0.1:1500", Exit.USAGE) from None


def _security(args: argparse.Namespace) -> ssl.SSLContext | None:
    files = (args.tls_ca, args.tls_certificate, args.tls_key)
    if not any(files):
        if not _is_loopback(args.listen):
            what = f"--listen {args.listen}: only loopback may go without TLS"
            raise Fault(what, "give --tls-ca, --tls-certificate and --tls-key", Exit.REFUSED)
        return None
    if not all(files):
        raise Fault("TLS needs three files", "give --tls-ca, --tls-certificate and --tls-key", Exit.USAGE)
    try:
        return server_context(*files)
    except ssl.SSLError:
        raise Fault("the TLS files do not fit", "PEM; the key must be the certificate's", Exit.USAGE) from None
    except OSError as fault:
        what = f"{fault.filename or 'a TLS file'}: {fault.strerror}"
        raise Fault(what, "check the three paths", Exit.USAGE) from None


def _is_loopback(listen: str) -> bool:
    try:
        return ipaddress.ip_address(listen).is_loopback
    except ValueError:
        return listen == "localhost"


def _restored(path: Path) -> Ledger:
    try:
        return Ledger.restored(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return Ledger()
    except (OSError, ValueError) as fault:
        why = fault.strerror if isinstance(fault, OSError) else "not what this twin wrote"
        raise Fault(f"{path}: {why}", "give another --state file, or delete this one", Exit.USAGE) from None


def _saver(path: Path, ledger: Ledger) -> Callable[[], None]:
    """Writes the ledger so that a reader finds the old or the new state, never half of one."""

    def save() -> None:
        fresh = path.with_name(path.name + ".new")
        with contextlib.closing(os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w")) as file:
            json.dump(ledger.snapshot(), file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)

    return save
