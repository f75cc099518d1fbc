# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Steps of a terminal's life as persons of head office sign them: a statement each. Believes and does none.

A statement's version is the step's number in the terminal's life, so none can be played again, and two that were signed
for the same place cannot both count. Steps that take two persons are a kind of their own, with its own threshold.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from protocols.errors import DecodeError
from protocols.identity.life import TABLE, Step
from protocols.signed import Statement
from protocols.strict_json import strict_object

KIND = "life"
GRAVE_KIND = "life-grave"
KINDS = frozenset({KIND, GRAVE_KIND})
LONGEST_S = 7 * 24 * 3600
GRAVE = frozenset(one.step for one in TABLE if one.persons > 1 and one.step is not Step.RETIRE)
_NAMES = frozenset({"step", "application", "faults", "reason"})


@dataclass(frozen=True, slots=True)
class LifeStep:
    """What persons want done: the step, the application that it is about, and why.

    ``faults``: what is wrong with which field of the application, where it is sent back.
    """

    step: Step
    application: str = ""
    faults: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    reason: str = ""

    def statement(self, terminal: str, number: int, from_s: int, until_s: int) -> Statement:
        """As a statement to sign: ``number`` is the step's place in the terminal's life."""
        body = {
            "step": self.step.value,
            "application": self.application,
            "faults": dict(self.faults),
            "reason": self.reason,
        }
        text = json.dumps(body, ensure_ascii=True, separators=(",", ":"))
        return Statement(GRAVE_KIND if self.step in GRAVE else KIND, terminal, number, from_s, until_s, text)


def read_step(body: str) -> LifeStep:
    """What a statement's body says; :class:`DecodeError` for anything else."""
    found = strict_object(body.encode("utf-8"), "step", _NAMES)
    faults = found["faults"]
    texts = (found["application"], found["reason"])
    if not isinstance(faults, dict) or not all(isinstance(one, str) for one in (*texts, *faults, *faults.values())):
        raise DecodeError("step", "texts, and faults by field, expected")
    try:
        return LifeStep(Step(found["step"]), texts[0], MappingProxyType(faults), texts[1])
    except ValueError:
        raise DecodeError("step", f"one of {', '.join(Step)} expected") from None
