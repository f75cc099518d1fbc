# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
story   A service stick before, in and after its window
policy  counter-till
at      2026-11-24T01:50:00+01:00
device  stick 0781:5567 "Cruzer Blade" "4C530001" 08:06:50
plug    stick 1-6
expect  stick block "service port"
disks   0
wait    900
expect  stick allow-interface "service stick" "service-window(service) holds"
disks   1
wait    7200
expect  stick block "service port"
disks   0
