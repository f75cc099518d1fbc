# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The key that this terminal's reports are signed with, and head office's for receipts, from files. Keeps neither."""

from protocols.errors import DecodeError
from protocols.telemetry.keys import PublicKey, from_public_pem, signer_from_pem
from protocols.telemetry.seal import Signer
from terminal_agent.report.settings import ReportError, ReportSettings


def report_keys(settings: ReportSettings) -> tuple[Signer, PublicKey | None]:
    """Read anew for each connection, as TLS does its files; :class:`ReportError` where one is unusable."""
    try:
        signer = signer_from_pem(settings.key.read_bytes(), str(settings.key))
        named = settings.receipt_key
        return signer, from_public_pem(named.read_bytes(), str(named)) if named is not None else None
    except OSError as fault:
        what = fault.strerror or type(fault).__name__
        raise ReportError(
            f"report certificates: {what}", "check key and receipt-key in the profile's [report]"
        ) from None
    except DecodeError as fault:
        raise ReportError(f"report keys: {fault}", "check key and receipt-key in the profile's [report]") from None
