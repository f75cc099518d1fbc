# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Every story of the USB bus ends as it says, on every rung; and fails when a rule that it names is taken away."""

from pathlib import Path

import pytest

from device_profiles.twins.usbstory import StoryError, parse
from tests.flows.usb_stage import FILES, InMemory, OnFiles, missed, story

NOT_RULES = ("implicit", "unreadable")


def named_rules(name: str) -> set[str]:
    """The rules that a story says it ends by."""
    return {step.rest[2] for step in story(name).steps if step.word == "expect"} - set(NOT_RULES)


def test_there_are_enough_and_each_names_a_rule() -> None:
    assert len(FILES) >= 30
    assert all(named_rules(name) for name in FILES)


@pytest.mark.parametrize("name", FILES)
def test_in_memory(name: str) -> None:
    assert missed(story(name), InMemory()) == []


@pytest.mark.parametrize("name", FILES)
def test_on_a_tree_of_files(name: str, tmp_path: Path) -> None:
    assert missed(story(name), OnFiles(tmp_path)) == []


@pytest.mark.parametrize(("name", "rule"), [(name, rule) for name in FILES for rule in sorted(named_rules(name))])
def test_without_the_rule_the_story_fails(name: str, rule: str) -> None:
    assert missed(story(name), InMemory(), without=rule) != []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "story x\nat 2026-11-23T10:00:00+01:00\n",
        "story x\nat noon\nexpect a b c\n",
        "story x\nat 2026-11-23T10:00:00\nexpect a b c\n",
        "story x\nat 2026-11-23T10:00:00Z\ndevice a\nexpect a b c\n",
        "story x\nat 2026-11-23T10:00:00Z\ndevice a 12:34 x y 08:06:50\nexpect a b c\n",
        "story x\nat 2026-11-23T10:00:00Z\ndevice a 1234:5678 x y 8\nexpect a b c\n",
        "story x\nat 2026-11-23T10:00:00Z\nplug a\nexpect a b c\n",
        'story x\nat 2026-11-23T10:00:00Z\nexpect a b c "d\n',
        "story x\nat 2026-11-23T10:00:00Z\ndance\nexpect a b c\n",
        "#" * 70_000,
    ],
)
def test_what_is_no_story(text: str) -> None:
    with pytest.raises(StoryError):
        parse(text)
