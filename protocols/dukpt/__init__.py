# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""DUKPT of ANSI X9.24: TDES (part 1) and AES (part 3). Derives keys; never enciphers a PIN nor talks to a device."""
