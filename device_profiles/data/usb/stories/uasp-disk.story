# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
story   A fast disk has two settings in one interface; the rule names both
ports   service 1-6
rule    allow-interface via-role "service" with-interface one-of { 08:06:50 08:06:62 } with-storage read-only label "service disk"
at      2026-11-23T10:00:00+01:00
device  disk 174c:55aa "ASM105x" "0123" 08:06:50|08:06:62
plug    disk 1-6
expect  disk allow-interface "service disk" "its storage can only be read"
live    disk 08:06:50 08:06:62
