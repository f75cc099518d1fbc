# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What tests over a real connection share: certificates once for a module, and an outbox on the disk."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from terminal_agent.report.outbox import Outbox
from tests.brokers import Pki, make_pki
from tests.terminal_agent.report.outbox_bench import AT, TERMINAL


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    box = Outbox.open(tmp_path / "outbox.db", TERMINAL, opened_at_ms=AT)
    yield box
    box.close()
