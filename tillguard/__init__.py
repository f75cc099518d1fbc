# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""How our commands speak: faults and hints, exit codes, strict settings. Knows no domain word."""
