# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Every status word has words, and the exact ones come before the general ones."""

import pytest

from protocols.emv.status import Status, words


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (0x9000, "9000 done"),
        (0x6112, "6112 done, 18 octets more to fetch"),
        (0x6100, "6100 done, 256 octets more to fetch"),
        (0x6C15, "6C15 wrong Le, 21 octets are there"),
        (0x63C2, "63C2 verification failed, 2 tries left"),
        (0x6283, "6283 the selected application is blocked"),
        (0x6299, "6299 warning, nothing changed"),
        (0x6A82, "6A82 no such file or application"),
        (0x69FF, "69FF command not allowed"),
        (0x1234, "1234 not a status word that the standards define"),
    ],
)
def test_words(status: int, said: str) -> None:
    assert words(status) == said


def test_all_of_them_have_words() -> None:
    assert all(words(status).startswith(f"{status:04X} ") for status in range(0x6000, 0x10000, 7))
    assert all("not a status" not in words(status) for status in Status)
