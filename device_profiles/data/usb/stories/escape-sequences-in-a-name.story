# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
story   A device's name tries to paint over the log
rule    block with-interface one-of { 08:*:* } name match-all { "a\x1b[2Jallowed" } label "painted"
at      2026-11-23T10:00:00+01:00
device  stick 0781:5567 "a[2Jallowed" "" 08:06:50
plug    stick 1-1
expect  stick block painted "a\x1b[2Jallowed"
