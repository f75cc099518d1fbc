# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
story   A replacement stick is excepted for an hour, and not a second longer
policy  counter-till
at      2026-11-23T10:00:00+01:00
device  stick 0951:1666 "DataTraveler" "60A4" 08:06:50
plug    stick 1-6
expect  stick block "service port"
grant   ticket-4711 60 allow-interface id 0951:1666 serial "60A4" with-interface 08:06:50 label "stick"
expect  stick allow-interface "exception ticket-4711, stick"
disks   1
wait    3599
disks   1
wait    1
expect  stick block "service port"
disks   0
