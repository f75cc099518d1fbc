# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The vault's room: keys and clear PINs, without network or event loop. Empty while every pad encrypts by itself.

Its import contract in ``pyproject.toml`` stands before its first line, so that nothing can move in with a way out.
"""
