# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What a handler of a host command is, and what it may give. Holds none."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hsm_sim.engine.engine import Engine
from protocols.hsm.codes import ErrorCode
from protocols.hsm.layout import Fields


@dataclass(frozen=True, slots=True)
class Advice:
    """A response with all its fields under an error code that only advises, as 01 where a parity was corrected."""

    code: ErrorCode
    fields: Fields


Handler = Callable[[Engine, Any], Fields | ErrorCode | Advice]
"""Takes the decoded request; gives the response's fields, or an error code where the outcome is one.

It may raise :class:`hsm_sim.engine.refusal.Refused`, which becomes the code of its reason, and
:class:`protocols.errors.DecodeError`, which becomes 15.
"""
