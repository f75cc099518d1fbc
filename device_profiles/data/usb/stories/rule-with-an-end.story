# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
story   A rule for the fair ends with the fair
rule    allow id 0b00:0084 until 2026-11-23T18:00:00+01:00 label "fair"
rule    block id 0b00:0084 label "no fair"
at      2026-11-23T10:00:00+01:00
device  pad 0b00:0084 "PIN pad" "" 02:02:01 0a:00:00
plug    pad 1-1
expect  pad allow fair
wait    28800
expect  pad block "no fair"
live    pad -
