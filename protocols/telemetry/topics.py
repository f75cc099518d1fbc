# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The topic tree: who speaks where. Names only; the broker's access list is made from them, not in here.

A terminal's tree is ``pos/v1/s{shard}/{terminal}/``. It publishes its four lanes; ``order`` and ``receipt`` are what
head office tells it. The shard is the first octet of SHA-256 over the terminal's name, modulo 64, in two digits, so
that any number of readers can divide the fleet between them without a message changing its place.
"""

import hashlib
import re
from functools import lru_cache

from protocols.errors import DecodeError, EncodeError
from protocols.telemetry.events import Lane

ROOT = "pos/v1"
SHARDS = 64
HEAD_OFFICE = "head-office"  # the one certificate name that is no terminal
ORDER = "order"  # the two levels that head office writes and the terminal reads
RECEIPT = "receipt"
EVERYTHING = f"{ROOT}/#"
_TERMINAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,31}", re.ASCII)


@lru_cache(maxsize=65_536)
def is_terminal_name(name: str) -> bool:
    """Whether ``name`` can name a terminal: 1 to 32 letters, digits and hyphens, and not head office."""
    return bool(_TERMINAL.fullmatch(name)) and name != HEAD_OFFICE


def shard(terminal: str) -> int:
    """The terminal's shard, 0 to 63."""
    if not is_terminal_name(terminal):
        raise EncodeError("terminal name: 1 to 32 letters, digits and hyphens expected")
    return hashlib.sha256(terminal.encode("ascii")).digest()[0] % SHARDS


def tree(terminal: str) -> str:
    """The terminal's own tree, without a slash at its end."""
    return f"{ROOT}/s{shard(terminal):02d}/{terminal}"


def report_topic(terminal: str, lane: Lane) -> str:
    """Where the terminal publishes the reports of a lane."""
    return f"{tree(terminal)}/{lane.value}"


def order_topic(terminal: str) -> str:
    """Where head office publishes orders for the terminal."""
    return f"{tree(terminal)}/{ORDER}"


def receipt_topic(terminal: str) -> str:
    """Where head office publishes receipts for the terminal."""
    return f"{tree(terminal)}/{RECEIPT}"


def read_report_topic(topic: str) -> tuple[str, Lane]:
    """The terminal and lane of a report's topic; raises :class:`DecodeError` also for a shard that is not its own."""
    levels = topic.split("/")
    if len(levels) != 5 or "/".join(levels[:2]) != ROOT or not is_terminal_name(levels[3]):
        raise DecodeError("topic", f"{ROOT}/s{{shard}}/{{terminal}}/{{lane}} expected")
    try:
        lane = Lane(levels[4])
    except ValueError:
        raise DecodeError("topic", f"a lane expected: {', '.join(lane.value for lane in Lane)}") from None
    if levels[2] != f"s{shard(levels[3]):02d}":
        raise DecodeError("topic", "the shard is not the terminal's own")
    return levels[3], lane
