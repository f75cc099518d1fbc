# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
story   A printer brings its drivers on a disk of its own
policy  counter-till
at      2026-11-23T10:00:00+01:00
device  hub 05e3:0608 "USB2.0 Hub" "" 09:00:00
device  ours 04b8:0e15 "TM-T20II" "TM88-0001" 07:01:02
device  more 04b8:0e15 "TM-T20II" "TM88-0001" 07:01:02 08:06:50
plug    hub 1-2
plug    ours 1-2.2
expect  ours allow "receipt printer"
unplug  ours
plug    more 1-2.2
expect  more reject "nothing that types or stores by the pad"
disks   0
