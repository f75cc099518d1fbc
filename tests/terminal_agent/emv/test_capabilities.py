# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Every line of the kernels' tables names a test that is there; refusals are tests that speak of refusing."""

import ast
from pathlib import Path

import pytest

from terminal_agent.emv.capabilities import ENTRY_POINT, TABLES, Capability, Handling
from terminal_agent.emv.combination import KERNELS_BUILT
from terminal_agent.emv.transaction import KERNELS

HERE = Path(__file__).parent
LINES = [(kernel, line) for kernel, table in {0: ENTRY_POINT, **TABLES}.items() for line in table]
"""Kernel 0 is the entry point."""


def test_every_kernel_that_is_built_has_a_table_and_no_other() -> None:
    assert set(TABLES) == set(KERNELS) == set(KERNELS_BUILT)
    for table in (ENTRY_POINT, *TABLES.values()):
        assert len({line.name for line in table}) == len(table)
        assert {line.handling for line in table} == set(Handling)


@pytest.mark.parametrize(("kernel", "line"), LINES, ids=lambda part: getattr(part, "name", str(part)))
def test_the_test_of_a_line_is_there(kernel: int, line: Capability) -> None:
    name, _, function = line.test.partition("::")
    tree = ast.parse((HERE / name).read_text("utf-8"))
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function]
    assert len(found) == 1, f"kernel {kernel}: {line.test}"
    checks = [node for node in ast.walk(found[0]) if isinstance(node, ast.Assert)]
    assert checks, f"{line.test} asserts nothing"
