# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: whatever a reader of the USB room is given, it returns a value or raises DecodeError, a rule's with line
and column; the error never holds the input; and what was read as a rule prints as a rule that reads back the same.

CI runs a few hundred cases a reader; ``-m long`` runs 100 000, from the seed below.
"""

import re
from collections.abc import Callable
from random import Random

import pytest

from device_profiles.twins.usb_descriptors import Model
from protocols import signed
from protocols.errors import DecodeError
from protocols.usb import descriptors, uevent
from protocols.usb.rule_text import parse_query, parse_rule, parse_rules
from protocols.usb.rules import Dialect, print_rule
from terminal_agent.usb.recorded import read_tree, write_tree
from tests.protocols.persons import sealed
from tests.protocols.usb import made
from tests.protocols.usb_evidence import CASES, garbage_run, recorded
from tests.terminal_agent.usb.test_hash_against_usbguard import random_tree

SEED = 1101
CI_CASES = 400
WHERE = re.compile(r"line \d+, column \d+")
GOOD_RULE = (
    'allow id 0781:5567 serial "a\\x41\\"" name { "x" "y" } hash "h" via-port one-of { "1-1" "1-2" } with-interface '
    '{ 08:06:50 03:*:* } if all-of { localtime(08:00-18:00) !service-window(x) } with-connect-type "hotplug" label "l" '
    'via-role "payment" with-storage read-only until 2026-12-24T18:00:00Z # why'
)
THEIR_RULE = GOOD_RULE.partition(" via-role")[0].replace(" !service-window(x)", " !rule-applied(60)")

Reader = Callable[[bytes], object]


def as_text(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogateescape")


def one_rule(dialect: Dialect) -> Reader:
    def read(octets: bytes) -> object:
        rule = parse_rule(as_text(octets), dialect)
        if rule is not None:
            printed = print_rule(rule, dialect)
            again = parse_rule(printed, dialect)
            assert again is not None
            assert print_rule(again, dialect) == printed
            if dialect is Dialect.TILLGUARD:
                assert again == rule
                assert printed.isascii()
        return rule

    return read


READERS: dict[str, tuple[Reader, bytes]] = {
    "a rule": (one_rule(Dialect.TILLGUARD), GOOD_RULE.encode()),
    "a rule of usbguard": (one_rule(Dialect.USBGUARD), THEIR_RULE.encode()),
    "a rules file": (lambda octets: parse_rules(as_text(octets)), f"# x\n{GOOD_RULE}\n\n{THEIR_RULE}\n".encode()),
    "a query": (lambda octets: parse_query(as_text(octets)), b"id 0781:5567 with-interface one-of { 08:*:* }"),
    "descriptors": (
        descriptors.decode,
        Model("0781", "5567", (((8, 6, 0x50), (8, 6, 0x62)), ((3, 1, 1),)), "Cruzer").descriptors,
    ),
    "an event of the kernel": (
        uevent.decode,
        b"add@/devices/usb1/1-4\0ACTION=add\0DEVPATH=/devices/usb1/1-4\0SUBSYSTEM=usb\0SEQNUM=7\0",
    ),
    "an envelope": (
        lambda octets: signed.read(octets).unverified,
        sealed(signed.Statement("usb-policy", "*", 1, 0, 9, "rules"), "anna").encode().rstrip(),
    ),
    "a recorded tree": (lambda octets: read_tree(as_text(octets)), write_tree(random_tree(1)[:3]).encode()),
}
RULES = ("a rule", "a rule of usbguard", "a rules file", "a query")
TEXTS = ("id ", "{", "}", '"', "\\x", "if ", "!", "(", ")", "one-of ", "*", ":", "#", "\t", "\r", "\n", "é", "\xff",
         "\0", "allow", "label ", "until ", "08:06:50", "true", "\\", "'", "\x1b[2J")  # fmt: skip


def judge(name: str, read: Reader, octets: bytes) -> bool:
    """Whether ``octets`` were taken; anything but a value or a DecodeError fails the test."""
    try:
        read(octets)
    except DecodeError as fault:
        said = str(fault)
        assert said.isascii() or "…" in said
        if name in RULES:
            assert WHERE.fullmatch(fault.where), fault.where
        if len(octets) >= 24:
            assert as_text(octets) not in said
        return False
    return True


def garbage(name: str, cases: int, seed: int) -> int:
    """So many cases: random octets, mutated and cut good ones, and for rules lines that somebody might write."""
    read, good = READERS[name]
    rng = Random(seed)
    taken = 0
    for _ in range(cases):
        kind = rng.randrange(5)
        if kind == 0:
            octets = rng.randbytes(rng.randrange(2 * len(good) + 2))
        elif kind == 1 and name in RULES:
            octets = made.any_line(rng).encode("utf-8", "surrogateescape")
        elif kind == 2:
            place = rng.randrange(len(good) + 1)
            octets = good[:place] + rng.choice(TEXTS).encode("latin-1") + good[place + rng.choice((0, 0, 1, 4)) :]
        else:
            mutated = bytearray(good)
            for _ in range(rng.randint(1, 4)):
                mutated[rng.randrange(len(mutated))] = rng.randrange(256)
            octets = bytes(mutated if kind == 3 else mutated[: rng.randrange(len(mutated) + 1)])
        taken += judge(name, read, octets)
    return taken


@pytest.mark.parametrize("name", READERS)
def test_the_good_one_is_taken(name: str) -> None:
    read, good = READERS[name]
    assert judge(name, read, good)


@pytest.mark.parametrize("name", [name for name in READERS if name != "a recorded tree"])
def test_every_one_octet_mutation(name: str) -> None:
    read, good = READERS[name]
    for place in range(len(good)):
        for value in (0, 9, 10, 32, 34, 35, 40, 41, 42, 92, 123, 125, 127, 128, 255, good[place] ^ 1):
            judge(name, read, good[:place] + bytes([value]) + good[place + 1 :])


@pytest.mark.parametrize("name", [name for name in READERS if name not in (*RULES, "a recorded tree")])
def test_every_truncation_is_refused(name: str) -> None:
    read, good = READERS[name]
    shorter = [size for size in range(len(good)) if judge(name, read, good[:size])]
    if name == "an event of the kernel":  # its texts may end after any of them
        shorter = [size for size in shorter if good[size - 1 : size] != b"\0"]
    assert shorter == []


@pytest.mark.parametrize("name", READERS)
def test_garbage(name: str) -> None:
    garbage(name, CI_CASES, SEED)


@pytest.mark.long
@pytest.mark.parametrize("name", READERS)
def test_garbage_long(name: str) -> None:
    with recorded(garbage_run(name), SEED + 1):
        assert 0 < garbage(name, CASES, SEED + 1) < CASES
