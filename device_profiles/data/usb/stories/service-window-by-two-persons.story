# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
story   Head office opens the window for half an hour
policy  counter-till
at      2026-11-23T10:00:00+01:00
device  stick 0781:5567 "Cruzer Blade" "4C530001" 08:06:50
plug    stick 1-6
expect  stick block "service port"
open    service 30
expect  stick allow-interface "service stick"
wait    1801
expect  stick block "service port"
disks   0
