# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What goes between PC/SC programs, their service and readers: messages and control codes. Drives no reader."""
