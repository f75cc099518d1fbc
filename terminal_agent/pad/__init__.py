# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""PIN pads that encipher by themselves, behind one port. No PIN and no PIN key ever comes here."""
