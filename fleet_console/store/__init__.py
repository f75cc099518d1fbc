# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What head office keeps: terminals, reports, orders, its own audit chain; in SQLite or in PostgreSQL."""
