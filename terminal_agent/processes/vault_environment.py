# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the vault's process and that of its token get of this one's environment. Starts neither."""

import os


def token_environment() -> dict[str, str]:
    """Where a token's library looks for its own settings."""
    return {name: os.environ[name] for name in ("SOFTHSM2_CONF",) if name in os.environ}
