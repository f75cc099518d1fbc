# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
story   A scanner that is a keyboard may type as fast as it reads
policy  counter-till
at      2026-11-23T10:00:00+01:00
device  scanner 05e0:1200 "Bar Code Scanner" "" 03:01:01
plug    scanner 1-3
types   scanner 250 1
expect  scanner allow scanner
inputs  1
