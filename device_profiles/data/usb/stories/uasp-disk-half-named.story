# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
story   The second setting of an interface is not named, so the interface stays dead
ports   service 1-6
rule    allow-interface via-role "service" with-interface 08:06:50 label "service disk"
at      2026-11-23T10:00:00+01:00
device  disk 174c:55aa "ASM105x" "0123" 08:06:50|03:01:01
plug    disk 1-6
expect  disk allow-interface "service disk" "without a driver"
live    disk -
inputs  0
