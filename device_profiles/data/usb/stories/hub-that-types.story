# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0

story   A hub of the right model, at the right port, that also types
policy  counter-till
at      2026-11-23T10:00:00+01:00
device  hub 05e3:0608 "USB2.0 Hub" "" 09:00:00
device  evil 05e3:0608 "USB2.0 Hub" "" 09:00:00 03:01:01
plug    hub 1-2
expect  hub allow "payment hub" "all its interfaces are listed"
unplug  hub
plug    evil 1-2
expect  evil block implicit
inputs  0
