# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""USB as the terminal meets it: kernel events, descriptors, and the language of its policy. Touches no device."""
