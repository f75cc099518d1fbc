# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""An asyncio server that answers every frame with fixed octets: what the event loop and TCP alone cost. No HSM.

python -m tests.bench.hsm_floor ANSWER    the framed answer in hexadecimal; prints the port
"""

import asyncio
import sys
from typing import cast


class Floor(asyncio.Protocol):
    """Reassembles frames of two length octets and answers each."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._held = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        held = self._held
        held += data
        place = count = 0
        while len(held) - place >= 2:
            end = place + 2 + (held[place] << 8 | held[place + 1])
            if end > len(held):
                break
            place, count = end, count + 1
        del held[:place]
        self._transport.write(self._answer * count)


async def main() -> None:
    """Serve until killed."""
    answer = bytes.fromhex(sys.argv[1])
    server = await asyncio.get_running_loop().create_server(lambda: Floor(answer), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
