# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""How well a command's layout is attested by public material. Data only; nobody here has seen a vendor's manual.

A layout that one program invented and others copied is common in this field, so each command carries its label to
whoever reads it: `hsm-sim commands` and the generated documentation show it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

SOURCES: Mapping[str, str] = MappingProxyType(
    {
        "TS": "nickntg/thalessimulatorlibrary: field definitions and unit tests",
        "UT": "softwaregroup-bg/ut-codec-payshield: a host's codec with tests",
        "SH": "Shulyaka/iso8583tools: field tables of request and response",
        "J8": "J8k3's payShield proxy to a cloud HSM",
        "PT": "mszeu/PayShieldPressureTest: a load client",
        "KA": "kambizh/payshield-crypto-client: a client tried on a unit",
        "DU": "ducvh198's HSM simulator",
        "GH": "Andrei-cloud/go_hsm: a simulator",
        "PP": "payprobe: a test host",
        "PY": "timgabets/pythales: a simulator",
        "I8": "Iso8583studio: a desktop tool",
    }
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """The sources that define or implement a layout, and how many public value vectors our tests reproduce."""

    sources: tuple[str, ...] = ()
    vectors: int = 0

    def __post_init__(self) -> None:
        if unknown := [source for source in self.sources if source not in SOURCES]:
            raise ValueError(f"unknown source {', '.join(unknown)}")

    @property
    def label(self) -> str:
        """`vector`, `n sources`, `single source` or `own`."""
        if self.vectors:
            return "vector"
        if len(self.sources) > 1:
            return f"{len(self.sources)} sources"
        return "single source" if self.sources else "own"
