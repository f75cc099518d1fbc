# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The acquirer's wire: ISO 8583:1987 messages in several dialects, and their frames. No sockets, no keys, no clock."""
