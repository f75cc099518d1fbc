# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A vault for the demonstration: its part of the profile, and the commands that bring the test bank's keys into it."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from stations import StationFailed, command

KEYS = Path(__file__).resolve().parents[2] / "device_profiles/data/vaults/test-bank"
VAULT_TEXT = """
[vault]
store = "vault/store"
counter = "elsewhere/counter"
passphrase = "vault-passphrase"
"""


ENCIPHER_TEXT = ("[acquirer]\n", "[acquirer]\nencipher-account = true\n")
"""What changes in the profile's text where account data are enciphered as soon as they are read."""


def load_keys(profile: Path, slots: Sequence[str]) -> Iterator[tuple[list[str], dict[str, Any]]]:
    """Make a vault and load TEST keys into its ``slots``, as two custodians and a key office would.

    Words and answer of each command.
    """
    components = [word for one in (1, 2) for word in ("--component", str(KEYS / f"component-{one}.hex"))]
    for words in (
        ["init"],
        ["load", "transport", *components],
        *(["load", slot, "--block", str(KEYS / f"{slot}.keyblock")] for slot in slots),
    ):
        argv = [command("terminal-agent"), "keys", *words, "--profile", str(profile), "--json"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode:
            raise StationFailed(f"keys {words[0]}:\n{done.stderr.strip()}")
        yield words, json.loads(done.stdout)
