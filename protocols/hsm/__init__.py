# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Host commands of a payShield-style payment HSM, as octets, for both ends. Computes nothing and opens no socket.

Layouts are restated from public clients, simulators and field tables; every command says how well it is attested.
"""
