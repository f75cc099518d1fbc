# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What went wrong on a connection, in words for a person. Opens none."""

import os
import socket
import ssl


def words_of(fault: Exception, patience_s: float) -> str:
    """A fault of a socket or of TLS; ``patience_s``: how long an answer was waited for."""
    if isinstance(fault, ssl.SSLCertVerificationError):
        return f"its certificate is refused: {fault.verify_message}"
    if isinstance(fault, ssl.SSLError):
        return f"TLS: {(fault.reason or 'refused').replace('_', ' ').lower()}"
    if isinstance(fault, TimeoutError):
        return f"no answer within {patience_s:g} s"
    if isinstance(fault, socket.gaierror):  # its number is not one of errno's
        return (fault.strerror or "no such host").lower()
    if isinstance(fault, OSError):
        return (os.strerror(fault.errno) if fault.errno else fault.strerror or type(fault).__name__).lower()
    return str(fault)
