# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""How head office reaches the broker: address and certificates, checked. Opens no connection."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from tillguard.exits import Exit
from tillguard.voice import Fault


@dataclass(frozen=True, slots=True)
class BrokerAccess:
    """A broker and the certificate that head office shows it. Always mutual TLS 1.3."""

    host: str
    port: int
    ca: Path
    certificate: Path
    key: Path

    @classmethod
    def of(cls, address: str, ca: Path, certificate: Path, key: Path) -> "BrokerAccess":
        """From ``host:port`` and three PEM files; raises :class:`Fault` with the cure."""
        host, _, port = address.rpartition(":")
        if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_536:
            raise Fault("--broker: HOST:PORT expected", "such as 127.0.0.1:8883", Exit.USAGE)
        for path in (ca, certificate, key):
            if not path.is_file():
                raise Fault(f"{path}: no such file", "TEST certificates: device-twin pki --dir DIR", Exit.USAGE)
        return cls(host.strip("[]"), int(port), ca, certificate, key)

    def tls_context(self) -> ssl.SSLContext:
        """TLS 1.3, the one authority, our certificate; raises :class:`Fault` where a file is unusable."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks certificate and name
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        try:
            context.load_verify_locations(self.ca)
            context.load_cert_chain(self.certificate, self.key)
        except OSError as fault:  # ssl.SSLError is one
            reason = getattr(fault, "reason", None) or fault.strerror or type(fault).__name__
            raise Fault(
                f"the certificates cannot be used: {reason}", "check --ca, --certificate and --key", Exit.USAGE
            ) from None
        return context
