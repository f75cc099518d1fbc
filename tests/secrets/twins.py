# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Profiles of card, pad and acquirer that hold the planted values, for flow tests. Written to a folder apart.

The profiles are the shipped ones with other keys, PAN and PIN, so a flow that works with them works with the shipped
ones. The cryptograms for the acquirer are computed here, where the clear keys are; the twin gets the cryptograms only.
"""

import atexit
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from device_profiles import catalog
from hsm_sim.engine.key_types import key_type
from hsm_sim.engine.wrapping import VariantLmk
from protocols.dukpt.ksn import TdesKsn
from protocols.dukpt.tdes import initial_key
from protocols.hsm.codes import KeyScheme
from protocols.pan import Pan
from protocols.pin.reference import pvv
from protocols.primitives import TdesKey
from protocols.secret import ClearKey, Pin
from tests.secrets.planted import INITIAL_KSN, KEYS, PAN, PIN


@dataclass(frozen=True)
class PlantedProfiles:
    """Where the three files are."""

    card: Path
    pad_load: Path
    acquirer: Path


def planted_profiles(folder: Path | None = None) -> PlantedProfiles:
    """Write the three files to ``folder``, or to a fresh one that is not below the suite's own and goes at its end."""
    where = folder or _apart()
    reference = pvv(TdesKey(ClearKey(KEYS["PVK"])), Pan(PAN), 1, Pin.from_text(PIN))
    card = _changed(
        catalog.find("cards", "test-visa-like"),
        {
            "pan": PAN,
            "discretionary": f"1{reference}000000",
            "test-mk-ac": KEYS["MK-AC"].hex().upper(),
            "test-pin": PIN,
        },
    )
    ipek = initial_key(ClearKey(KEYS["BDK"]), TdesKsn.from_hex(INITIAL_KSN))
    load = _changed(
        catalog.find("pinpads/loads", "test-bank"),
        {
            "initial-ksn": INITIAL_KSN,
            "test-initial-key": bytes(ipek.reveal()).hex().upper(),
            "test-key": KEYS["TMK-MAC"].hex().upper(),
        },
    )
    load += "\n[throttle]\nburst = 100000\n"  # flow tests pay a day's worth of PINs within minutes
    acquirer = _changed(
        catalog.find("acquirers", "test-bank"),
        {
            "bdk": _under_lmk("BDK", "009"),
            "terminal-master": _under_lmk("TMK-MAC", "002"),
            "zone-pin": _under_lmk("ZPK", "001"),
            "pin-verification": _under_lmk("PVK", "002"),
            "card-master": _under_lmk("MK-AC", "109"),
            "data-bdk": _under_lmk("BDK-DATA", "009"),
            "pan": PAN,
            "pvv": reference,
        },
    )
    profiles = PlantedProfiles(where / "card.toml", where / "pad.toml", where / "acquirer.toml")
    for path, text in ((profiles.card, card), (profiles.pad_load, load), (profiles.acquirer, acquirer)):
        path.write_text(text)
    return profiles


def _apart() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="tillguard-planted-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _under_lmk(name: str, kind: str) -> str:
    wrapped = VariantLmk.of_test_keys().wrap(ClearKey(KEYS[name]), key_type(kind), KeyScheme.DOUBLE)
    return "U" + wrapped.cryptogram.hex().upper()


def _changed(path: Path, values: dict[str, str]) -> str:
    text = path.read_text()
    for key, value in values.items():
        text, count = re.subn(rf'(?m)^{key} = "[^"]*"', f'{key} = "{value}"', text, count=1)
        assert count == 1, f"{path} has no {key}"
    return text
