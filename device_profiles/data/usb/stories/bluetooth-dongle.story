# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
story   A Bluetooth stick in a ticket machine
policy  unattended-kiosk
at      2026-11-23T10:00:00+01:00
device  radio 0a12:0001 "CSR8510 A10" "" e0:01:01
plug    radio 1-5
expect  radio reject "no network and no radio" "Bluetooth controller"
