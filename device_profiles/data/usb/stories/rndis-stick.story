# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
story   A stick says it is a network card (RNDIS)
policy  counter-till
at      2026-11-23T10:00:00+01:00
device  stick 0525:a4a2 "RNDIS/Ethernet Gadget" "" e0:01:03 0a:00:00
plug    stick 1-7
expect  stick reject "no network" "e0:01:03 (network card (RNDIS))"
