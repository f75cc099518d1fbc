# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the settings of an application have in common at both interfaces, and how they are checked. Decides nothing."""

from protocols.emv.bits import Tvr

LARGEST_AMOUNT = 999_999_999_999  # 9F02 is n 12
AID_OCTETS = range(5, 17)  # ISO/IEC 7816-4:2020, 12.2.3
VERSION_OCTETS = range(2, 3)  # 9F09
TVR_OCTETS = range(5, 6)


def hexadecimal(text: str, octets: range, what: str) -> bytes:
    """A setting's octets; ValueError where they are none, or not as many as ``octets`` allows."""
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) not in octets or len(text) != 2 * len(value):
        least, most = 2 * octets[0], 2 * octets[-1]
        raise ValueError(f"{what}: {f'{least}' if least == most else f'{least} to {most}'} hexadecimal digits expected")
    return value


class ApplicationSettings:
    """Name, version and the acquirer's action codes (EMV 4.4 Book 4, 10.2, table 6) of an application of the terminal.

    Its fields are those of the settings that derive from it; each has defaults of its own.
    """

    __slots__ = ()
    aid: str
    application_version: str
    tac_denial: str
    tac_online: str
    tac_default: str

    def check(self, *amounts: str) -> None:
        """ValueError where a setting that both interfaces have is none, or one of the named ``amounts``."""
        hexadecimal(self.aid, AID_OCTETS, "aid")
        hexadecimal(self.application_version, VERSION_OCTETS, "application-version")
        for name in ("tac_denial", "tac_online", "tac_default"):
            hexadecimal(getattr(self, name), TVR_OCTETS, _spoken(name))
        for name in amounts:
            if not 0 <= getattr(self, name) <= LARGEST_AMOUNT:
                raise ValueError(f"{_spoken(name)}: 0 to {LARGEST_AMOUNT} minor units expected")

    @property
    def name(self) -> bytes:
        """The application identifier, or the beginning of one."""
        return bytes.fromhex(self.aid)

    @property
    def denial(self) -> Tvr:
        """The acquirer's findings that decline at once."""
        return Tvr.decode(bytes.fromhex(self.tac_denial))

    @property
    def online(self) -> Tvr:
        """The acquirer's findings that send a payment online."""
        return Tvr.decode(bytes.fromhex(self.tac_online))

    @property
    def default(self) -> Tvr:
        """The acquirer's findings that decline what cannot go online."""
        return Tvr.decode(bytes.fromhex(self.tac_default))


def _spoken(name: str) -> str:
    return name.replace("_", "-")
