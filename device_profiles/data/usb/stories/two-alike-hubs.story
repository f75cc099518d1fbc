# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
story   A dock has two hubs that nobody can tell apart but by their ports
policy  tablet-dock
at      2026-11-23T10:00:00+01:00
device  upper 2109:2817 "USB2.0 Hub" "" 09:00:00
device  lower 2109:2817 "USB2.0 Hub" "" 09:00:00
device  third 2109:2817 "USB2.0 Hub" "" 09:00:00
plug    upper 1-1
expect  upper allow "dock hubs"
plug    lower 1-1.4
expect  lower allow "dock hubs"
plug    third 1-3
expect  third block implicit
