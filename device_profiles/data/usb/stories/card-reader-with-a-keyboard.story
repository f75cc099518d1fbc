# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
story   A card reader of the right model that can also type
policy  self-checkout
at      2026-11-23T10:00:00+01:00
device  hub 2109:2817 "USB2.0 Hub" "" 09:00:00
device  reader 072f:90cc "CCID USB Reader" "" 0b:00:00
device  more 072f:90cc "CCID USB Reader" "" 0b:00:00 03:01:01
plug    hub 1-1 hardwired
plug    reader 1-1.2 hardwired
expect  reader allow "card reader" "smart card reader (CCID)"
change  reader more
expect  reader reject implicit
inputs  0
