# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The host commands as tables: one class per message, named by its code, and one row per command. Computes nothing.

A server decodes requests and encodes responses, a client the other way round; both by the same table (see
:mod:`protocols.hsm.message`). Field names are ours, order and kinds are those on which the named sources agree.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from protocols.hsm.commands import (
    cards,
    data,
    diagnostics,
    hashes,
    key_changes,
    keys,
    legacy_macs,
    macs,
    pin_checks,
    pin_issue,
    pin_references,
    pins,
    rsa,
    transport,
)
from protocols.hsm.commands.cards import CW, CX, CY, CZ, KQ, KR, KW, KX
from protocols.hsm.commands.command import CheckValueOptions, Command
from protocols.hsm.commands.diagnostics import B2, B3, NC, ND, NO, NP
from protocols.hsm.commands.keys import A0, A1, BU, BV, HA, HB, HC, HD, A0Export, TmkOptions
from protocols.hsm.commands.macs import M6, M7, M8, M9
from protocols.hsm.commands.pin_checks import CM, CN, DC, DD, EC, ED
from protocols.hsm.commands.pins import CA, CB, CC, CD

__all__ = [
    "A0",
    "A1",
    "B2",
    "B3",
    "BU",
    "BV",
    "CA",
    "CB",
    "CC",
    "CD",
    "CM",
    "CN",
    "COMMANDS",
    "CW",
    "CX",
    "CY",
    "CZ",
    "DC",
    "DD",
    "EC",
    "ED",
    "HA",
    "HB",
    "HC",
    "HD",
    "KQ",
    "KR",
    "KW",
    "KX",
    "M6",
    "M7",
    "M8",
    "M9",
    "NC",
    "ND",
    "NO",
    "NP",
    "RESPONSES",
    "A0Export",
    "CheckValueOptions",
    "Command",
    "TmkOptions",
]

_ROWS = (
    *diagnostics.ROWS,
    *keys.ROWS,
    *transport.ROWS,
    *key_changes.ROWS,
    *pins.ROWS,
    *pin_checks.ROWS,
    *pin_issue.ROWS,
    *pin_references.ROWS,
    *cards.ROWS,
    *macs.ROWS,
    *legacy_macs.ROWS,
    *data.ROWS,
    *hashes.ROWS,
    *rsa.ROWS,
)

COMMANDS: Mapping[str, Command[Any, Any]] = MappingProxyType({row.code: row for row in _ROWS})
"""Every command by its code."""
RESPONSES: Mapping[str, Command[Any, Any]] = MappingProxyType({row.response.__name__: row for row in _ROWS})
"""Every command by its response code."""
