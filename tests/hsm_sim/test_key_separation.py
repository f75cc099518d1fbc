# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Every key type, usage and mode in every key field of every command: only those of the matrix are taken."""

import pytest

from hsm_sim.engine.key_types import KEY_TYPES
from hsm_sim.engine.key_usages import MODES, USAGES
from protocols.hsm.commands.command import DUKPT_USAGES
from protocols.hsm.fields import KeyField
from tests.hsm_sim import oracle
from tests.hsm_sim.key_fields import (
    ALL_MODES,
    ALL_USAGES,
    TYPES,
    UNDER_A_TRANSPORT_KEY,
    Path,
    Sample,
    as_block,
    as_type,
    key_paths,
    sample,
)
from tests.hsm_sim.key_matrix import ELSEWHERE, EVERY_MODE, EVERY_TYPE, EVERY_USAGE, MATRIX, Row
from tests.hsm_sim.trials import load
from tests.hsm_sim.world import VARIANT

REFUSALS = {"05", "08", "10", "11", "28", "29", "A6", "A8"}
ROWS = [
    pytest.param(code, tuple(field.split(".")), row, id=f"{code}-{field}-{number}")
    for (code, field), rows in MATRIX.items()
    for number, row in enumerate(rows)
]
NAMED = [param for param in ROWS if param.values[2].named_by]  # type: ignore[attr-defined]  # a Row, see above
IN_BLOCKS = [param for param in ROWS if param.values[2].usages]  # type: ignore[attr-defined]  # a Row, see above


def test_the_matrix_has_every_key_field_of_every_command() -> None:
    fields = {
        (code, ".".join(path))
        for code, tried in load().items()
        if code not in ELSEWHERE
        for path in key_paths(code, tried.forms[0])
        if (code, path[-1]) not in UNDER_A_TRANSPORT_KEY
    }
    assert fields == set(MATRIX)


def test_the_matrix_knows_every_type_usage_and_mode() -> None:
    assert EVERY_TYPE.split() == list(KEY_TYPES)
    assert EVERY_USAGE.split() == list(USAGES)
    assert set(EVERY_MODE) == MODES


def taken(answer: str) -> bool:
    """Whether a command was carried out; what is refused must say why and nothing else."""
    if answer[:2] in ("00", "01"):
        return True
    assert answer in REFUSALS, answer
    return False


def own_type(found: Sample, path: Path, row: Row) -> str:
    """The type that a sample's key has."""
    named = getattr(found.request.fields, row.named_by) if row.named_by else row.types
    return str(named)


@pytest.mark.parametrize(("code", "path", "row"), ROWS)
def test_types_under_a_variant_lmk(code: str, path: Path, row: Row) -> None:
    found = sample(code, VARIANT, path, row.where)
    own = own_type(found, path, row)
    clear = oracle.clear_of(oracle.lmk(own), found.key(path).text)
    for other in TYPES:
        command = found.with_fields({path: as_type(clear, other)})
        assert command is not None
        assert taken(found.world.ask(command)) == (other == own), (own, other)


@pytest.mark.parametrize(("code", "path", "row"), NAMED)
def test_types_that_a_command_names(code: str, path: Path, row: Row) -> None:
    found = sample(code, VARIANT, path, row.where)
    own = own_type(found, path, row)
    for other in TYPES:
        command = found.with_fields({path: retyped(found, path, own, other), (row.named_by,): other})
        if code == "A4":
            changes = {key: retyped(found, key, own, other) for key in found.key_fields()}
            command = found.with_fields({**changes, (row.named_by,): other})
        if command is None:  # not a type of this command, so the layout does not write it
            command = written_anyway(found, path, own, other)
            assert found.world.ask(command)[:2] not in ("00", "01"), other
            assert other not in row.types.split()
        else:
            assert taken(found.world.ask(command)) == (other in row.types.split()), other


def retyped(found: Sample, path: Path, own: str, other: str) -> KeyField:
    """The key of a field as one of another type."""
    return as_type(oracle.clear_of(oracle.lmk(own), found.key(path).text), other)


def written_anyway(found: Sample, path: Path, own: str, other: str) -> bytes:
    """The command with another type in front of the key and the key as one of it."""
    key = retyped(found, path, own, other)
    command = found.with_fields({path: key})
    assert command is not None
    changed = command.replace(f"{own}{key.text}".encode(), f"{other}{key.text}".encode(), 1)
    assert changed != command
    return changed


@pytest.mark.parametrize(("code", "path", "row"), IN_BLOCKS)
def test_usages_and_modes_in_key_blocks(code: str, path: Path, row: Row) -> None:
    form = next(form for form in load()[code].forms if form.in_blocks and not form.stored)
    found = sample(code, form, path, row.where)
    clear = oracle.key_in_block(form.kind, found.key(path).text)
    derives = found.key(path).usage in DUKPT_USAGES
    for usage in ALL_USAGES:
        for mode in ALL_MODES:
            command = found.with_fields({path: as_block(form, clear, usage, mode)})
            if command is None:  # a serial number follows BDKs alone
                assert (usage in DUKPT_USAGES) != derives
                continue
            permitted = usage in row.usages.split() and mode in row.modes
            assert taken(found.world.ask(command)) == permitted, (usage, mode)
