# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
story   A till that may be served from ten at night until six, local time
rule    allow id 0781:5567 if localtime(22:00-06:00) label "night"
rule    block label "day"
at      2026-11-23T21:59:00+01:00
device  stick 0781:5567 "Cruzer Blade" "4C530001" 08:06:50
plug    stick 1-6
expect  stick block day
wait    120
expect  stick allow night
wait    28700
expect  stick allow night
wait    240
expect  stick block day
