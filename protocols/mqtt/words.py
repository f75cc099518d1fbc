# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""MQTT packets in words, for traces and errors. Shows types, topics, reasons and sizes; never a payload."""

import mqtt5
from mqtt5 import Packet

LONGEST = 128  # characters of a peer's text that a line of trace shows


def code(name: str) -> str:
    """A reason code's name as a person reads it."""
    return name.replace("_", " ").lower()


def plain(text: str) -> str:
    """A peer's text made fit for one line: printable, bounded."""
    return "".join(character if character.isprintable() else "?" for character in text[:LONGEST])


def describe(packet: Packet) -> str:
    """A packet in words."""
    name = type(packet).__name__.removesuffix("Packet").upper()
    match packet:
        case mqtt5.ConnectPacket():
            return f"{name} {plain(packet.client_id)}"
        case mqtt5.PublishPacket():
            return f"{name} {plain(packet.topic)}, QoS {int(packet.qos)}, payload of {len(packet.payload)} octets"
        case mqtt5.SubscribePacket():
            return f"{name} {', '.join(plain(option.pattern) for option in packet.topic_filters)}"
        case mqtt5.ConnAckPacket() | mqtt5.PubAckPacket() | mqtt5.DisconnectPacket():
            return f"{name} {code(packet.reason_code.name)}"
        case mqtt5.SubAckPacket():
            return f"{name} {', '.join(code(each.name) for each in packet.reason_codes)}"
        case _:
            return name
