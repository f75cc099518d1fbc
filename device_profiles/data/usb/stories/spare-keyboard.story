# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
story   A spare keyboard serves only while the first is away
policy  counter-till
at      2026-11-23T10:00:00+01:00
device  kbd 046d:c31c "USB Keyboard" "" 03:01:01 03:00:00
device  spare 046d:c31c "USB Keyboard" "" 03:01:01 03:00:00
plug    kbd 1-4
plug    spare 1-5
expect  spare block implicit
unplug  kbd
unplug  spare
plug    spare 1-5
expect  spare allow "spare keyboard"
