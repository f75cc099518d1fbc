# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Topic names and filters of MQTT 5, 4.7: what is one, and which filter takes which name. Nothing else."""


def topic_matches(pattern: str, topic: str) -> bool:
    """Whether a filter takes a name: ``+`` one level, ``#`` all that follow; neither takes a first ``$`` (4.7.2)."""
    if topic.startswith("$") and pattern[:1] in ("+", "#"):
        return False
    wanted, levels = pattern.split("/"), topic.split("/")
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index >= len(levels) or level not in ("+", levels[index]):
            return False
    return len(wanted) == len(levels)


def is_topic_filter(pattern: str) -> bool:
    """Whether ``pattern`` is a topic filter (4.7.1): a wildcard fills its level, ``#`` stands last."""
    levels = pattern.split("/")
    return (
        bool(pattern)
        and all(level in ("+", "#") or not set(level) & {"+", "#"} for level in levels)
        and "#" not in levels[:-1]
    )


def is_topic_name(topic: str) -> bool:
    """Whether ``topic`` can be published to (4.7.1): something, without wildcards."""
    return bool(topic) and not set(topic) & {"+", "#"}
