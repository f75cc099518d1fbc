# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The far ends of every wire: behaviour of what we do not own, without I/O. Holds no driver."""
