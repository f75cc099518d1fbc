# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
story   A device falls into its firmware upgrade mode
policy  counter-till
at      2026-11-23T10:00:00+01:00
device  pad 11ca:0220 "PIN pad" "P0001" fe:01:02
plug    pad 1-7
expect  pad reject "no firmware upgrade" "firmware upgrade (DFU)"
