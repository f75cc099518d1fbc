# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
story   A phone is plugged in to charge
policy  tablet-dock
at      2026-11-23T10:00:00+01:00
device  upper 2109:2817 "USB2.0 Hub" "" 09:00:00
device  lower 2109:2817 "USB2.0 Hub" "" 09:00:00
device  phone 18d1:4ee1 "Pixel" "0A1B2C3D" 06:01:01
plug    upper 1-1
plug    lower 1-1.4
plug    phone 1-1.4.2
expect  phone block "charging only" "at port 1-1.4.2"
live    phone -
