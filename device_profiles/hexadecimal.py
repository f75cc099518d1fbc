# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Octets as a profile writes them, in hexadecimal digits. Knows no profile and no secret: its errors quote nothing."""


def octets(text: str, what: str, least: int, most: int | None = None) -> bytes:
    """The octets; ``most`` is ``least`` where it is left out. ValueError says what of ``what`` is expected."""
    most = least if most is None else most
    try:
        value = bytes.fromhex(text)
    except ValueError:
        raise ValueError(f"{what}: hexadecimal digits expected") from None
    if not least <= len(value) <= most:
        count = f"{least}" if least == most else f"{least} to {most}"
        raise ValueError(f"{what}: {count} octet{'s' if most != 1 else ''} expected")
    return value
