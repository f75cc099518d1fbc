# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What another host's codec writes and reads is read here, and written again to the octet."""

import json
from pathlib import Path
from typing import Any

import pytest

from protocols.hsm.commands import COMMANDS, RESPONSES
from protocols.hsm.kinds import source_class
from protocols.hsm.layout import layout_of
from protocols.hsm.message import read_tail

FILE = json.loads((Path(__file__).parents[2] / "vectors" / "ut_codec_messages.json").read_text("utf-8"))
REQUESTS, RESPONSES_READ = FILE["requests"], FILE["responses"]
WRITTEN_OTHERWISE = {"generateKeyEncode 3"}
"""Where this project writes a delimiter that the other codec leaves out."""


def octets(vector: dict[str, Any], name: str) -> bytes:
    text: str = vector[name]
    return bytes.fromhex(text) if vector.get("encoding") == "hex" else text.encode("latin-1")


@pytest.mark.parametrize("vector", REQUESTS, ids=lambda vector: vector["id"])
def test_requests(vector: dict[str, Any]) -> None:
    message = octets(vector, "request")
    command = COMMANDS[message[:2].decode()]
    assert "UT" in command.evidence.sources
    source = source_class(vector.get("lmk_pin_digits", 13))(message, 2)
    fields = layout_of(command.request).read(source)
    end = source.at
    tail = read_tail(source)
    assert tail.trailer is None
    assert tail.lmk in (None, "00", "01")
    if vector["id"] not in WRITTEN_OTHERWISE and "lmk_pin_digits" not in vector:
        assert layout_of(command.request).write(fields).upper() == message[2:end].upper()


@pytest.mark.parametrize("vector", RESPONSES_READ, ids=lambda vector: vector["id"])
def test_responses(vector: dict[str, Any]) -> None:
    message = octets(vector, "response")
    command = RESPONSES[message[:2].decode()]
    source = source_class(13)(message, 4)
    fields = layout_of(command.response).read(source)
    assert source.at == len(message)
    assert layout_of(command.response).write(fields) == message[4:]


def test_every_command_of_that_codec_that_is_served_is_here() -> None:
    there = {octets(vector, "request")[:2].decode() for vector in REQUESTS}
    claimed = {code for code, command in COMMANDS.items() if "UT" in command.evidence.sources}
    assert claimed - there <= NOT_IN_ITS_TESTS
    assert there <= claimed


NOT_IN_ITS_TESTS = {"JA", "FM", "LO", "EI", "EW"}
"""Defined by the codec and not among the messages that were taken over."""
