# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The units are as shut in as they claim, by systemd's own reckoning; and the reckoning notices when one is not."""

import re
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).resolve().parents[2] / "scripts/units"
MOST = {"tillguard-agent.service": 13, "tillguard-warden.service": 16}
"""Exposure times ten; usbguard's own unit has 29."""


def exposure(path: Path, threshold: int) -> tuple[int, str]:
    """The exit code of systemd's check, and its words."""
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={threshold}", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_every_unit_has_its_bound() -> None:
    assert {path.name for path in UNITS.glob("*.service")} == set(MOST)


@pytest.mark.parametrize("name", MOST)
def test_a_unit_is_as_shut_in_as_it_claims(name: str) -> None:
    code, said = exposure(UNITS / name, MOST[name])
    assert code == 0, said
    assert "Unknown" not in said


@pytest.mark.parametrize("name", MOST)
def test_without_one_of_its_lines_it_is_not(name: str, tmp_path: Path) -> None:
    text = re.sub(
        r"(?m)^(CapabilityBoundingSet|SystemCallFilter|RestrictNamespaces)=.*\n", "", (UNITS / name).read_text()
    )
    (tmp_path / name).write_text(text)
    assert exposure(tmp_path / name, MOST[name])[0] != 0


def test_the_warden_is_in_the_first_network_namespace_and_reaches_no_network() -> None:
    lines = (UNITS / "tillguard-warden.service").read_text().splitlines()
    assert not any(line.startswith("PrivateNetwork=") for line in lines)  # the kernel's events come to that one alone
    assert "RestrictAddressFamilies=AF_UNIX AF_NETLINK" in lines
    assert "IPAddressDeny=any" in lines
    assert "CapabilityBoundingSet=" in lines
