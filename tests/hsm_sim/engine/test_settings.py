# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Settings by name: shown, changed, kept, and what cannot be."""

from dataclasses import fields

import pytest

from hsm_sim.engine.policy import Policy
from hsm_sim.engine.settings import UNSAID, Operating, changed, overlaid, packed, shown, unpacked
from protocols.pin.iso9564 import Format

USUAL = Operating()


def test_every_field_of_the_policy_is_a_setting() -> None:
    names = {f"policy.{field.name.replace('_', '-')}" for field in fields(Policy)}
    assert names <= set(shown(USUAL))
    assert set(shown(USUAL)) >= UNSAID


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("policy.clear-pins", "true", "true"),
        ("policy.clear-pins", "Yes", "true"),
        ("policy.clear-pins", "off", "false"),
        ("policy.pin-length", "6", "6"),
        ("policy.pin-formats", "0 3", "0 3"),
        ("policy.pin-formats", "3,0", "0 3"),
        ("policy.excluded-pins", "1111 2222", "2 of them"),
        ("fraud.minute", "5", "5"),
        ("fraud.enabled", "no", "false"),
        ("commands.disabled", "a4 GY", "A4 GY"),
        ("commands.disabled", "", ""),
    ],
)
def test_a_change(name: str, text: str, said: str) -> None:
    after = changed(USUAL, name, text)
    assert shown(after)[name] == said
    assert {key: value for key, value in shown(after).items() if key != name} == {
        key: value for key, value in shown(USUAL).items() if key != name
    }


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("policy.nothing", "1", "no setting of this name"),
        ("policy", "1", "no setting of this name"),
        ("policy.clear-pins", "perhaps", "true or false expected"),
        ("policy.pin-length", "six", "a whole number expected"),
        ("policy.pin-length", "99999999999", "a whole number expected"),
        ("policy.pin-length", "13", "4 to 12 expected"),
        ("policy.pin-formats", "0 9", "numbers of PIN block formats expected"),
        ("policy.pin-formats", "2", "only 0, 1, 3 and 4"),
        ("policy.excluded-pins", "12", "4 to 12 digits each"),
        ("fraud.minute", "-1", "a whole number expected"),
        ("commands.disabled", "A", "command codes of two characters expected"),
        ("fraud.minute", "\u0663", "a whole number expected"),
        ("policy.largest-rsa", "512", "1024 to 4096 bits expected"),
        ("policy.largest-rsa", "99999", "1024 to 4096 bits expected"),
    ],
)
def test_a_change_that_cannot_be(name: str, text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        changed(USUAL, name, text)


def test_what_a_person_set_is_kept_and_laid_on_top_again() -> None:
    chosen = {
        "policy.excluded-pins": "1111 2222",
        "policy.pin-formats": "0",
        "fraud.hour": "7",
        "commands.disabled": "A4",
    }
    after = overlaid(USUAL, unpacked(packed(chosen)))
    assert after.policy.excluded_pins == {"1111", "2222"}
    assert after.policy.pin_formats == frozenset({Format.ISO_0})
    assert (after.fraud.hour, after.commands.disabled) == (7, {"A4"})
    assert overlaid(USUAL, {}) == USUAL
