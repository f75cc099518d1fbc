# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The room that remembers orders: which was believed last, who may give them, what the terminal may do. Obeys none."""
