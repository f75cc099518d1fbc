# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
story   A tablet is put on its dock, taken off and put on again
policy  tablet-dock
at      2026-11-23T10:00:00+01:00
device  upper 2109:2817 "USB2.0 Hub" "" 09:00:00
device  lower 2109:2817 "USB2.0 Hub" "" 09:00:00
device  pad 0b00:0084 "PIN pad" "" 02:02:01 0a:00:00
device  printer 0519:0003 "TSP100" "" 07:01:02
plug    upper 1-1
plug    pad 1-1.1
plug    lower 1-1.4
plug    printer 1-1.4.1
expect  pad allow pad
expect  printer allow "receipt printer" "07:01:02 (printer)"
unplug  upper
plug    upper 1-1
plug    lower 1-1.4
plug    pad 1-1.1
expect  pad allow pad
live    pad 02:02:01 0a:00:00
