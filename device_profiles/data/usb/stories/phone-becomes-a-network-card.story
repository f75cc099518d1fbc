# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
story   A phone that may charge turns into a network card
policy  tablet-dock
rule    reject with-interface one-of { 02:06:* e0:01:03 ef:04:01 } label "no network"
at      2026-11-23T10:00:00+01:00
device  upper 2109:2817 "USB2.0 Hub" "" 09:00:00
device  lower 2109:2817 "USB2.0 Hub" "" 09:00:00
device  phone 18d1:4ee1 "Pixel" "0A1B2C3D" 06:01:01
device  tether 18d1:4ee3 "Pixel" "0A1B2C3D" e0:01:03 0a:00:00
plug    upper 1-1
plug    lower 1-1.4
plug    phone 1-1.4.2
expect  phone block "charging only"
change  phone tether
expect  phone reject "no network" "network card (RNDIS)"
