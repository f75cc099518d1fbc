# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""How a twin comes to stand on a wire: the only input and output of the twins, by mechanism."""
