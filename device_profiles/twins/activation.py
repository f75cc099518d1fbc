# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What a reader learns of a contactless card before the first command. It activates nothing."""

from dataclasses import dataclass

ATQB_FIRST = b"\x50"


@dataclass(frozen=True, slots=True)
class Activation:
    """A card of type A: ATQA, SAK, UID and ATS (ISO/IEC 14443-3:2018, 6.5, and -4:2018, 5.2)."""

    atqa: bytes
    sak: int
    uid: bytes
    ats: bytes


@dataclass(frozen=True, slots=True)
class ActivationB:
    """A card of type B: PUPI (4 octets), application data (4) and protocol info (3) (ISO/IEC 14443-3:2018, 7.9)."""

    pupi: bytes
    application_data: bytes
    protocol_info: bytes

    @property
    def atqb(self) -> bytes:
        """Its answer to a request."""
        return ATQB_FIRST + self.pupi + self.application_data + self.protocol_info


Activated = Activation | ActivationB
