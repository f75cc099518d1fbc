# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""One object with exactly its members, each once; whatever else there is becomes one kind of error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import DecodeError
from protocols.strict_json import any_object, strict_object


def test_exactly_its_members() -> None:
    assert strict_object(b'{"a":1,"b":[true]}', "x", {"a", "b"}) == {"a": 1, "b": [True]}


@pytest.mark.parametrize(
    "octets",
    [b"", b"[]", b"null", b'{"a":1}', b'{"a":1,"b":2,"c":3}', b'{"a":1,"b":2,"a":1}', b'{"a":NaN,"b":2}', b"\xff",
     b"[" * 100_000, b'{"a":{"x":1,"x":2},"b":2}', b'{"a":1,"b":Infinity}'],
)  # fmt: skip
def test_what_is_not(octets: bytes) -> None:
    with pytest.raises(DecodeError):
        strict_object(octets, "x", {"a", "b"})


@given(st.binary(max_size=200))
def test_garbage(data: bytes) -> None:
    try:
        assert isinstance(any_object(data, "x"), dict)
    except DecodeError as fault:
        assert fault.where == "x"
