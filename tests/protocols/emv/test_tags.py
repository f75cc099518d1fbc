# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The dictionary agrees with itself: numbers are tags, templates are templates, account data are not open."""

import pytest

from protocols.emv import tags, tlv
from protocols.emv.tags import KNOWN, Format, Sensitivity, Source, Tag


@pytest.mark.parametrize("tag", list(Tag), ids=lambda tag: tag.name)
def test_a_row_holds_together(tag: Tag) -> None:
    assert tlv.is_constructed(tag) == (tag.format is Format.TEMPLATE)
    assert 0 <= tag.least <= tag.most <= 261
    assert tag.words == tag.words.strip() != ""
    assert Tag(int(tag)) is tag
    assert KNOWN[int(tag)] is tag


def test_no_number_and_no_words_occur_twice() -> None:
    assert len(KNOWN) == len(Tag.__members__)
    assert len({tag.words for tag in Tag}) == len(KNOWN)


@pytest.mark.parametrize(
    ("number", "sensitivity"),
    [
        (0x5A, Sensitivity.ACCOUNT),
        (0x57, Sensitivity.TRACK),
        (0x9F6B, Sensitivity.TRACK),
        (0x56, Sensitivity.HIDDEN),
        (0x5F20, Sensitivity.HIDDEN),
        (0x9F0B, Sensitivity.HIDDEN),
        (0x9F1F, Sensitivity.HIDDEN),
        (0x9F20, Sensitivity.HIDDEN),
        (0x99, Sensitivity.HIDDEN),
        (0x9F46, Sensitivity.HIDDEN),
        (0x9F26, Sensitivity.OPEN),
        (0xDF8101, Sensitivity.OPEN),
    ],
)
def test_what_may_be_shown(number: int, sensitivity: Sensitivity) -> None:
    assert tags.sensitivity(number) is sensitivity


def test_words() -> None:
    assert tags.words(0x9F26) == "9F26 Application Cryptogram"
    assert tags.words(0xDF8101) == "DF8101"


def test_sources() -> None:
    assert KNOWN[0x9F37].source is Source.TERMINAL
    assert KNOWN[0x9F36].source is Source.CARD
    assert KNOWN[0x91].source is Source.ISSUER
    assert 0x9F79 not in KNOWN
