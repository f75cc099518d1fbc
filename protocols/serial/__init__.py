# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the bytes on a serial line to a PIN pad or reader mean. No port, no clock: frames, messages, turn-taking."""
