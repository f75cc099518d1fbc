# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""An asyncio server that sends every whole frame back: what the event loop and TCP alone cost. No HSM.

    python -m tests.bench.hsm_floor asyncio|uvloop    prints the port

It reads as our server does, all connections into one buffer, and frames as it does; that is all that they have in
common, and everything that a server of this protocol must do.
"""

import asyncio
import sys
from typing import cast

READ_OCTETS = 1 << 16


class Floor(asyncio.BufferedProtocol):
    """Reassembles frames of two length octets and sends them back."""

    def __init__(self, inbox: memoryview) -> None:
        self._inbox = inbox
        self._held = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._inbox

    def buffer_updated(self, nbytes: int) -> None:
        held = self._held
        held += self._inbox[:nbytes]
        place = 0
        while len(held) - place >= 2:
            end = place + 2 + (held[place] << 8 | held[place + 1])
            if end > len(held):
                break
            place = end
        if place:
            self._transport.write(bytes(held[:place]))
            del held[:place]


async def main() -> None:
    """Serve until killed."""
    inbox = memoryview(bytearray(READ_OCTETS))
    server = await asyncio.get_running_loop().create_server(lambda: Floor(inbox), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    if sys.argv[1] == "uvloop":
        import uvloop

        uvloop.run(main())
    else:
        asyncio.run(main())
