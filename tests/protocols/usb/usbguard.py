# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""USBGuard itself, from Debian, as the tests' oracle: its rule parser, and its evaluator through oracle.cpp."""

import functools
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from protocols.usb.device import Device
from protocols.usb.rules import quoted

PARSER = "usbguard-rule-parser"
AT_ONCE = 50  # lines handed over at once: what is left of them is handed over again after a bad one
SOURCE = Path(__file__).with_name("oracle.cpp")


def parsed(lines: Sequence[str]) -> list[str | None]:
    """What the rule parser prints for each line; None where it refuses. It stops at a bad line, and is started anew."""
    results: list[str | None] = []
    with tempfile.TemporaryDirectory(prefix="tillguard-oracle-") as folder:
        file = Path(folder) / "rules"
        while len(results) < len(lines):
            rest = lines[len(results) : len(results) + AT_ONCE]
            file.write_bytes("".join(f"{line}\n" for line in rest).encode("utf-8", "surrogateescape"))
            done = subprocess.run([PARSER, "-f", str(file)], capture_output=True, check=False)
            said = done.stdout.decode("utf-8", "surrogateescape").split("INPUT: ")[1:]
            results += [one.split("\nOUTPUT: ", 1)[1].removesuffix("\n") for one in said if "\nOUTPUT: " in one]
            if done.returncode:
                results.append(None)
    return results


@functools.cache
def built() -> Path:
    """oracle.cpp, compiled once for this process."""
    folder = tempfile.mkdtemp(prefix="tillguard-oracle-")
    program = Path(folder) / "oracle"
    subprocess.run(["g++", "-O1", "-std=c++17", str(SOURCE), "-o", str(program), "-lusbguard"], check=True)
    return program


def device_rule(device: Device) -> str:
    """A device as USBGuard writes it."""
    interfaces = " ".join(map(str, device.interfaces))
    return (
        f"device id {device.vendor}:{device.product} serial {quoted(device.serial)} name {quoted(device.name)} "
        f"hash {quoted(device.hash)} parent-hash {quoted(device.parent_hash)} via-port {quoted(device.port)} "
        f"with-interface {{ {interfaces} }} with-connect-type {quoted(device.connect_type)}"
    )


def verdicts(questions: Iterable[tuple[Sequence[str], Sequence[Device]]]) -> list[tuple[str, str]]:
    """For each set of rules and each of its devices: target and label of the rule that decides."""
    asked = []
    for rules, devices in questions:
        asked += ["X", *(f"R {rule}" for rule in rules), *(f"D {device_rule(device)}" for device in devices)]
    text = "".join(f"{line}\n" for line in asked)
    done = subprocess.run(
        [str(built())], input=text.encode("utf-8", "surrogateescape"), capture_output=True, check=True
    )
    answers = done.stdout.decode("utf-8", "surrogateescape").splitlines()
    faults = [line for line in answers if line.startswith("!")]
    assert not faults, faults[:3]
    return [(target, label) for target, _, label in (line.partition("|") for line in answers)]
