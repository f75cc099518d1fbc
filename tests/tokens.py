# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A PKCS#11 token without a chip (SoftHSM2), and the file by which a profile names it."""

import subprocess
from pathlib import Path

import pytest

MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")


def soft_token(folder: Path, patch: pytest.MonkeyPatch) -> Path:
    """A fresh token in ``folder``; its PIN lies beside it in ``token-pin``."""
    module = next(path for path in MODULES if Path(path).exists())
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    patch.setenv("SOFTHSM2_CONF", str(folder / "softhsm2.conf"))
    words = ("--init-token", "--free", "--label", "vault", "--so-pin", "24681357", "--pin", "13572468")
    subprocess.run(["softhsm2-util", *words], check=True, capture_output=True)
    (folder / "token-pin").write_text("13572468\n")
    path = folder / "token.toml"
    path.write_text(f'module = "{module}"\ntoken = "vault"\nkey = "tillguard-vault"\npin-file = "token-pin"\n')
    return path
