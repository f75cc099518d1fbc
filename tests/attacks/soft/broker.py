# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A broker that lacks an access list: mosquitto as many run it, every certificate welcome, messages retained.

Its configuration is the shipped one with those lines replaced, so TLS and certificates are as in the hardened target.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from device_profiles.serve import mosquitto
from tests.brokers import Pki

_REPLACED = {"acl_file ": "", "retain_available false": "retain_available true"}


@asynccontextmanager
async def open_broker(folder: Path, pki: Pki, said: Callable[[str], None]) -> AsyncIterator[int]:
    """The port of such a broker."""
    port = mosquitto.free_port()
    files = (pki.ca, pki.certificate("broker"), pki.key("broker"))
    settings = mosquitto.configuration(folder, port, *files, verbose=True)
    kept = settings.read_text().splitlines()
    for beginning, instead in _REPLACED.items():
        assert any(line.startswith(beginning) for line in kept), f"the configuration has no line {beginning}"
        kept = [instead if line.startswith(beginning) else line for line in kept]
    settings.write_text("\n".join(kept) + "\n")
    child = await mosquitto.Mosquitto.start(mosquitto.must_find(), settings, said)
    try:
        await child.ready(port)
        yield port
    finally:
        await child.stop()
