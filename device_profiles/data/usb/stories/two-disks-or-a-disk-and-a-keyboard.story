# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
story   A rule for two disks does not let a disk and a keyboard in
rule    allow with-interface { 08:06:50 08:06:50 } label "two disks"
rule    block label "the rest"
at      2026-11-23T10:00:00+01:00
device  disks 0781:5567 "Card reader" "" 08:06:50 08:06:50
device  evil 0781:5567 "Card reader" "" 08:06:50 03:01:01
plug    disks 1-1
expect  disks allow "two disks"
unplug  disks
plug    evil 1-1
expect  evil block "the rest"
inputs  0
