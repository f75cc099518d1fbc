# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The language as written: what is a rule, how it prints, and where and why a line is none."""

import pytest

from protocols.errors import DecodeError, EncodeError
from protocols.usb.rule_text import LONGEST_LINE, MOST_RULES, parse_query, parse_rule, parse_rules
from protocols.usb.rules import Dialect, Rule, Target, print_rule


def rule(text: str, dialect: Dialect = Dialect.TILLGUARD) -> Rule:
    found = parse_rule(text, dialect)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("line", "printed"),
    [
        ("allow", "allow"),
        ("  allow\t", "allow"),
        ("block 0781:5567 # a stick", "block id 0781:5567"),
        ('allow name "a" id 1d6b:0002', 'allow id 1d6b:0002 name "a"'),
        ("reject with-interface { 08:06:50 03:01:01 }", "reject with-interface { 08:06:50 03:01:01 }"),
        ("allow with-interface one-of {03:0A:*}", "allow with-interface one-of { 03:0a:* }"),
        ('allow serial "\\x41\\"\\\\é\\x00"', 'allow serial "A\\"\\\\\\xc3\\xa9\\x00"'),
        ("allow if !localtime(22:00-06:00)", "allow if !localtime(22:00-06:00)"),
        ("allow if rule-evaluated(60)", "allow if rule-evaluated(60)"),
        ("allow-interface with-interface 08:*:* with-storage read-only", None),
        ('allow via-role { "payment" "service" }', None),
        ("allow with-interface 08:06:50 if service-window(night) until 2026-12-24T18:00:00Z", None),
        ("allow with-interface 03:01:01 if { keystroke-rate(30,15) localtime(08:00-20:00) }", None),
    ],
)
def test_a_rule_and_its_normal_form(line: str, printed: str | None) -> None:
    printed = line if printed is None else printed
    assert str(rule(line)) == printed
    assert str(rule(printed)) == printed


@pytest.mark.parametrize(
    ("line", "column", "why"),
    [
        ("Allow", 1, "allow, block, reject or allow-interface expected"),
        ("match", 1, "match decides nothing"),
        ("device id 1234:5678", 1, "device decides nothing"),
        ("allow id 1234", 10, "four hexadecimal digits"),
        ("allow id *:5678", 10, "without its vendor"),
        ("allow 12", 7, "an attribute with its value expected"),
        ('allow serial "a" serial "b"', 18, "serial stands twice"),
        ('allow label "a" label "b"', 17, "label stands twice"),
        ('allow serial "a', 16, "no closing double quote"),
        ('allow serial "a\\n"', 16, "of escapes only"),
        ('allow serial "a\rb"', 16, "line break"),
        ("allow with-interface 08:*:50", 22, "a protocol without its subclass"),
        ("allow with-interface *:*:*", 22, "two hexadecimal digits"),
        ("allow with-interface some-of { 08:06:50 }", 22, "one of equals"),
        ("allow with-interface { 08:06:50", 32, "}, expected"),
        ("allow if truth", 10, "condition: unknown"),
        ("allow if true()", 10, "empty parentheses"),
        ("allow if true(x)", 10, "takes no parameter"),
        ("allow if random(7)", 10, "0 to 1"),
        ("allow if localtime(25:00)", 10, "HH:MM"),
        ("allow if localtime(08:00-)", 10, "HH:MM"),
        ("allow if rule-applied(soon)", 10, "duration"),
        ("allow if service-window(The Night)", 10, "the name of a window"),
        ("allow if keystroke-rate(0)", 10, "keys a second"),
        ("allow if allowed-matches(id 12)", 10, "query: id: vendor:product"),
        ("allow if localtime(\x1b[2J)", 20, "printable ASCII"),
        ("allow until tomorrow", 13, "a moment with its zone"),
        ("allow until 2026-12-24T18:00:00", 13, "a moment with its zone"),
        ("allow until 2026-02-30T18:00:00Z", 13, "a moment with its zone"),
        ("allow until { 2026-12-24T18:00:00Z }x", 37, "a blank, a comment or the end"),
        ("allow with-storage writable", 20, "read-only expected"),
        ("allow-interface", 1, "needs with-interface"),
        ("allow-interface with-interface none-of { 08:06:50 }", 1, "needs with-interface"),
        ("allow-interface with-interface { 08:06:50 03:01:01 }", 1, "one-of or all-of"),
        ("allow" + " if { " + "true " * 65 + "}", 7, "more than 64 conditions"),
        ('allow serial "a"allow', 17, "a blank, a comment or the end"),
        ("allow serial \ud800", 14, "lone surrogate"),
        ("allow # " + "x" * LONGEST_LINE, LONGEST_LINE + 1, "more than"),
    ],
)
def test_what_is_no_rule_says_line_column_and_why(line: str, column: int, why: str) -> None:
    with pytest.raises(DecodeError) as fault:
        parse_rules(f"# first\n\n{line}\n")
    assert fault.value.where == f"line 3, column {column}"
    assert why in fault.value.why


def test_a_file_of_rules() -> None:
    rules = parse_rules('# what for\n\nallow label "pad" # the pad\n   \nblock label "x"\nblock label "x"\nreject\n')
    assert rules.ids == ("pad", "line 5", "line 6", "line 7")
    assert [one.target for one in rules.rules] == [Target.ALLOW, Target.BLOCK, Target.BLOCK, Target.REJECT]
    assert rules.rules[0].comment == " the pad"
    assert parse_rules(rules.print()).rules == rules.rules
    assert len(rules.digest) == 64
    assert rules.digest != parse_rules("allow").digest


def test_a_label_cannot_pass_for_the_implicit_target() -> None:
    assert parse_rules('allow label "implicit"').ids == ("line 1",)


def test_a_file_has_an_end() -> None:
    with pytest.raises(DecodeError, match="more than 10000 rules"):
        parse_rules("allow\n" * (MOST_RULES + 1))


def test_usbguard_does_not_know_our_words() -> None:
    for line in ('allow via-role "x"', "allow until 2026-12-24T18:00Z", "allow if service-window(x)"):
        assert rule(line).extensions
        with pytest.raises(EncodeError, match="not a word of usbguard"):
            print_rule(rule(line), Dialect.USBGUARD)
        with pytest.raises(DecodeError):
            parse_rule(line, Dialect.USBGUARD)
    with pytest.raises(DecodeError):
        parse_rule("allow-interface with-interface 08:06:50", Dialect.USBGUARD)


def test_a_query_has_no_target() -> None:
    assert str(parse_query("with-interface 09:00:00")) == "allow with-interface 09:00:00"
    with pytest.raises(DecodeError):
        parse_query("block id 1234:5678")


def test_a_fault_never_quotes_the_line() -> None:
    with pytest.raises(DecodeError) as fault:
        parse_rule('allow if WELL-KNOWN-SECRET("x")')
    assert "SECRET" not in str(fault.value)
