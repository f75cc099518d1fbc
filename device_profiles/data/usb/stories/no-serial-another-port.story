# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
story   A scanner without a serial number is moved to another port
policy  counter-till
at      2026-11-23T10:00:00+01:00
device  scanner 05e0:1200 "Bar Code Scanner" "" 03:01:01
plug    scanner 1-3
expect  scanner allow scanner "at port 1-3"
unplug  scanner
plug    scanner 1-7
expect  scanner block implicit "no rule fits it"
inputs  0
