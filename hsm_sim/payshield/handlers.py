# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What a handler of a host command is. Holds none."""

from collections.abc import Callable
from typing import Any

from hsm_sim.engine.engine import Engine
from protocols.hsm.codes import ErrorCode
from protocols.hsm.layout import Fields

Handler = Callable[[Engine, Any], Fields | ErrorCode]
"""Takes the decoded request; gives the response's fields, or an error code where the outcome is one.

It may raise :class:`hsm_sim.engine.refusal.Refused`, which becomes the code of its reason, and
:class:`protocols.errors.DecodeError`, which becomes 15.
"""
