# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The local socket: newline-separated JSON-RPC 2.0 for programs on the same machine. Decides nothing about payments."""
