# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The engine behind payShield-style host commands over TCP. Translates codes and fields; computes nothing itself."""
