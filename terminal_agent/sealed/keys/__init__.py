# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The vault's keys: what may rest in which slot, where they are kept, how they come and go, what counts their use."""
