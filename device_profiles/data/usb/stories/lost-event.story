# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
story   An event is lost while a keyboard is plugged; the next one brings it to light
policy  counter-till
at      2026-11-23T10:00:00+01:00
device  hub 05e3:0608 "USB2.0 Hub" "" 09:00:00
device  evil 046d:c31c "USB Keyboard" "" 03:01:01
device  scanner 05e0:1200 "Bar Code Scanner" "" 03:01:01
plug    hub 1-2
lose
plug    scanner 1-3
expect  hub allow "payment hub"
expect  scanner allow scanner
plug    evil 1-2.4
expect  evil reject "nothing that types or stores by the pad"
inputs  1
