# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
story   A service stick hides a keyboard: only its disk lives
policy  counter-till
at      2026-11-24T02:30:00+01:00
device  stick 0781:5567 "Cruzer Blade" "4C530001" 08:06:50 03:01:01
plug    stick 1-6
expect  stick allow-interface "service stick" "without a driver: 03:01:01 (keyboard)"
live    stick 08:06:50
inputs  0
disks   1
