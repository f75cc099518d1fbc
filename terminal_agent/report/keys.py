# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The key that this terminal's reports are signed with, and head office's for receipts, from files. Keeps neither."""

from collections.abc import Callable
from datetime import UTC, datetime

from protocols.errors import DecodeError
from protocols.telemetry.keys import ENCIPHERED, PublicKey, from_public_pem, signer_from_pem, valid_ms
from protocols.telemetry.seal import Signer
from terminal_agent.report.settings import ReportError, ReportSettings

Keys = Callable[[ReportSettings], tuple[Signer, PublicKey | None]]
"""What signs this terminal's reports, and head office's key for receipts; raises :class:`ReportError`."""


def report_keys(
    settings: ReportSettings, passphrase: Callable[[], bytes | None] = lambda: None
) -> tuple[Signer, PublicKey | None]:
    """Read anew for each connection, as TLS does its files; :class:`ReportError` where one is unusable.

    ``passphrase``: of an enciphered key; asked for only where the key is.
    """
    try:
        octets = settings.key.read_bytes()
        opened = passphrase() if octets.startswith(ENCIPHERED) else None
        signer = signer_from_pem(octets, str(settings.key), opened)
        named = settings.receipt_key
        return signer, from_public_pem(named.read_bytes(), str(named)) if named is not None else None
    except OSError as fault:
        what = fault.strerror or type(fault).__name__
        raise ReportError(
            f"report certificates: {what}", "check key and receipt-key in the profile's [report]"
        ) from None
    except DecodeError as fault:
        raise ReportError(f"report keys: {fault}", "check key and receipt-key in the profile's [report]") from None


def explained(fault: Exception, settings: ReportSettings, at_ms: int) -> str:
    """A fault of the connection in words; with it, where that is so, that this terminal's certificate is out of date.

    A broker that refuses a certificate says so to nobody but its own log.
    """
    words = str(fault) or type(fault).__name__
    try:
        since_ms, until_ms = valid_ms(settings.certificate.read_bytes(), str(settings.certificate))
    except (OSError, DecodeError):
        return words
    if since_ms <= at_ms <= until_ms:
        return words
    what = "is not valid yet" if at_ms < since_ms else "has expired"
    moment = f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"
    return f"this terminal's certificate {what}, by its time {moment}: renew it or set the clock; {words}"
