# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Publishes payloads that were made beforehand, as fast as the broker takes them: one TLS connection a terminal.

Run as a process of its own: ``fleet_load.py PORT FOLDER``. FOLDER holds the certificates and ``load.pickle``, a list of
(terminal, topic, payloads). It ends when every publish was acknowledged, and prints how many were refused.
"""

import asyncio
import pickle
import ssl
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from protocols.mqtt.session import Acknowledged, ClientSession, Connected, Settings  # path above

WINDOW = 64


async def terminal(port: int, folder: Path, name: str, topic: str, payloads: list[bytes], go: asyncio.Event) -> int:
    """One terminal to its end; how many of its publishes were refused."""
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, limit=1 << 18)
    session = ClientSession(Settings(name, window=WINDOW, largest_packet=66_048))
    session.connect(0.0)
    writer.write(session.take_output())
    waiting, refused, left = list(reversed(payloads)), 0, len(payloads)
    while left:
        data = await reader.read(65_536)
        assert data, f"{name}: the broker ended the connection"
        for notice in session.receive(data, 0.0):
            if isinstance(notice, Connected):
                await go.wait()
            elif isinstance(notice, Acknowledged):
                left -= 1
                refused += notice.refused is not None
        while waiting and session.free:
            session.publish(topic, waiting.pop())
        writer.write(session.take_output())
    session.close()
    writer.write(session.take_output())
    writer.close()
    return refused


async def main() -> None:
    """All terminals; they begin together."""
    port, folder = int(sys.argv[1]), Path(sys.argv[2])
    load = pickle.loads((folder / "load.pickle").read_bytes())
    go = asyncio.Event()
    running = [asyncio.create_task(terminal(port, folder, *one, go)) for one in load]
    await asyncio.sleep(1.0)
    print("go", flush=True)
    go.set()
    print(sum(await asyncio.gather(*running)), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
