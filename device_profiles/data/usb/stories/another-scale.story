# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
story   A serial adapter of the same kind, but not the scale's
policy  self-checkout
at      2026-11-23T10:00:00+01:00
device  hub 2109:2817 "USB2.0 Hub" "" 09:00:00
device  scale 0403:6001 "FT232R" "SCALE001" ff:ff:ff
device  other 0403:6001 "FT232R" "A50285BI" ff:ff:ff
plug    hub 1-1 hardwired
plug    scale 1-1.4 hardwired
expect  scale allow scale
unplug  scale
plug    other 1-1.4 hardwired
expect  other reject implicit
