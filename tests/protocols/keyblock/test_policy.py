# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Verdicts: every rule refuses what it should, says so, and lets the rest through."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.keyblock import optional
from protocols.keyblock.codes import FORMS, USAGES, Mode
from protocols.keyblock.header import Header
from protocols.keyblock.optional import OptionalBlock
from protocols.keyblock.policy import (
    NARROWER_EXPORTS,
    NARROWER_MODES,
    NARROWER_USAGES,
    Policy,
    Verdict,
    narrowing,
)
from protocols.secret import ClearKey
from tests.protocols.keyblock.samples import GOOD

NOW = datetime(2026, 11, 22, tzinfo=UTC)
KEY = ClearKey(bytes.fromhex("F039121BEC83D26B169BDCD5B22AAF8F"))
EQUAL = ClearKey(bytes.fromhex("F039121BEC83D26BF039121BEC83D26B"))
PIN_KEY = Header("B", "P0", "T", "E", "00", "E")


def judged(header: Header = PIN_KEY, key: ClearKey = KEY, protection: int = 16, **changes: object) -> Verdict:
    policy = replace(Policy(), **changes)  # type: ignore[arg-type]  # fields of the policy
    return policy.judge_import(header, key, protection, NOW)


def rules(verdict: Verdict) -> set[str]:
    return {finding.rule for finding in verdict.findings if finding.refuses}


def test_a_usual_block_is_permitted() -> None:
    assert judged() == Verdict(())
    assert judged().permitted
    assert judged().explain() == "permitted"


@pytest.mark.parametrize(
    ("header", "changes", "rule"),
    [
        (replace(PIN_KEY, version="A"), {}, "version"),
        (replace(PIN_KEY, version="C"), {}, "version"),
        (replace(PIN_KEY), {"least_version": "D"}, "version"),
        (replace(PIN_KEY, usage="D0"), {"usages": frozenset({"P0"})}, "usage"),
        (replace(PIN_KEY, usage="72"), {}, "usage"),
        (replace(PIN_KEY, usage="ZZ"), {"usages": frozenset({"ZZ"})}, "usage"),
        (replace(PIN_KEY, algorithm="R"), {}, "algorithm"),
        (replace(PIN_KEY, mode="V"), {}, "mode"),
        (replace(PIN_KEY, mode="9"), {}, "mode"),
        (replace(PIN_KEY, exportability="7"), {}, "exportability"),
        (replace(PIN_KEY, key_version="c1"), {}, "component"),
        (replace(PIN_KEY, context="1"), {}, "context"),
        (PIN_KEY, {"least_bits": 112}, "strength"),
        (PIN_KEY, {"longest_life": timedelta(days=1)}, "age"),
    ],
)
def test_each_rule_refuses_alone(header: Header, changes: dict[str, object], rule: str) -> None:
    verdict = judged(header, **changes)
    assert rules(verdict) == {rule}
    assert not verdict.permitted
    assert f"refused: {rule}: " in verdict.explain()


def test_an_owners_own_usage_can_be_wanted() -> None:
    assert judged(replace(PIN_KEY, usage="72"), usages=frozenset({"72"})).permitted


def test_a_floor_of_versions_follows_their_binding() -> None:
    order = sorted(FORMS, key=lambda version: FORMS[version].seniority)
    assert order == ["A", "C", "B", "E", "D"]
    for floor in FORMS:
        for version in FORMS:
            found = judged(replace(PIN_KEY, version=version), protection=24, least_version=floor)
            assert ("version" in rules(found)) == (order.index(version) < order.index(floor))


def test_a_key_under_a_weaker_one() -> None:
    aes = Header("D", "P0", "A", "E")
    strong = ClearKey(bytes(range(32)))
    assert rules(judged(aes, strong, 16)) == {"strength"}
    assert judged(aes, strong, 32).permitted
    assert judged(aes, ClearKey(bytes(range(16))), 16).permitted
    assert rules(judged(replace(aes, version="B"), strong, 24)) == {"strength"}
    tolerated = judged(aes, strong, 16, weaker_protection=True)
    assert tolerated.permitted
    assert "noted: strength: the key is worth 256 bits, its protection only 128" in tolerated.explain()
    assert judged(Header("D", "S0", "R", "S"), ClearKey(bytes(1200)), 16).permitted  # no table tells its strength


def test_replicated_halves() -> None:
    assert rules(judged(key=EQUAL)) == {"equal parts"}
    noted = judged(key=EQUAL, single_strength=True)
    assert noted.permitted
    assert "worth one DES key" in noted.explain()
    assert judged(Header("D", "P0", "A", "E"), EQUAL, 32).permitted  # an AES key has no parts


def test_a_double_length_key_written_as_a_triple_one_is_worth_no_more() -> None:
    first, second, third = b"\x01\x23\x45\x67\x89\xab\xcd\xef", bytes(range(16, 24)), bytes(range(32, 40))
    outer = bytes((first[0] ^ 1, *first[1:]))  # another parity bit, the same DES key
    for key in (first + second + first, first + second + outer):
        verdict = judged(key=ClearKey(key), protection=24, least_bits=112)
        assert "the key is worth 80 bits" in verdict.explain()
        assert rules(verdict) == {"strength"}
        assert judged(key=ClearKey(key), protection=16).permitted
    assert judged(key=ClearKey(first + second + third), protection=24, least_bits=112).permitted


def test_a_version_that_no_table_knows_is_refused() -> None:
    odd = replace(PIN_KEY, version="9")
    assert "version" in rules(judged(odd))
    assert "version 9 is not known" in judged(odd).explain()
    assert "export" in exported(PIN_KEY, odd)
    assert "strength" in exported(PIN_KEY, odd, export_forms=frozenset("9"))


