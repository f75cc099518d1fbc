# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
story   An allowed pad shows a keyboard later
policy  counter-till
at      2026-11-23T10:00:00+01:00
device  hub 05e3:0608 "USB2.0 Hub" "" 09:00:00
device  pad 11ca:0220 "PIN pad" "P0001" 02:02:01 0a:00:00
device  grown 11ca:0220 "PIN pad" "P0001" 02:02:01 0a:00:00 03:01:01
plug    hub 1-2
plug    pad 1-2.1
expect  pad allow pad
live    pad 02:02:01 0a:00:00
change  pad grown
expect  pad reject "nothing that types or stores by the pad"
inputs  0
