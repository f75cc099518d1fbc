# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A TCP connection as a bare socket, on which nothing was said: it may be handed to another process. No TLS."""

import asyncio
import socket


async def dialled(host: str, port: int) -> socket.socket:
    """The first address of ``host`` that answers; raises :class:`OSError` of the first that did not."""
    loop = asyncio.get_running_loop()
    first: OSError | None = None
    for family, kind, protocol, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        line = socket.socket(family, kind, protocol)
        try:
            line.setblocking(False)
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_connect(line, address)
        except OSError as fault:
            line.close()
            first = first or fault
        except BaseException:
            line.close()
            raise
        else:
            return line
    raise first or OSError("the name has no address")
