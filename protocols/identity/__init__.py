# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Which terminal this is: its life, its binding to a merchant, the documents by which it is enrolled. Keeps none."""
