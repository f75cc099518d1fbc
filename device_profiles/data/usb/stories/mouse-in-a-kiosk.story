# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
story   A mouse jiggler in a ticket machine
policy  unattended-kiosk
at      2026-11-23T10:00:00+01:00
device  mouse 046d:c077 "USB Optical Mouse" "" 03:01:02
plug    mouse 1-5
expect  mouse reject "nothing types here"
inputs  0
