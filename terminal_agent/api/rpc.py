# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""JSON-RPC 2.0 as lines: requests in, answers and notifications out. Pure; no socket, no method of its own.

Source: JSON-RPC 2.0 Specification, sections 4 (request), 5 (response) and 5.1 (error object). Batches are refused:
one line is one request.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LONGEST_LINE = 64 * 1024  # a request carries an amount and a name or two; more is not for us

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
# -32000 to -32099 are the server's own (section 5.1).
BUSY = -32001
NOT_FOUND = -32002
REFUSED = -32003
UNAVAILABLE = -32004


class RpcError(Exception):
    """An answer that says no: code, what, and a hint at the cure."""

    def __init__(self, code: int, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.code = code
        self.what = what
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Request:
    """One call. ``id`` is None for a notification, which gets no answer."""

    id: int | str | None
    method: str
    params: Mapping[str, Any]


def read_request(line: bytes) -> Request:
    """One line to a request; raises :class:`RpcError` with the code that the specification demands."""
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        raise RpcError(PARSE_ERROR, "not JSON", "send one JSON object per line") from None
    if not isinstance(document, dict) or document.get("jsonrpc") != "2.0":
        raise RpcError(INVALID_REQUEST, "not a JSON-RPC 2.0 request", 'send {"jsonrpc":"2.0","id":1,"method":…}')
    method, params, number = document.get("method"), document.get("params", {}), document.get("id")
    if not isinstance(method, str) or isinstance(number, (bool, float, list, dict)):
        raise RpcError(INVALID_REQUEST, "method must be text, id a whole number or text")
    if not isinstance(params, dict):
        raise RpcError(INVALID_PARAMS, "params must be an object", "name every parameter")
    return Request(number, method, params)


def answer(number: int | str | None, result: object) -> bytes:
    """The line that answers request ``number`` with a result."""
    return _line({"jsonrpc": "2.0", "id": number, "result": result})


def refusal(number: int | str | None, error: RpcError) -> bytes:
    """The line that answers request ``number`` with an error."""
    body: dict[str, object] = {"code": error.code, "message": error.what}
    if error.hint:
        body["data"] = {"hint": error.hint}
    return _line({"jsonrpc": "2.0", "id": number, "error": body})


def notification(method: str, params: Mapping[str, object]) -> bytes:
    """A line that wants no answer."""
    return _line({"jsonrpc": "2.0", "method": method, "params": params})


def _line(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
