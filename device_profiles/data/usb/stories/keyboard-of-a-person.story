# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
story   A person types
policy  counter-till
at      2026-11-23T10:00:00+01:00
device  kbd 046d:c31c "USB Keyboard" "" 03:01:01 03:00:00
plug    kbd 1-4
types   kbd 7.5 45
expect  kbd allow keyboard
inputs  2
