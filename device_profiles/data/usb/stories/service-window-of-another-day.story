# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
story   The window is on Tuesdays; this is a Monday
policy  counter-till
at      2026-11-23T02:30:00+01:00
device  stick 0781:5567 "Cruzer Blade" "4C530001" 08:06:50
plug    stick 1-6
expect  stick block "service port"
