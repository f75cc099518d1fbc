# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the HSM does: master keys, key types, operations on typed requests. Knows no wire and gives out no clear key."""
