# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Keys on their way: key blocks (ANSI X9.143), key transport by certificates (TR-34), components. Stores no key."""
