# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
story   A descriptor of length nought would be read for ever
policy  counter-till
at      2026-11-23T10:00:00+01:00
device  scanner 05e0:1200 "Bar Code Scanner" "" 03:01:01
device  broken 05e0:1200 "Bar Code Scanner" "" raw 1201000200000040e00500120001010200010902220001010080320004000000
plug    broken 1-3
expect  broken reject unreadable
unplug  broken
plug    scanner 1-3
expect  scanner allow scanner
