# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""HOST:PORT as a person writes it. Resolves no name, connects to nothing."""

PORTS = range(1, 1 << 16)  # TCP, RFC 9293, 3.1; port 0 is no place to connect to
LONGEST_NAME = 253  # of a host, and of one of its labels: RFC 1035, 2.3.4
LONGEST_LABEL = 63


def host_port(text: str) -> tuple[str, int]:
    """Host and port, the host of IPv6 without its brackets (RFC 3986, 3.2.2); :class:`ValueError` for anything else."""
    host, _, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not _is_host(bare) or (":" in bare and bare == host):
        raise ValueError("HOST:PORT expected, an IPv6 host in brackets")
    if not (port.isascii() and port.isdigit() and len(port) <= len(str(PORTS.stop)) and int(port) in PORTS):
        raise ValueError(f"HOST:PORT expected, the port {PORTS.start} to {PORTS.stop - 1}")
    return bare, int(port)


def _is_host(text: str) -> bool:
    """Whether a resolver could be asked for it at all."""
    try:
        name = text if text.isascii() else text.encode("idna").decode("ascii")
    except UnicodeError:
        return False
    labels = name.removesuffix(".").split(".")
    shaped = all(1 <= len(label) <= LONGEST_LABEL for label in labels) and len(name) <= LONGEST_NAME
    return shaped and text.isprintable() and " " not in text
