# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0

story   A night and a day at the till: a stick, a bad keyboard, a service window
policy  counter-till
at      2026-11-24T01:30:00+01:00
device  hub 05e3:0608 "USB2.0 Hub" "" 09:00:00
device  pad 11ca:0220 "PIN pad" "P0001" 02:02:01 0a:00:00
device  keyboard 046d:c31c "USB Keyboard" "" 03:01:01 03:00:00
device  stick 0781:5567 "Cruzer Blade" "4C530001" 08:06:50 03:01:01
device  evil 046d:c31c "USB Keyboard" "" 03:01:01
device  phone 18d1:4ee3 "Pixel" "0A1B2C3D" e0:01:03 0a:00:00
plug    hub 1-2
expect  hub allow "payment hub"
plug    pad 1-2.1
expect  pad allow pad
plug    keyboard 1-4
expect  keyboard allow keyboard
plug    stick 1-6
expect  stick block "service port"
disks   0
wait    1800
expect  stick allow-interface "service stick" "without a driver: 03:01:01 (keyboard)"
live    stick 08:06:50
disks   1
wait    7200
expect  stick block "service port"
disks   0
plug    evil 1-2.3
expect  evil reject "nothing that types or stores by the pad"
plug    phone 1-7
expect  phone reject "no network"
types   keyboard 9 38
expect  keyboard allow keyboard
types   keyboard 240 2
expect  keyboard block implicit
inputs  0
