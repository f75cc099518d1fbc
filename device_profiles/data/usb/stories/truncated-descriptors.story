# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
story   Descriptors end in the middle
policy  counter-till
at      2026-11-23T10:00:00+01:00
device  scanner 05e0:1200 "Bar Code Scanner" "" 03:01:01
device  broken 05e0:1200 "Bar Code Scanner" "" raw 120100020000004 0e005001200010102000109022200010100803209040000
plug    scanner 1-3
expect  scanner allow scanner
unplug  scanner
plug    broken 1-3
expect  broken reject unreadable "do not add up"
inputs  0
