# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The room that tells head office: an outbox on disk and an MQTT connection that empties it. Decides nothing."""
