# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The order of steps: the only files that cross rooms. No system call and no codec lives here."""
