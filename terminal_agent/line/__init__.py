# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Octets to and from a serial device, whatever carries them. Knows no frame and no device."""
