# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the terminal does: the daemon on or beside a POS. It meets the HSM and head office only on a wire."""
