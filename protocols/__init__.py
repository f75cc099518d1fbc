# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What bytes mean: codecs and the mathematics of the standards. No I/O, no clock, no randomness of its own."""
