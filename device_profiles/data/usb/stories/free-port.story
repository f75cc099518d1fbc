# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
story   Anything at all in a free port of a self-checkout
policy  self-checkout
at      2026-11-23T10:00:00+01:00
device  reader 072f:90cc "CCID USB Reader" "" 0b:00:00
plug    reader 1-7
expect  reader reject "free ports" "its port is hotplug"
