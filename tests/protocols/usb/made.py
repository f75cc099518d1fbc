# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Rules, lines and devices drawn from a seed: from few values, so that they often meet. Knows no expected result."""

from random import Random

from protocols.usb.device import Device
from protocols.usb.rules import InterfacePattern

TEXTS = ("", "A", "a", "A B", 'q"q', "b\\s", "é", "tab\tx", "1-1", "hotplug", "\x01", "#")
IDS = ("1234:5678", "1234:*", "*:*", "abcd:0001", "ABCD:0001", "ABCD:*", "abcd:*", "0781:5567")
INTERFACES = ("08:06:50", "08:06:*", "08:*:*", "03:01:01", "03:01:02", "03:*:*", "09:00:00", "0B:00:00", "ff:ff:ff")
OPERATORS = ("equals", "equals-ordered", "all-of", "one-of", "none-of", "match-all")
CERTAIN = ("true", "false", "!true", "!false", "true(x)", "rule-applied", "rule-evaluated(10)", "!rule-applied(00:10)",
           "random(1.5)", "random(-1)", "allowed-matches(id 1234:5678)", "localtime(00:00:00-23:59:00)")  # fmt: skip
"""Conditions whose result in usbguard depends on no moment, but for the first second of a day."""
WRITTEN = (*CERTAIN, "localtime(08:00-18:00)", "localtime(8:5)", "localtime( 08:00-)", "localtime(22:00-06:00)",
           "localtime(08:00:30)", "localtime(24:00)", "random", "random(0.5)", "random(x)", "random(7)", "true()",
           "rule-applied(x)", "rule-applied(90)", "allowed-matches(x)", "allowed-matches(with-interface 09:*:*)",
           "foo", "! true", "true (x)", "localtime", "allowed-matches", "allowed-matches(if false)", "!!true",
           "true(\\n)", "true(\\q)", "random(0\\)1)")  # fmt: skip
STRINGS = ("serial", "name", "hash", "parent-hash", "via-port", "with-connect-type", "label")
ODD = ("{", "}", '"', "\\", "#", " ", "\t", "*", ":", "(", ")", "!", "x", "é", "\x7f", "\r", "allow", "one-of", "if")


def quoted(rng: Random, text: str) -> str:
    """Text as somebody might write it: escaped, with some characters as hexadecimal."""
    said = []
    for character in text:
        if character in '"\\':
            said.append("\\" + character)
        elif character.isascii() and rng.random() < 0.1:
            said.append(f"\\x{ord(character):02{rng.choice('xX')}}")
        else:
            said.append(character)
    return f'"{"".join(said)}"'


def value(rng: Random, name: str, conditions: tuple[str, ...]) -> str:
    """One value of an attribute."""
    if name == "id":
        return rng.choice(IDS)
    if name == "with-interface":
        return rng.choice(INTERFACES)
    return rng.choice(conditions) if name == "if" else quoted(rng, rng.choice(TEXTS))


def attribute(rng: Random, name: str, conditions: tuple[str, ...], *, neat: bool) -> str:
    """One attribute with one or several values."""
    blanks = (lambda: " ") if neat else (lambda: rng.choice((" ", " ", "  ", "\t")))
    if rng.random() < 0.55:
        return f"{name}{blanks()}{value(rng, name, conditions)}"
    operator = rng.choice(OPERATORS) + blanks() if rng.random() < 0.7 else ""
    values = blanks().join(value(rng, name, conditions) for _ in range(rng.choice((1, 2, 2, 3))))
    inner = f" {values} " if neat or rng.random() < 0.7 else values
    return f"{name}{blanks()}{operator}{{{inner}}}"


def rule_line(rng: Random, conditions: tuple[str, ...] = CERTAIN, *, neat: bool = True, label: str = "") -> str:
    """A rule in USBGuard's words."""
    names = ["id", "with-interface", "with-interface", *STRINGS[:-1], "if"]
    chosen = list(dict.fromkeys(rng.choice(names) for _ in range(rng.choice((0, 1, 1, 2, 2, 3, 4)))))
    words = [rng.choice(("allow", "block", "reject"))]
    if chosen[:1] == ["id"] and rng.random() < 0.3:
        chosen.pop(0)
        words.append(rng.choice(IDS))
    words += [attribute(rng, name, conditions, neat=neat) for name in chosen]
    words += [f'label "{label}"'] if label else []
    return " ".join(words)


def any_line(rng: Random) -> str:
    """A line that may be a rule: about one in seven is none."""
    line = rule_line(rng, WRITTEN if rng.random() < 0.3 else CERTAIN, neat=rng.random() < 0.5)
    for _ in range(rng.choice((0, 0, 0, 0, 0, 0, 0, 0, 1, 2))):
        place = rng.randrange(len(line) + 1)
        line = line[:place] + rng.choice(ODD) + line[place + rng.choice((0, 0, 1, 3)) :]
    if rng.random() < 0.1:
        line += rng.choice((" # why", "# why", ' label "a" label "b"', " id 1234:5678", " "))
    return line


def device(rng: Random) -> Device:
    """A device of few values."""
    shown = [one for one in INTERFACES if "*" not in one]
    return Device(
        port=rng.choice(("1-1", "1-2", "usb1", "A")),
        vendor=(vendor := rng.choice(("1234", "abcd", "0781"))),
        product={"1234": "5678", "abcd": "0001", "0781": "5567"}[vendor] if rng.random() < 0.7 else "9999",
        interfaces=tuple(interface(rng.choice(shown)) for _ in range(rng.choice((1, 1, 2, 2, 3)))),
        name=rng.choice(TEXTS),
        serial=rng.choice(TEXTS),
        hash=rng.choice(TEXTS),
        parent_hash=rng.choice(TEXTS),
        connect_type=rng.choice(("hotplug", "", "hardwired", "A")),
    )


def interface(text: str) -> InterfacePattern:
    """``08:06:50`` as what a device shows."""
    base, sub, protocol = (int(part, 16) for part in text.split(":"))
    return InterfacePattern(base, sub, protocol)
