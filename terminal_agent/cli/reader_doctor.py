# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``terminal-agent reader doctor``: every link between this program and a card, checked in order, with cures.

The bundle of ``--capture`` is for sending: serial numbers are left out, and no card is read for it.
"""

import asyncio
import io
import json
import os
import platform
import re
import stat
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from terminal_agent.card.pcsc_codes import as_card_error, words
from terminal_agent.card.pcsc_service import PcscService
from terminal_agent.card.port import CardError
from terminal_agent.card.scard import must_be_installed
from terminal_agent.cli.reader_command import describe, facts, first_table
from terminal_agent.durable import replace_whole
from tillguard.exits import Exit
from tillguard.voice import Fault, Voice

SOCKET = "/run/pcscd/pcscd.comm"
COMPETITORS = ("scdaemon", "gnome-keyring-daemon", "pkcs11_eventmgr", "card_eventmgr")
LEAST_TELLING = 4  # characters: a shorter serial number is found in words that are none
_IN_A_NAME = re.compile(r"\(([^()]+)\)(?: [0-9A-F]{2})*$")  # libccid's names: model [interface] (serial number) numbers
KERNEL_DRIVERS = ("pn533_usb", "pn533", "nfc")  # they take ACR122 and its like away from pcscd


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: ``fine`` None is a remark."""

    check: str
    fine: bool | None
    what: str
    cure: str = ""


def run(voice: Voice, capture: Path | None) -> int:
    """Exit code 1 where a check failed."""
    if capture is not None and capture.exists():
        raise Fault(f"{capture}: exists already", "choose another name, or remove it", Exit.USAGE)
    findings, readers = asyncio.run(examine())
    report: dict[str, object] = {
        "machine": {
            "system": platform.platform(),
            "python": platform.python_version(),
            "tillguard": _version("tillguard"),
        },
        "findings": [{"check": one.check, "fine": one.fine, "what": one.what, "cure": one.cure} for one in findings],
        "readers": readers,
    }
    if voice.as_json:
        voice.data(report)
    else:
        for one in findings:
            mark = {True: "ok  ", False: "FAIL", None: "note"}[one.fine]
            voice.say(f"{mark}  {one.check:<10}{one.what}")
            if one.cure:
                voice.say(f"      {'':<10}cure: {one.cure}")
        for reader in readers:
            voice.say(f"      {reader['name']}: {reader['card']}; {reader['model']}")
    if capture is not None:
        _capture(capture, report)
        voice.tell(f"{capture}: written; it holds no account data and no serial number")
    return int(Exit.FAILED if any(one.fine is False for one in findings) else Exit.OK)


async def examine() -> tuple[list[Finding], list[dict[str, object]]]:
    """All checks in order; those that need what failed are left out."""
    findings = [_driver()]
    if findings[0].fine is False:
        return findings, []
    findings += [_socket(), *_competitors(), *_kernel()]
    table = await first_table(PcscService())
    if table.fault is not None:
        findings.append(Finding("service", False, words(table.fault), as_card_error(table.fault).hint))
        return findings, []
    findings.append(Finding("service", True, "the PC/SC service answers"))
    if not table.slots:
        cure = "plug one in; lsusb shows it? then libccid may not know it: pcscd -f -d says so"
        findings.append(Finding("reader", False, "no reader is plugged in", cure))
        return findings, []
    found = await asyncio.to_thread(facts, tuple(table.slots))
    readers = [describe(one, table.slots[one.name]) for one in found]
    for reader in readers:
        problem = str(reader["problem"])
        if problem:
            findings.append(Finding("reader", None, f"{reader['name']}: {problem}", "close the program that holds it"))
        elif reader["card"] == "mute":
            cure = "turn it: chip first and up; clean the contacts"
            findings.append(Finding("card", False, f"{reader['name']}: the card does not answer the reset", cure))
        else:
            findings.append(Finding("reader", True, f"{reader['name']}: {reader['card']}"))
        findings += [Finding("quirk", None, quirk) for quirk in _texts(reader["quirks"])]
    return findings, readers


def _texts(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


def _driver() -> Finding:
    try:
        must_be_installed()
    except CardError as error:
        return Finding("driver", False, error.what, error.hint)
    return Finding("driver", True, f"pyscard {_version('pyscard')}")


def _socket() -> Finding:
    path = Path(os.environ.get("PCSCLITE_CSOCK_NAME", SOCKET))
    try:
        mode = path.stat().st_mode
    except OSError:
        cure = "systemctl start pcscd.socket, or pcscd --foreground; not installed? apt-get install pcscd libccid"
        return Finding("socket", False, f"{path}: not there", cure)
    if not stat.S_ISSOCK(mode) or not os.access(path, os.R_OK | os.W_OK):
        return Finding(
            "socket", False, f"{path}: this user may not use it", "run as a user who may, or mend its rights"
        )
    return Finding("socket", True, str(path))


def _competitors() -> list[Finding]:
    """Programs that are known to hold cards for themselves."""
    found = set()
    for comm in Path("/proc").glob("[0-9]*/comm"):
        try:
            found.add(comm.read_text("utf-8").strip())
        except OSError:
            continue  # it has ended since
    cure = "stop it while the terminal runs; for scdaemon: gpgconf --kill scdaemon"
    return [
        Finding("others", None, f"{name} runs and may hold cards for itself", cure)
        for name in COMPETITORS
        if name in found
    ]


def _kernel() -> list[Finding]:
    """Kernel drivers that take contactless readers away from pcscd."""
    loaded = [name for name in KERNEL_DRIVERS if Path("/sys/module", name).exists()]
    cure = f"modprobe -r {' '.join(loaded)}, and blacklist them in /etc/modprobe.d"
    return (
        [Finding("kernel", None, f"kernel drivers take contactless readers: {', '.join(loaded)}", cure)]
        if loaded
        else []
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _capture(path: Path, report: dict[str, object]) -> None:
    """One report in a bundle, without serial numbers: whole, or not there."""
    text = json.dumps(without_serials(report), indent=2, ensure_ascii=False).encode()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as bundle:
        entry = tarfile.TarInfo("report.json")
        entry.size = len(text)
        bundle.addfile(entry, io.BytesIO(text))
    try:
        replace_whole(path, packed.getvalue())
    except OSError as fault:
        raise Fault(f"{path}: cannot be written: {fault.strerror}", "choose another place") from None


def without_serials(report: dict[str, object]) -> dict[str, object]:
    """The report with every serial number written over, wherever it stands, in a reader's own name above all.

    A reader that could not be asked has told no number, and its driver has written one into its name all the same.
    """
    readers = report["readers"]
    assert isinstance(readers, list)  # made above
    serials = {str(reader["serial"]) for reader in readers}
    serials |= {number for reader in readers for number in _IN_A_NAME.findall(str(reader["name"]))}
    written_over = {serial: f"serial-{number}" for number, serial in enumerate(sorted(serials - {""}), 1)}
    if home := os.environ.get("HOME"):
        written_over[home] = "~"  # who the user is, is nobody's business either
    told = _replaced(report, written_over)
    assert isinstance(told, dict)  # as it was
    return told


def _replaced(value: object, written_over: Mapping[str, str]) -> object:
    if isinstance(value, dict):
        return {name: _replaced(item, written_over) for name, item in value.items()}
    if isinstance(value, list):
        return [_replaced(item, written_over) for item in value]
    if not isinstance(value, str):
        return value
    if value in written_over:
        return written_over[value]
    for serial, word in written_over.items():
        value = value.replace(f"({serial})", f"({word})")
        if len(serial) >= LEAST_TELLING:
            value = value.replace(serial, word)
    return value
