# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The TLS of a server that knows its clients by certificate. Opens no socket."""

import ssl
from pathlib import Path

from tillguard.exits import Exit
from tillguard.voice import Fault


def server_context(ca: Path, certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS 1.3 that lets in only who shows a client certificate of ``ca``; raises :class:`Fault` with the cure."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_verify_locations(ca)
        context.load_cert_chain(certificate, key)
    except OSError as fault:  # ssl.SSLError is one; its text may quote the file's
        reason = getattr(fault, "reason", None) or fault.strerror or type(fault).__name__
        raise Fault(
            f"the certificates cannot be used: {reason}", "check --ca, --certificate and --key", Exit.USAGE
        ) from None
    return context
