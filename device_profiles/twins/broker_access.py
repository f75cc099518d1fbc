# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Who may say and hear what at the fleet's broker, by the name in the client certificate. Denies what it names not.

The same rules are written for mosquitto in :func:`mosquitto_rules`. Two things mosquitto's patterns cannot say, so the
twin is stricter: that a shard is the terminal's own, and that a subscription outside one's tree is refused when it is
asked for (mosquitto grants it and delivers nothing).
"""

from dataclasses import dataclass
from enum import StrEnum

from protocols.mqtt.words import plain
from protocols.telemetry.events import Lane
from protocols.telemetry.topics import EVERYTHING, HEAD_OFFICE, ORDER, RECEIPT, ROOT, is_terminal_name, shard, tree


class Deed(StrEnum):
    """What somebody tried."""

    PUBLISH = "publish"
    LISTEN = "listen"
    WILL = "will"
    PACKET = "packet"
    """A packet of a kind that this broker takes from nobody, such as a retained message."""


@dataclass(frozen=True, slots=True)
class Trespass:
    """Something that a certificate's name may not do was tried. Whoever runs the broker is told."""

    name: str
    deed: Deed
    topic: str = ""

    @property
    def words(self) -> str:
        """For a person."""
        where = f" {plain(self.topic)}" if self.topic else ""
        return f"denied to {plain(self.name)}: {self.deed}{where}"


def may_publish(name: str, topic: str) -> bool:
    """A terminal: the lanes of its own tree. Head office: orders and receipts. Anyone else: nothing."""
    if name == HEAD_OFFICE:
        levels = topic.split("/")
        told = levels[-1] in (ORDER, RECEIPT)
        return told and len(levels) == 5 and is_terminal_name(levels[3]) and topic == f"{tree(levels[3])}/{levels[4]}"
    return is_terminal_name(name) and topic in {f"{tree(name)}/{lane.value}" for lane in Lane}


def may_read(name: str, topic: str) -> bool:
    """A terminal: its own tree. Head office: every tree."""
    if name == HEAD_OFFICE:
        return topic.startswith(f"{ROOT}/")
    return is_terminal_name(name) and topic.startswith(f"{tree(name)}/")


def may_subscribe(name: str, pattern: str) -> bool:
    """Whether a filter stays within what ``name`` may read; ``+`` may stand for the shard."""
    levels = pattern.split("/")
    if "/".join(levels[:2]) != ROOT or len(levels) < 3:
        return False
    if name == HEAD_OFFICE:
        return True
    return (
        is_terminal_name(name) and len(levels) > 4 and levels[2] in ("+", f"s{shard(name):02d}") and levels[3] == name
    )


def mosquitto_rules() -> str:
    """The rules as mosquitto's ``acl_file``: %u is the certificate's common name (mosquitto.conf(5), acl_file)."""
    lanes = "\n".join(f"pattern write {ROOT}/+/%u/{lane.value}" for lane in Lane)
    return (
        f"user {HEAD_OFFICE}\ntopic read {EVERYTHING}\ntopic write {ROOT}/+/+/{ORDER}\n"
        f"topic write {ROOT}/+/+/{RECEIPT}\n\n"
        f"{lanes}\npattern read {ROOT}/+/%u/#\n"
    )
