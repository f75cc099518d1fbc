# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The topic tree: a terminal has one place in it, and nothing that is no name gets into a topic."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import DecodeError, EncodeError
from protocols.telemetry.events import Lane
from protocols.telemetry.topics import is_terminal_name, order_topic, read_report_topic, report_topic, shard


def test_shard_as_documented() -> None:
    assert shard("TG000001") == hashlib.sha256(b"TG000001").digest()[0] % 64 == 20
    assert report_topic("TG000001", Lane.ALERT) == "pos/v1/s20/TG000001/alert"
    assert order_topic("TG000001") == "pos/v1/s20/TG000001/order"


def test_shards_spread_the_fleet() -> None:
    counts = [0] * 64
    for number in range(6_400):
        counts[shard(f"TG{number:06d}")] += 1
    assert min(counts) > 60
    assert max(counts) < 150


@given(st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9-]{0,31}\Z"), st.sampled_from(list(Lane)))
def test_round_trip(terminal: str, lane: Lane) -> None:
    if is_terminal_name(terminal):
        assert read_report_topic(report_topic(terminal, lane)) == (terminal, lane)


@pytest.mark.parametrize(
    "name", ["", "-a", "a/b", "+", "#", "a+", "TG 1", "é", "a" * 33, "head-office", "TG000001\n", "$SYS"]
)
def test_what_is_no_terminal_name(name: str) -> None:
    assert not is_terminal_name(name)
    with pytest.raises(EncodeError):
        shard(name)


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "pos/v1/s20/TG000001",
        "pos/v1/s20/TG000001/order",
        "pos/v1/s20/TG000001/alert/x",
        "pos/v2/s20/TG000001/alert",
        "pos/v1/s21/TG000001/alert",
        "pos/v1/20/TG000001/alert",
        "pos/v1/s20/TG00000#/alert",
        "pos/v1/s20/head-office/alert",
    ],
)
def test_what_is_no_report_topic(topic: str) -> None:
    with pytest.raises(DecodeError):
        read_report_topic(topic)


@given(st.text(max_size=60))
def test_garbage(topic: str) -> None:
    with pytest.raises(DecodeError):
        read_report_topic(topic)
