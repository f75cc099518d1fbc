# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What card applications say and compute: TLV, commands, status words, cryptograms. No reader and no decision."""
