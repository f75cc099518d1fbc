# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""How much the proofs in the emulated machine do. Numbers only."""

STORM = 100
PLUGS_A_BOOT = 52
FLOOD = 30_000
"""Events of other devices: some times what the kernel keeps for one listener."""
COST_BLOCKS, COST_PLUGS = 6, 6
"""Blocks of the cost's run, and plugs of a block: thirty and some of each program."""
