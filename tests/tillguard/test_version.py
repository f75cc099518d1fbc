# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The version that is installed, as the standard library finds it too."""

from importlib.metadata import version
from pathlib import Path

import pytest

from tillguard.version import installed


def test_it_is_what_the_installer_left() -> None:
    assert installed() == version("tillguard")


def test_without_an_installation_it_is_unknown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.path", ["", str(tmp_path / "nowhere")])
    monkeypatch.chdir(tmp_path)
    assert installed() == "unknown"
