# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Topic filters, against paho's matcher and the examples of MQTT 5, 4.7."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import topic_matches_sub

from protocols.mqtt.filters import is_topic_filter, is_topic_name, topic_matches

_LEVELS = st.sampled_from(["a", "b", "", "$SYS"])
_TOPICS = st.lists(_LEVELS, min_size=1, max_size=4).map("/".join).filter(bool)
_FILTERS = st.builds(
    lambda levels, hash_last: "/".join([*levels, *(["#"] if hash_last else [])]),
    st.lists(st.sampled_from(["a", "b", "", "+", "$SYS"]), min_size=0, max_size=4),
    st.booleans(),
).filter(bool)


@pytest.mark.parametrize(
    ("pattern", "topic", "expected"),
    [
        ("sport/tennis/player1/#", "sport/tennis/player1", True),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", True),
        ("sport/#", "sport", True),
        ("#", "a/b", True),
        ("sport/tennis/+", "sport/tennis/player1", True),
        ("sport/tennis/+", "sport/tennis/player1/ranking", False),
        ("sport/+", "sport", False),
        ("sport/+", "sport/", True),
        ("+/+", "/finance", True),
        ("/+", "/finance", True),
        ("+", "/finance", False),
        ("#", "$SYS/x", False),
        ("+/x", "$SYS/x", False),
        ("$SYS/#", "$SYS/x", True),
        ("A", "a", False),
    ],
)
def test_examples_of_the_standard(pattern: str, topic: str, expected: bool) -> None:
    assert topic_matches(pattern, topic) is expected


@given(_FILTERS, _TOPICS)
def test_as_another_implementation_matches(pattern: str, topic: str) -> None:
    assert topic_matches(pattern, topic) == topic_matches_sub(pattern, topic)


@pytest.mark.parametrize("pattern", ["a", "+", "#", "a/+/b/#", "/", "$SYS/#"])
def test_filters(pattern: str) -> None:
    assert is_topic_filter(pattern)


@pytest.mark.parametrize("pattern", ["", "a+", "a/#/b", "#/a", "a#", "+a/b", "a/b+"])
def test_no_filters(pattern: str) -> None:
    assert not is_topic_filter(pattern)


def test_names() -> None:
    assert is_topic_name("a/b")
    assert not any(map(is_topic_name, ("", "a/+", "#")))
