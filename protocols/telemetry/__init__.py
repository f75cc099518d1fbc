# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What a terminal tells head office: events, the report around one, and the topics. Sends nothing."""
