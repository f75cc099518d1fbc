# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The USB room: which device may live on this terminal. The decision is policy.py, the system calls are sysfs.py."""
