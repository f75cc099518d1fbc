# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The PIN in the vault: how it is typed, and what block it becomes."""
