# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""`device-twin pki`: writes a TEST authority and its certificates into a folder. Knows no certificate format itself."""

import argparse
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tillguard.exits import Exit
from tillguard.voice import Fault, Voice

LONGEST_HOURS = 24 * 31  # TEST certificates are for a run, a day, a bench; not for an estate
EXAMPLES = """examples:
  device-twin pki --dir ./pki --terminal TG000001
  device-twin pki --dir ./pki --terminal TG000001 --terminal TG000002 --hours 2 --json
  device-twin pki --dir ./pki --fleet 200          TG000001 to TG000200
"""

RESERVED = frozenset({"ca", "broker", "acquirer", "head-office", "office-ca", "office"})
"""Files of these names are made for every authority."""
LARGEST_FLEET = 100_000


def configure(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.epilog = EXAMPLES
    parser.add_argument("--dir", type=Path, required=True, metavar="DIR", help="a new folder, or one without a ca.pem")
    parser.add_argument(
        "--terminal",
        action="append",
        default=[],
        metavar="NAME",
        help="a terminal's name, such as TG000001; repeatable",
    )
    parser.add_argument("--fleet", type=int, default=0, metavar="N", help="N terminals more, TG000001 and so on")
    parser.add_argument("--hours", type=int, default=24, metavar="N", help="how long certificates are valid (24)")
    parser.add_argument("--json", action="store_true", help="answer as JSON")


def run(args: argparse.Namespace) -> int:
    """Make the authorities, a server certificate for broker and acquirer, a client certificate for each terminal."""
    from protocols.telemetry.topics import HEAD_OFFICE, is_terminal_name

    if not 0 <= args.fleet <= LARGEST_FLEET:
        raise Fault(f"--fleet: 0 to {LARGEST_FLEET} expected", "such as --fleet 200", Exit.USAGE)
    names = list(dict.fromkeys([*args.terminal, *(f"TG{number:06}" for number in range(1, args.fleet + 1))]))
    for name in names:
        if is_terminal_name(name) and name in RESERVED:
            raise Fault(f"the name {name} is the authority's own", "such as TG000001", Exit.USAGE)
        if not is_terminal_name(name):
            raise Fault("a terminal's name has 1 to 32 letters, digits and hyphens", "such as TG000001", Exit.USAGE)
    if not 1 <= args.hours <= LONGEST_HOURS:
        raise Fault(f"--hours: 1 to {LONGEST_HOURS} expected", "TEST certificates are short-lived", Exit.USAGE)
    from device_profiles.twins.pki import AUTHORITY_NAME, Authority

    folder: Path = args.dir
    now, lifetime = datetime.now(UTC), timedelta(hours=args.hours)
    authority, office = Authority(now, lifetime), Authority(now, lifetime)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        ca, _ = _write(folder, "ca", authority.credential.certificate, authority.credential.key)
        written: dict[str, dict[str, str]] = {}
        for name in ("broker", "acquirer", HEAD_OFFICE, *names):
            issue = authority.server if name in ("broker", "acquirer") else authority.client
            credential = issue(name)
            certificate, key = _write(folder, name, credential.certificate, credential.key)
            written[name] = {"certificate": certificate, "key": key}
        # Head office's own port has an authority of its own: no terminal's certificate gets in there.
        _write(folder, "office-ca", office.credential.certificate, office.credential.key)
        credential = office.client(HEAD_OFFICE)
        _write(folder, "office", credential.certificate, credential.key)
    except FileExistsError as fault:
        raise Fault(f"{fault.filename} exists already", "choose another --dir, or delete that one") from None
    except OSError as fault:
        raise Fault(f"{folder}: {fault.strerror}", "choose a folder that can be written") from None
    document = {
        "event": "made",
        "authority": AUTHORITY_NAME,
        "dir": str(folder),
        "ca": ca,
        "hours": args.hours,
        **{name: written[name] for name in ("broker", "acquirer", HEAD_OFFICE)},
        "terminals": {name: written[name] for name in names},
    }
    listed = ", ".join(sorted(written)) if len(written) < 20 else f"{len(written)} certificates"
    text = f"made {AUTHORITY_NAME} in {folder}, valid {args.hours} hours: {listed}"
    Voice("device-twin", as_json=args.json).answer(document, text)
    return 0


def _write(folder: Path, name: str, certificate: bytes, key: bytes) -> tuple[str, str]:
    """``name.pem`` and ``name.key``; neither may exist, and only the owner reads the key."""
    paths = (folder / f"{name}.pem", folder / f"{name}.key")
    for path, content, mode in zip(paths, (certificate, key), (0o644, 0o600), strict=True):
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
    return str(paths[0]), str(paths[1])
