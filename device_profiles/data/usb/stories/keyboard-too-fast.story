# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
story   The keyboard types faster than a person can
policy  counter-till
at      2026-11-23T10:00:00+01:00
device  kbd 046d:c31c "USB Keyboard" "" 03:01:01 03:00:00
plug    kbd 1-4
expect  kbd allow keyboard "on probation: at most 30 keys a second"
types   kbd 180 12
expect  kbd block implicit
inputs  0
