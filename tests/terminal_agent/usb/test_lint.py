# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What lint finds, that it finds nothing in our own profiles, and what a policy file may not say."""

from pathlib import Path

import pytest

from device_profiles import catalog
from terminal_agent.usb.document_text import parse_exception, parse_policy
from terminal_agent.usb.lint import lint
from terminal_agent.usb.policy import Now
from tillguard.voice import Fault

NOW = Now(utc_s=1_790_000_000)
HUBS = 'allow id 1d6b:* with-interface 09:00:00 label "roots"\n'
TAIL = """
[[ports]]
role = "payment"
ports = ["1-2.*"]
"""


def found(rules: str, tail: str = TAIL) -> list[tuple[str, str, str]]:
    text = parse_policy(f"title = 'x'\nrules = '''\n{HUBS}{rules}\n'''\n{tail}", Path("x.toml"))
    return [(one.kind, str(one.weight), one.rule_id) for one in lint(text, NOW)]


@pytest.mark.parametrize("name", catalog.names("usb"))
def test_our_profiles_are_clean(name: str) -> None:
    path = catalog.find("usb", name)
    assert lint(parse_policy(path.read_text(), path), NOW) == []


def test_there_are_profiles_and_they_say_what_is_needed() -> None:
    assert len(catalog.names("usb")) >= 4
    for name in catalog.names("usb"):
        path = catalog.find("usb", name)
        assert parse_policy(path.read_text(), path).needs


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ('allow id 0781:5567 via-port "1-1" with-interface 08:06:50 label "a"', []),
        (
            'allow id 0781:* via-port "1-1" with-interface 08:06:50 label "a"\n'
            'block id 0781:5567 via-port "1-1" with-interface 08:06:50 label "b"',
            [("shadowed", "error", "b")],
        ),
        (
            'block id 0781:* label "a"\nblock id 0781:5567 via-port "1-1" label "b"',
            [("shadowed", "warning", "b")],
        ),
        (
            'block id 0781:* if localtime(08:00-18:00) label "a"\nblock id 0781:5567 label "b"',
            [],
        ),
        ('block id all-of { 0781:* 0781:5567 } label "a"', [("unreachable", "error", "a")]),
        ('block id 0781:* until 2020-01-01T00:00:00Z label "a"', [("over", "warning", "a")]),
        ('block id 0781:* if true label "a"', [("constant", "warning", "a")]),
        ('block id 0781:* if random label "a"', [("random", "warning", "a")]),
        ('allow label "a"', [("any-interface", "error", "a"), ("anybody", "error", "a")]),
        ('allow id *:* with-interface 08:06:50 label "a"', [("anybody", "error", "a")]),
        ('allow with-interface 08:06:50 label "a"', [("anybody", "error", "a")]),
        ('allow id 0781:5567 with-interface 08:06:50 label "a"', [("any-port", "warning", "a")]),
        ('allow id 0781:5567 serial "x" with-interface 08:06:50 label "a"', []),
        ('allow id 072f:90cc with-interface 0b:00:00 label "a"', []),
        ('allow id 0781:5567 via-port "1-1" label "a"', [("any-interface", "warning", "a")]),
        (
            'allow id 0781:5567 via-port "1-1" with-interface one-of { 08:06:50 } label "a"',
            [("open-interfaces", "error", "a")],
        ),
        ('allow-interface id 0781:5567 via-port "1-1" with-interface one-of { 08:06:50 } label "a"', []),
        ('block via-role "paiment" label "a"', [("role", "error", "a")]),
        (
            'block id 0781:5567 label "a"\nblock id 1234:5678 label "a"',
            [("label", "warning", "line 2"), ("label", "warning", "line 3")],
        ),
        ("block id 0781:5567", [("unlabelled", "note", "line 2")]),
        ('block with-interface one-of { 03:*:* } label "a"', []),
        ('block label "a"', []),
        ('allow id 05e3:0608 with-interface match-all { 09:00:00 09:00:01 } label "a"', []),
        (
            'allow id 05e3:0608 via-port "1-1" with-interface one-of { 09:00:00 } label "a"',
            [("open-interfaces", "error", "a")],
        ),
    ],
)  # fmt: skip
def test_what_is_found(rules: str, expected: list[tuple[str, str, str]]) -> None:
    assert found(rules) == expected


def test_a_policy_that_takes_the_root_hubs() -> None:
    def kinds(rules: str) -> list[str]:
        return [one.kind for one in lint(parse_policy(f"title = 'x'\nrules = '''{rules}'''", Path("x")), NOW)]

    assert "root-hubs" in kinds('block label "all"')
    assert "root-hubs" in kinds('block id 1d6b:* label "all"')
    assert "root-hubs" in kinds('allow id 1d6b:0002 with-interface 09:00:00 label "usb 2 only"\nblock label "all"')
    assert "root-hubs" not in kinds('allow id 1d6b:* with-interface 09:00:00 label "roots"\nblock label "all"')
    assert "root-hubs" not in kinds('block serial "x" label "one"')


def test_a_need_that_nothing_allows() -> None:
    need = "[[needs]]\nwhat = 'pad'\nmatch = 'id 11ca:0220'\n"
    assert found('block id 11ca:0220 label "a"', need) == [("need", "error", "")]
    assert found('allow id 11ca:0220 via-port "1-1" with-interface 02:02:01 label "a"', need) == []


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("title = 'x'", "rules: missing"),
        ("title = 'x'\nrules = 'allow it'", "rules, line 1, column 7"),
        ("title = 'x'\nrules = ''\nimplicit = 'allow'", "implicit: not one of the known values"),
        ("title = 'x'\nrules = ''\nruels = ''", "ruels: unknown key"),
        ("title = 'x'\nrules = ''\n[[ports]]\nrole = 'P'\nports = ['1-1']", r"ports\[0\]: role: 1 to 32"),
        ("title = 'x'\nrules = ''\n[[ports]]\nrole = 'p'\nports = ['1-1*']", r"ports\[0\]: ports: such as"),
        ("title = 'x'\nrules = ''\n[windows.X]\nopens = '01:00'\ncloses = '02:00'", "windows: names of small"),
        ("title = 'x'\nrules = ''\n[windows.x]\nopens = '1'\ncloses = '02:00'", "two times such as"),
        ("title = 'x'\nrules = ''\n[windows.x]\nopens = '01:00'\ncloses = '02:00'\ndays = ['Monday']", "not one of"),
        ("title = 'x'\nrules = ''\n[[needs]]\nwhat = 'x'\nmatch = 'pad'", r"needs\[0\].match"),
        ("title = 'a\u009bb'\nrules = ''", "title: 1 to 200 printable"),
        ("title = ''\nrules = ''", "title: 1 to 200 printable"),
        ("title = ", "not valid TOML"),
        ("#" * (1 << 20) + "##", "larger than 1 MiB"),
    ],
)
def test_what_a_policy_file_may_not_say(text: str, what: str) -> None:
    with pytest.raises(Fault, match=what):
        parse_policy(text, Path("x.toml"))


def test_an_exception_says_rules_or_windows() -> None:
    assert parse_exception("reason = 'x'\nwindows = ['service']", Path("x")).file.windows == ("service",)
    for text in ("reason = 'x'", "reason = 'x'\nwindows = ['A']", "rules = 'allow'"):
        with pytest.raises(Fault):
            parse_exception(text, Path("x"))
