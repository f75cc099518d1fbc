# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Lines of JSON-RPC: whatever comes in, what goes out is an answer with the specification's code."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminal_agent.api.methods import Method, Methods, Parameter
from terminal_agent.api.rpc import Request, RpcError, answer, notification, read_request, refusal


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"", -32700),
        (b"{", -32700),
        (b"\xff\xfe", -32700),
        (b"[" * 5000, -32700),
        (b"[]", -32600),
        (b"7", -32600),
        (b'{"id":1,"method":"x"}', -32600),
        (b'{"jsonrpc":"1.0","id":1,"method":"x"}', -32600),
        (b'{"jsonrpc":"2.0","id":1}', -32600),
        (b'{"jsonrpc":"2.0","id":true,"method":"x"}', -32600),
        (b'{"jsonrpc":"2.0","id":[],"method":"x"}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"x","params":[1]}', -32602),
    ],
)
def test_refusals(line: bytes, code: int) -> None:
    with pytest.raises(RpcError) as caught:
        read_request(line)
    assert caught.value.code == code


@given(st.binary(max_size=200))
def test_garbage_gives_only_rpc_errors(line: bytes) -> None:
    try:
        read_request(line)
    except RpcError as error:
        assert json.loads(refusal(None, error))["error"]["code"] == error.code


def test_lines_out() -> None:
    assert json.loads(answer(7, {"a": 1})) == {"jsonrpc": "2.0", "id": 7, "result": {"a": 1}}
    assert json.loads(notification("event", {"x": 2})) == {"jsonrpc": "2.0", "method": "event", "params": {"x": 2}}
    assert json.loads(refusal(1, RpcError(-32001, "busy", "wait")))["error"]["data"] == {"hint": "wait"}


async def _echo(**named: object) -> object:
    return named


METHODS = Methods(
    {"m": Method("test", {"amount": Parameter(int, 100), "name": Parameter(str, 3, optional=True)}, _echo)}
)


@pytest.mark.parametrize(
    ("params", "what"),
    [
        ({}, "amount is missing"),
        ({"amount": "1"}, "must be of type int"),
        ({"amount": True}, "must be of type int"),
        ({"amount": 101}, "out of bounds"),
        ({"amount": -1}, "out of bounds"),
        ({"amount": 1, "name": "abcd"}, "out of bounds"),
        ({"amount": 1, "other": 1}, "unknown parameter"),
    ],
)
async def test_parameters_are_checked(params: dict[str, object], what: str) -> None:
    with pytest.raises(RpcError, match=what):
        await METHODS.call(Request(1, "m", params))


async def test_calls() -> None:
    assert await METHODS.call(Request(1, "m", {"amount": 1})) == {"amount": 1}
    with pytest.raises(RpcError, match="no such method") as caught:
        await METHODS.call(Request(1, "n", {}))
    assert caught.value.hint == "known: m"
