# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What a terminal profile says of its vault: which keys it waits for, and that enciphering needs one."""

from pathlib import Path

import pytest

from terminal_agent.processes.profile import load, vault_settings
from tests.terminal_agent.processes.test_profile_emv import written
from tillguard.voice import Fault

VAULT = '[vault]\nstore = "vault/store"\ncounter = "elsewhere/counter"\npassphrase = "words"\n'
ENCIPHER = ("[acquirer]\n", "[acquirer]\nencipher-account = true\n")
KEYPAD = ('model = "ipp-uic"', 'model = "software"')


def changed(folder: Path, *changes: tuple[str, str], vault: str = VAULT) -> Path:
    path = written(folder)
    text = path.read_text()
    for found, instead in changes:
        assert found in text
        text = text.replace(found, instead)
    path.write_text(text + vault)
    return path


@pytest.mark.parametrize(
    ("changes", "more", "needed"),
    [
        ((KEYPAD,), "", {"pin", "mac-master"}),
        ((KEYPAD, ENCIPHER), "", {"pin", "mac-master", "data"}),
        ((), "", set()),
        ((ENCIPHER,), "", {"data"}),
        ((ENCIPHER,), 'needed = ["binding"]\n', {"data", "binding"}),
    ],
)
def test_a_vault_waits_for_the_keys_that_its_terminal_uses(
    tmp_path: Path, changes: tuple[tuple[str, str], ...], more: str, needed: set[str]
) -> None:
    path = changed(tmp_path, *changes, vault=VAULT + more)
    assert set(vault_settings(load(path), path).needed) == needed


def test_nobody_enciphers_without_a_vault(tmp_path: Path) -> None:
    with pytest.raises(Fault, match=r"acquirer.encipher-account: a \[vault\] expected, whose data key enciphers"):
        load(changed(tmp_path, ENCIPHER, vault=""))
