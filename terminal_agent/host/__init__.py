# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The terminal's side of the acquirer: what to say, over which line, and what is owed when no answer comes."""
