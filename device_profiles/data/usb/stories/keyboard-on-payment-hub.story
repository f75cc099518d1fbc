# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
story   A keyboard appears on the payment hub
policy  counter-till
at      2026-11-23T10:00:00+01:00
device  hub 05e3:0608 "USB2.0 Hub" "" 09:00:00
device  pad 11ca:0220 "PIN pad" "P0001" 02:02:01 0a:00:00
device  evil 046d:c31c "USB Keyboard" "" 03:01:01
plug    hub 1-2
expect  hub allow "payment hub" "at port 1-2"
plug    pad 1-2.1
expect  pad allow pad "it is at a payment port"
plug    evil 1-2.3
expect  evil reject "nothing that types or stores by the pad" "03:01:01 (keyboard)"
inputs  0
