# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The desk that the tests of PC/SC readers stand at."""

from collections.abc import Iterator

import pytest

from tests.twin_pcscd import Desk


@pytest.fixture
def desk() -> Iterator[Desk]:
    with Desk() as one:
        yield one
