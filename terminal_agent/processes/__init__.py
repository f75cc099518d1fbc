# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""One composition root per process: which back end serves which port. Nothing else in the agent wires."""