def test_mode_n_is_noted() -> None:
    verdict = judged(replace(PIN_KEY, mode="N"))
    assert verdict.permitted
    assert "noted: mode: mode N leaves open" in verdict.explain()
    assert judged(Header("B", "I0", "T", "N")).findings == ()


def with_time(identifier: str, moment: datetime) -> Header:
    return PIN_KEY.with_blocks([optional.time_block(identifier, moment)])


def test_age() -> None:
    year = {"longest_life": timedelta(days=365)}
    assert judged(with_time("TS", NOW - timedelta(days=300)), **year).permitted
    assert rules(judged(with_time("TC", NOW - timedelta(days=400)), **year)) == {"age"}
    assert rules(judged(with_time("TS", NOW + timedelta(seconds=1)))) == {"age"}
    assert judged(with_time("TS", NOW - timedelta(days=4000))).permitted
    unreadable = PIN_KEY.with_blocks([OptionalBlock("TS", "yesterday")])
    assert rules(judged(unreadable)) == {"age"}


def test_an_expired_certificate_in_the_block() -> None:
    sample = GOOD["tr31-17"]
    header = sample.protection().unwrap(sample.text).header
    policy, key = Policy(), ClearKey(bytes(8))
    assert rules(policy.judge_import(header, key, 16, NOW)) == {"certificate"}
    assert policy.judge_import(header, key, 16, datetime(2020, 12, 31, tzinfo=UTC)).permitted
    broken = header.with_blocks([OptionalBlock("CT", "00AAAA")])
    assert rules(policy.judge_import(broken, key, 16, NOW)) == {"age"}


@pytest.mark.parametrize("name", ["tr31-17", "tr31-18"])
def test_a_certificate_that_cannot_be_read_is_a_finding(name: str) -> None:
    """Every octet of real certificates changed: a verdict each time, never a foreign error or a warning."""
    sample = GOOD[name]
    header = sample.protection().unwrap(sample.text).header
    carried = header.first("CT")
    assert carried is not None
    certificate, refused = optional.certificates_of(carried)[0], 0
    for place, octet in enumerate(certificate):
        for change in (0x01, 0x02, 0x80, 0xFF):
            changed = certificate[:place] + bytes((octet ^ change,)) + certificate[place + 1 :]
            verdict = Policy().judge_import(
                header.with_blocks([optional.certificates_block([changed])]), ClearKey(bytes(8)), 32, NOW
            )
            refused += "cannot be read" in verdict.explain()
    assert refused > 100


def test_what_a_lenient_reader_forgave_is_noted() -> None:
    verdict = Policy().judge_import(PIN_KEY, KEY, 16, NOW, ("enciphered key: short",))
    assert verdict.permitted
    assert "noted: edition: enciphered key: short" in verdict.explain()


def exported(before: Header, after: Header, **changes: object) -> set[str]:
    other = bool(changes.pop("other_form", False))
    policy = replace(Policy(), **changes)  # type: ignore[arg-type]  # fields of the policy
    return rules(policy.judge_export(before, after, 16, 16, other_form=other))


def test_export_follows_exportability() -> None:
    assert exported(PIN_KEY, PIN_KEY) == set()
    secret = replace(PIN_KEY, exportability="N")
    assert exported(secret, secret) == {"export"}
    assert exported(PIN_KEY, PIN_KEY, other_form=True) == {"export"}
    sensitive = replace(PIN_KEY, exportability="S")
    assert exported(sensitive, sensitive, other_form=True) == set()
    odd = replace(PIN_KEY, exportability="7")
    assert exported(odd, odd) == {"export"}
    assert exported(PIN_KEY, replace(PIN_KEY, version="A")) == {"export"}
    assert exported(PIN_KEY, replace(PIN_KEY, version="A"), export_forms=frozenset("A")) == set()
    assert exported(PIN_KEY, PIN_KEY, least_bits=112) == {"strength"}


@pytest.mark.parametrize(
    ("before", "after", "lost"),
    [
        ("mode", "B", set()),
        ("mode", "D", {"mode"}),
        ("usage", "D0", {"usage"}),
        ("exportability", "S", {"exportability"}),
        ("exportability", "N", set()),
        ("algorithm", "A", {"algorithm"}),
        ("key_version", "01", {"key version"}),
    ],
)
def test_a_key_gains_no_right_on_its_way(before: str, after: str, lost: set[str]) -> None:
    start = replace(PIN_KEY, mode="B") if (before, after) == ("mode", "B") else PIN_KEY
    assert {finding.rule for finding in narrowing(start, replace(start, **{before: after}))} == lost


@given(st.sampled_from([mode.value for mode in Mode]), st.sampled_from([mode.value for mode in Mode]))
def test_modes_narrow_one_way(first: str, second: str) -> None:
    if second in NARROWER_MODES.get(first, ""):
        assert first not in NARROWER_MODES.get(second, "")
        for third in NARROWER_MODES.get(second, ""):
            assert third in NARROWER_MODES[first]


def test_usages_narrow_one_way_and_within_their_kind() -> None:
    for general, special in NARROWER_USAGES.items():
        for code in special.split():
            assert code in USAGES
            assert USAGES[code].modes == USAGES[general].modes
            assert general not in NARROWER_USAGES.get(code, "").split()
    assert NARROWER_EXPORTS == {"S": "EN", "E": "N"}


def test_derivation_data_travel_with_the_key() -> None:
    serial = OptionalBlock("KS", "FFFF9876543210E00000")
    before = Header("B", "B1", "T", "X", "00", "E", (serial, OptionalBlock("LB", "any label")))
    assert narrowing(before, before.with_blocks([serial])) == []
    for other in ([], [OptionalBlock("KS", "0" * 20)]):
        assert [finding.rule for finding in narrowing(before, before.with_blocks(other))] == ["optional block"]
