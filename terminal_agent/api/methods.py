# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The methods of the local socket as a table: name, parameters, what answers. Touches no socket."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from terminal_agent.api.rpc import INVALID_PARAMS, METHOD_NOT_FOUND, Request, RpcError

Handler = Callable[..., Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One named parameter: its type, whether it may be absent, and the longest text or largest number taken."""

    kind: type
    bound: int
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Method:
    """One method: what it does in words, its parameters, and the coroutine that answers."""

    words: str
    parameters: Mapping[str, Parameter]
    handler: Handler


class Methods:
    """Looks a request up in the table, checks its parameters and calls its handler."""

    def __init__(self, table: Mapping[str, Method]) -> None:
        self.table = table

    async def call(self, request: Request) -> object:
        """The result of a request; raises :class:`RpcError` for everything that a caller can cure."""
        method = self.table.get(request.method)
        if method is None:
            raise RpcError(METHOD_NOT_FOUND, "no such method", f"known: {', '.join(sorted(self.table))}")
        return await method.handler(**_checked(method.parameters, request.params))


def _checked(parameters: Mapping[str, Parameter], given: Mapping[str, Any]) -> dict[str, Any]:
    for name in given:
        if name not in parameters:
            raise RpcError(INVALID_PARAMS, "unknown parameter", f"known: {', '.join(parameters) or 'none'}")
    taken = {}
    for name, parameter in parameters.items():
        if name not in given:
            if parameter.optional:
                continue
            raise RpcError(INVALID_PARAMS, f"parameter {name} is missing")
        value = given[name]
        if type(value) is not parameter.kind:
            raise RpcError(INVALID_PARAMS, f"parameter {name} must be of type {parameter.kind.__name__}")
        size: int = len(given[name]) if parameter.kind is str else given[name]
        if not 0 <= size <= parameter.bound:
            raise RpcError(INVALID_PARAMS, f"parameter {name} is out of bounds (0 to {parameter.bound})")
        taken[name] = value
    return taken
