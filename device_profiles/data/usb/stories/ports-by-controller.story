# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
story   A pad is known by the port of its host controller, whatever the number of the bus
policy  unattended-kiosk
at      2026-11-23T10:00:00+01:00
device  pad 0b00:0084 "PIN pad" "" 02:02:01 0a:00:00
plug    pad 1-1
expect  pad allow pad "it is at a pad port"
unplug  pad
plug    pad 1-2
expect  pad reject implicit
