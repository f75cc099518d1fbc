# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""HOST:PORT as people write it, and what is none."""

import pytest

from tillguard.address import host_port


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("127.0.0.1:8883", ("127.0.0.1", 8883)),
        ("broker.example:1", ("broker.example", 1)),
        ("[::1]:65535", ("::1", 65_535)),
        ("büro.example.:1", ("büro.example.", 1)),
    ],
)
def test_host_and_port(text: str, found: tuple[str, int]) -> None:
    assert host_port(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "h",
        ":8883",
        "h:",
        "h:0",
        "h:65536",
        "h:08883000",
        "h:-1",
        "h:٨٨",
        "h:8 ",
        "::1:8883",
        "[]:1",
        "a b:1",
        "\x07:1",
        "../x:1",
        f"{'x' * 64}.example:1",
        f"{'x.' * 127}xx:1",
        f"{'ü' * 64}.example:1",
        "h:" + "9" * 5_000,
    ],
)  # fmt: skip
def test_what_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT expected"):
        host_port(text)
