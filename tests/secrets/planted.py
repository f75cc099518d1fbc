# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Marked values that flow tests plant: a PAN, a PIN and keys that occur nowhere else, so that a find is a leak.

They are made from a published sentence, so they protect nothing. They must not be written below the suite's own
folder: profiles that hold them go to :func:`tests.secrets.twins.planted_profiles`, which is a folder apart.
"""

import hashlib

from tests.secrets.scanner import Marked


def planted_key(name: str) -> bytes:
    """A double-length TDES key with odd parity."""
    octets = hashlib.sha256(f"tillguard planted {name}".encode()).digest()[:16]
    return bytes(octet & 0xFE | (bin(octet >> 1).count("1") + 1) % 2 for octet in octets)


PAN = "4000007391846208"
PIN = "860415397264"
KEYS = {name: planted_key(name) for name in ("BDK", "TMK-MAC", "ZPK", "PVK", "MK-AC", "BDK-DATA")}

INITIAL_KSN = "FFFF9876543210E00000"
DATA_KSN = "FFFFDA7A000002000000"


def clear_pin_block() -> bytes:
    """The PIN in format 0 before it is enciphered (ISO 9564-1:2017, 9.3.2): PIN field and account field, added."""
    pin_field = bytes.fromhex(f"0{len(PIN):X}{PIN}".ljust(16, "F"))
    account_field = bytes.fromhex(PAN[:-1][-12:].rjust(16, "0"))
    return bytes(left ^ right for left, right in zip(pin_field, account_field, strict=True))


DERIVED = {
    "IPEK": bytes.fromhex("F16D9E25EEECC341E156BE29B5440157"),
    "data IPEK": bytes.fromhex("6FFC50E026F1DCFB3AAE2C85AC995BB4"),
    "card": bytes.fromhex("E6E5EADC2CE37FE63BB379FEF1C8B349"),
}
"""What pad, vault and card hold in place of the bank's keys: initial keys, and the card's key for cryptograms."""

PLANTED = (
    Marked.digits("PAN", PAN),
    Marked.digits("PAN without two digits", PAN[2:]),  # as issuers' HSM commands take it
    Marked.digits("account number", PAN[:-1][-12:]),  # as PIN blocks and PIN commands take it
    Marked.digits("PIN", PIN),
    Marked.block("clear PIN block", clear_pin_block()),
    *(Marked.octets(f"key {name}", value) for name, value in (KEYS | DERIVED).items()),
)
