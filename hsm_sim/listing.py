# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The commands that the simulator answers, as rows to show: layouts in the trade's notation, evidence, notes."""

from dataclasses import dataclass

from protocols.hsm.commands import COMMANDS
from protocols.hsm.evidence import SOURCES
from protocols.hsm.layout import layout_of


@dataclass(frozen=True, slots=True)
class CommandRow:
    """One command."""

    code: str
    response: str
    title: str
    evidence: str
    sources: tuple[str, ...]
    vectors: int
    request_layout: str
    response_layout: str
    errors: dict[str, str]
    note: str

    def document(self) -> dict[str, object]:
        """The row as a JSON object."""
        return {name: getattr(self, name) for name in self.__slots__}


def command_rows(code: str | None = None) -> list[CommandRow]:
    """All commands in the order of their codes, or the one of ``code``."""
    return [
        CommandRow(
            code=command.code,
            response=command.response.__name__,
            title=command.title,
            evidence=command.evidence.label,
            sources=tuple(SOURCES[source] for source in command.evidence.sources),
            vectors=command.evidence.vectors,
            request_layout=layout_of(command.request).words(),
            response_layout=layout_of(command.response).words(),
            errors=dict(command.errors),
            note=command.note,
        )
        for command in sorted(COMMANDS.values(), key=lambda command: command.code)
        if code is None or command.code == code.upper()
    ]
