# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""PIN blocks and PIN references: their layouts and arithmetic. Asks no person, keeps no key, decides no try counter."""
