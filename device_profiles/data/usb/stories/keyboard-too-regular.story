# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
story   The keyboard types sixteen keys a second, each gap like the last
policy  counter-till
at      2026-11-23T10:00:00+01:00
device  kbd 046d:c31c "USB Keyboard" "" 03:01:01 03:00:00
plug    kbd 1-4
expect  kbd allow keyboard
types   kbd 16.6 0.4
expect  kbd block implicit
inputs  0
