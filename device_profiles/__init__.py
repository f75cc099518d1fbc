# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What each device is, as data, and its virtual twin. No driver lives here: a twin replaces the wire."""
