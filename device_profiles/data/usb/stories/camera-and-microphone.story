# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
story   A headset and a camera: ears and eyes
rule    block with-interface one-of { 01:*:* 0e:*:* } label "no ears, no eyes"
rule    allow id 046d:* label "anything of that maker"
at      2026-11-23T10:00:00+01:00
device  headset 046d:0a44 "Headset" "" 01:01:00 01:02:00 03:00:00
device  camera 046d:0825 "Webcam" "" 0e:01:00|0e:02:00 01:01:00
device  mouse 046d:c077 "Mouse" "" 03:01:02
plug    headset 1-1
expect  headset block "no ears, no eyes" "audio"
plug    camera 1-2
expect  camera block "no ears, no eyes"
plug    mouse 1-3
expect  mouse allow "anything of that maker"
