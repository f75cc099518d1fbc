# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""MQTT 5 without I/O: packets with bounds, and a client's session. Opens no connection."""
