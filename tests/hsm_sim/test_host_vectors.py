# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Requests and answers that open simulators publish for the TEST LMK, reproduced to the character."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from protocols.hsm.commands import COMMANDS
from tests.hsm_sim.asking import asking

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "host_commands.json").read_text())["vectors"]
SETTINGS: dict[str, dict[str, Any]] = {
    "single_length_transport": {"single_length_transport": True},
    "single_length_posing": {"single_length_posing": True},
    "bare_tables": {"encrypted_tables": False},
    "old_lmk": {},
}
"""What units of the time took and this one takes only if it is told to."""


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_published_answers(vector: dict[str, Any]) -> None:
    settings = vector.get("settings", ())
    ask = asking(old_lmk="old_lmk" in settings, **{key: v for name in settings for key, v in SETTINGS[name].items()})
    binary = vector.get("encoding") == "hex"
    request = bytes.fromhex(vector["request"]) if binary else vector["request"].encode("ascii")
    answer = ask(vector["command"].encode() + request)
    assert answer == (bytes.fromhex(vector["response"]).decode("latin-1") if binary else vector["response"])


def test_the_tables_claim_the_vectors_that_there_are() -> None:
    counted = Counter(vector["command"] for vector in VECTORS)
    assert counted == {code: command.evidence.vectors for code, command in COMMANDS.items() if command.evidence.vectors}
