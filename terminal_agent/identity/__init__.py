# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Who this terminal is: its keys and certificates, its binding, its technicians. Speaks to nobody."""
