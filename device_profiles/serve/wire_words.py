# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Chooses, by the profile of a serial device, what tells its wire in redacted words. Reads no wire itself."""

from typing import TYPE_CHECKING

from device_profiles.model import AbecsProfile, PadProfile, ReaderProfile, ReaderProtocol
from device_profiles.serve.pty import Watcher
from device_profiles.serve.serial_tracer import SerialTracer
from tillguard.exits import Exit
from tillguard.voice import Fault, Voice

if TYPE_CHECKING:
    from device_profiles.twins.abecs_pad import AbecsPadTwin


def reader_words(profile: ReaderProfile, voice: Voice) -> Watcher:
    """What tells a reader's wire; :class:`Fault` for a reader that is on none."""
    if profile.protocol is ReaderProtocol.PN532:
        from protocols.serial import pn532
        from protocols.serial.pn532_codec import redacted_event

        return SerialTracer[pn532.Event]("reader", pn532.FrameFramer, redacted_event, voice)
    if profile.protocol is ReaderProtocol.VIVOTECH2:
        from device_profiles.serve.vivotech2_tracer import Vivotech2Tracer

        return Vivotech2Tracer(profile.vivotech2.crc_high_first, voice)
    if profile.protocol is ReaderProtocol.SWIPE:
        return lambda direction, octets: voice.tell(f"reader {direction} {len(octets)} octets") if octets else None
    raise Fault(f"{profile.model} is no reader on a serial line", "name one that has a [line]", Exit.USAGE)


def pad_words(profile: PadProfile, voice: Voice, pad: "AbecsPadTwin | None" = None) -> Watcher:
    """What tells a PIN pad's wire; an enciphered session only with the ``pad`` whose session it is."""
    if isinstance(profile, AbecsProfile):
        from protocols.serial import abecs
        from protocols.serial.abecs_messages import redacted_command, redacted_response

        def readable(event: abecs.Event) -> abecs.Event:
            return event if pad is None else pad.readable(event)

        return SerialTracer[abecs.Event](
            "pad",
            abecs.PacketFramer,
            lambda event: redacted_command(readable(event)),
            voice,
            lambda event: redacted_response(readable(event)),
        )
    from protocols.serial.framer import Event, PacketFramer
    from protocols.serial.ipp_codec import redacted_event

    longest = profile.dialect.longest_packet
    return SerialTracer[Event]("pad", lambda: PacketFramer(longest), redacted_event, voice)
