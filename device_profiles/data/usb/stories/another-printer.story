# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
story   A printer of the right model, but not ours
policy  counter-till
at      2026-11-23T10:00:00+01:00
device  hub 05e3:0608 "USB2.0 Hub" "" 09:00:00
device  ours 04b8:0e15 "TM-T20II" "TM88-0001" 07:01:02
device  other 04b8:0e15 "TM-T20II" "TM88-0777" 07:01:02
plug    hub 1-2
plug    ours 1-2.2
expect  ours allow "receipt printer" "its serial is"
unplug  ours
plug    other 1-2.2
expect  other block implicit
