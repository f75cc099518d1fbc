# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""One PIN entry with the planted values over the shipped driver, and what a tracer says of it. Tests nothing itself."""

import io
from collections.abc import Callable

from device_profiles import catalog
from device_profiles.pinpad_load import load_pinpad
from device_profiles.serve.serial_tracer import SerialTracer
from device_profiles.twins.pinpad import PinpadTwin
from device_profiles.twins.pinpad_cardholder import Behaviour, Cardholder
from device_profiles.twins.pinpad_keys import PinpadKeys
from protocols.pan import Pan
from protocols.secret import Pin
from protocols.serial.framer import Event, PacketFramer
from terminal_agent.pad.ipp import open_pad
from terminal_agent.pad.port import PinEntered
from tests.secrets.planted import PAN, PIN
from tests.terminal_agent.line.twin_line import TwinLine
from tests.virtual_time import run
from tillguard.voice import Voice


def traced(words: Callable[[Event], str]) -> str:
    """The trace of a PIN entry whose tracer puts events into these words."""
    profile, load = catalog.pinpad("ipp-uic"), load_pinpad("test-bank")
    said = io.StringIO()
    tracer = SerialTracer("pad", PacketFramer, words, Voice("device-twin", out=said, err=said))

    async def main() -> None:
        keys = PinpadKeys(load)
        cardholder = Cardholder(Pin.from_text(PIN), Behaviour.RIGHT_PIN)
        line = TwinLine(PinpadTwin(profile, load, keys, keys, cardholder))
        driver = await open_pad(profile, line)
        assert isinstance(await driver.enter_pin(Pan(PAN), "EUR 42.00", 30.0), PinEntered)
        await driver.close()
        tracer(">", bytes(line.sent))
        tracer("<", bytes(line.said))

    run(main())
    return said.getvalue()
