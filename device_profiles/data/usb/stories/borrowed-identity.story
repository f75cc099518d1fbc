# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
story   A keyboard borrows the pad's ids, name and serial
policy  counter-till
at      2026-11-23T10:00:00+01:00
device  hub 05e3:0608 "USB2.0 Hub" "" 09:00:00
device  fake 11ca:0220 "PIN pad" "P0001" 03:01:01
plug    hub 1-2
plug    fake 1-2.1
expect  fake reject "nothing that types or stores by the pad"
inputs  0
