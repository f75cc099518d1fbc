# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""How long a test waits for what has to come. Measures nothing: how soon it comes, the benchmarks say."""

PATIENCE_S = 60.0
"""More than any machine needs that runs much else beside. Only a test that fails waits so long."""
