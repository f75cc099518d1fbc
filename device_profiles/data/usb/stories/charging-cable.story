# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
story   A cable to charge with types when it is told to by radio
policy  tablet-dock
at      2026-11-23T10:00:00+01:00
device  upper 2109:2817 "USB2.0 Hub" "" 09:00:00
device  lower 2109:2817 "USB2.0 Hub" "" 09:00:00
device  cable 05ac:1460 "USB-C Cable" "" 11:00:00
device  evil 05ac:024f "Apple Keyboard" "" 03:01:01
plug    upper 1-1
plug    lower 1-1.4
plug    cable 1-1.4.2
expect  cable block "charging only" 
change  cable evil
expect  cable block "charging only"
inputs  0
