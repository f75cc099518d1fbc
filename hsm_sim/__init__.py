# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What a payment HSM answers: one engine, several wire faces. A simulator with TEST keys, not a security boundary."""
