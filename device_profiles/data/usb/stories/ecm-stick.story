# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
story   A stick says it is a network card (CDC ECM) and a disk
policy  counter-till
at      2026-11-23T10:00:00+01:00
device  stick 0525:a4a1 "Ethernet Gadget" "" 02:06:00 0a:00:00 08:06:50
plug    stick 1-6
expect  stick reject "no network"
disks   0
