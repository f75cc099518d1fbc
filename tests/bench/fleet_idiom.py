# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The ingest as one would write it with aiomqtt: a loop, json, a signature, a row, a commit. Ours is held against it.

Run as a process of its own: ``fleet_idiom.py PORT FOLDER COUNT``. It prints ``ready``, and at the end wall and
processor seconds from the first message to the last commit. aiomqtt acknowledges on arrival: whatever it has not
committed when it dies is lost, which is why this is a measure of speed only.
"""

import asyncio
import json
import sqlite3
import sys
import time
from pathlib import Path

import aiomqtt

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from protocols.telemetry.batch import CONTEXT, read_batch  # path above
from protocols.telemetry.keys import PublicKey, from_certificate


async def main(port: int, folder: Path, count: int, keys: dict[str, PublicKey]) -> None:
    """Take COUNT messages."""
    database = sqlite3.connect(folder / "idiom.db")
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE reports (terminal, boot, seq, octets, UNIQUE (terminal, boot, seq))")
    context = aiomqtt.TLSParameters(
        str(folder / "ca.pem"), str(folder / "head-office.pem"), str(folder / "head-office.key")
    )
    version = aiomqtt.ProtocolVersion.V5
    async with aiomqtt.Client("127.0.0.1", port, protocol=version, identifier="idiom", tls_params=context) as client:
        await client.subscribe("pos/v1/#", qos=1)
        print("ready", flush=True)
        wall = processor = 0.0
        taken = 0
        async for message in client.messages:
            if not taken:
                wall, processor = time.perf_counter(), time.process_time()
            assert isinstance(message.payload, bytes)
            sealed = read_batch(message.payload)
            report = json.loads(sealed.body)
            assert keys[report["terminal"]].signed(sealed, CONTEXT)
            row = (report["terminal"], report["boot"], report["seq"], sealed.body)
            database.execute("INSERT INTO reports VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", row)
            database.commit()
            taken += 1
            if taken == count:
                break
        print(time.perf_counter() - wall, time.process_time() - processor, flush=True)


if __name__ == "__main__":
    place = Path(sys.argv[2])
    known = {path.stem: from_certificate(path.read_bytes(), path.stem) for path in place.glob("TG*.pem")}
    asyncio.run(main(int(sys.argv[1]), place, int(sys.argv[3]), known))
