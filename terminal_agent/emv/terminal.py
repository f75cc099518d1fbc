# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the terminal is to a card: its place, abilities, limits and applications, as read from the profile. No state."""

from dataclasses import dataclass
from pathlib import Path

from protocols.currency import BY_NUMERIC
from protocols.emv.bits import Ttq
from terminal_agent.emv.contact_application import ContactApplication

KERNELS_BUILT = (3,)  # EMV Contactless Book B 2.10, table 3-6: kernel 3 is Visa's
LARGEST_AMOUNT = 999_999_999_999  # 9F02 is n 12

SUPPORTED_ONLINE_PIN = 0x40  # 9F33 octet 2 bit 7, EMV 4.4 Book 4, Annex A2
SUPPORTED_SIGNATURE = 0x20  # ibid., bit 6
SUPPORTED_NO_CVM = 0x08  # ibid., bit 4
GIVES_CASH = 0x80  # 9F40 octet 1 bit 8, ibid., Annex A3
SUPPORTED_PLAIN_PIN = 0x80  # ibid., bit 8
SUPPORTED_ENCIPHERED_PIN = 0x10  # ibid., bit 5
CDA_AND_DDA_AND_SDA = 0xC8  # 9F33 octet 3 bits 8, 7 and 4: whoever has CDA has the others (Book 4, 6.3.2)
CONTACT_BUILT = bytes(
    (
        0xE0,
        SUPPORTED_PLAIN_PIN | SUPPORTED_ONLINE_PIN | SUPPORTED_SIGNATURE | SUPPORTED_ENCIPHERED_PIN | SUPPORTED_NO_CVM,
        0x20 | CDA_AND_DDA_AND_SDA,
    )
)
"""9F33 as far as the contact machine is built."""


def _hexadecimal(text: str, octets: range, what: str) -> bytes:
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) not in octets or len(text) != 2 * len(value):
        least, most = 2 * octets[0], 2 * octets[-1]
        raise ValueError(f"{what}: {f'{least}' if least == most else f'{least} to {most}'} hexadecimal digits expected")
    return value


def _three_digits(text: str, what: str) -> bytes:
    if len(text) != 3 or not (text.isascii() and text.isdigit()):
        raise ValueError(f"{what}: three digits expected, such as '978'")
    return bytes.fromhex(f"0{text}")


@dataclass(frozen=True, slots=True)
class Combination:
    """One application that the terminal takes, the kernel for it and its limits in minor units of the currency.

    EMV Contactless Book B 2.10, 3.1: at or above ``transaction_limit`` no contactless payment, at or above
    ``cvm_limit`` the cardholder is verified, above ``floor_limit`` the payment goes online.
    """

    aid: str
    transaction_limit: int
    cvm_limit: int
    kernel: int = 3
    floor_limit: int = 0
    application_version: str = "0000"

    def __post_init__(self) -> None:
        _hexadecimal(self.aid, range(5, 17), "aid")
        _hexadecimal(self.application_version, range(2, 3), "application-version")
        if self.kernel not in KERNELS_BUILT:
            raise ValueError(f"kernel: {self.kernel} is not built, known: {', '.join(map(str, KERNELS_BUILT))}")
        for name in ("transaction_limit", "cvm_limit", "floor_limit"):
            if not 0 <= getattr(self, name) <= LARGEST_AMOUNT:
                raise ValueError(f"{name.replace('_', '-')}: 0 to {LARGEST_AMOUNT} minor units expected")

    @property
    def name(self) -> bytes:
        """The application identifier, or the beginning of one."""
        return bytes.fromhex(self.aid)


@dataclass(frozen=True, slots=True)
class ExceptionSettings:
    """``[emv.exceptions]``: the acquirer's list of stolen cards, and the key that its entries are made with.

    ``file`` holds an entry a line, 64 hexadecimal digits; ``key_file`` the key in hexadecimal digits. See
    :mod:`terminal_agent.emv.exception_file`.
    """

    file: Path
    key_file: Path


@dataclass(frozen=True, slots=True)
class EmvTerminal:
    """The profile's section ``[emv]``. Text fields are digits as the standards write them; limits are minor units."""

    country: str
    currency: str
    serial_number: str
    aids: tuple[Combination, ...]
    terminal_type: str = "22"
    capabilities: str = "E040C8"
    merchant_category: str = "0000"
    online_pin: bool = True
    signature: bool = False
    contact_chip: bool = False
    consumer_device_cvm: bool = False
    additional_capabilities: str = "6000F0A001"
    """9F40 (EMV 4.4 Book 4, Annex A3)."""
    offline_pin: bool = False
    """Whether the reader takes a PIN on keys of its own and hands it to the card in clear (PIN_DIRECT)."""
    enciphered_pin: bool = False
    """Whether the vault enciphers a PIN for the card."""
    cardholder_choice: bool = False
    """Whether the cardholder can be asked which application to use."""
    exceptions: ExceptionSettings | None = None
    ca_keys: tuple[str, ...] = ("tillguard-test",)
    """Lists of payment systems' keys: names among this package's, or paths of own files."""
    contact: tuple[ContactApplication, ...] = ()
    """What is taken at the contact interface; nothing where the list is empty."""
    trust_unproven_cdcvm: bool = False
    """Whether a phone's own word that it verified its holder is enough above the CVM limit (attack: flipped CTQ)."""

    def __post_init__(self) -> None:
        _three_digits(self.country, "country")
        _three_digits(self.currency, "currency")
        if int(self.currency) not in BY_NUMERIC:
            raise ValueError("currency: not a numeric code of ISO 4217, such as '978'")
        _hexadecimal(self.terminal_type, range(1, 2), "terminal-type")
        capabilities = _hexadecimal(self.capabilities, range(3, 4), "capabilities")
        if len(self.serial_number) != 8 or not (self.serial_number.isascii() and self.serial_number.isalnum()):
            raise ValueError("serial-number: eight letters or digits expected")
        if len(self.merchant_category) != 4 or not (
            self.merchant_category.isascii() and self.merchant_category.isdigit()
        ):
            raise ValueError("merchant-category: four digits expected")
        if self.online_pin and not capabilities[1] & SUPPORTED_ONLINE_PIN:
            raise ValueError("capabilities: online-pin is on, but octet 2 bit 7 (enciphered PIN online) is not set")
        if self.signature and not capabilities[1] & SUPPORTED_SIGNATURE:
            raise ValueError("capabilities: signature is on, but octet 2 bit 6 (signature) is not set")
        for on, bit, name, words in (
            (self.offline_pin, SUPPORTED_PLAIN_PIN, "offline-pin", "bit 8 (PIN in clear, checked by the card)"),
            (self.enciphered_pin, SUPPORTED_ENCIPHERED_PIN, "enciphered-pin", "bit 5 (enciphered PIN, offline)"),
        ):
            if on and not capabilities[1] & bit:
                raise ValueError(f"capabilities: {name} is on, but octet 2 {words} is not set")
        if not self.aids:
            raise ValueError("aids: at least one application expected")
        for name, listed in (("aids", self.aids), ("contact", self.contact)):
            if len({application.aid.upper() for application in listed}) != len(listed):
                raise ValueError(f"{name}: an application is listed twice")
        _hexadecimal(self.additional_capabilities, range(5, 6), "additional-capabilities")

    @property
    def country_octets(self) -> bytes:
        """9F1A."""
        return _three_digits(self.country, "country")

    @property
    def contact_capabilities(self) -> bytes:
        """9F33 at the contact interface: of what the profile claims, what the contact machine can do."""
        claimed = bytes.fromhex(self.capabilities)
        octets = bytearray(have & built for have, built in zip(claimed, CONTACT_BUILT, strict=True))
        if not self.online_pin:
            octets[1] &= ~SUPPORTED_ONLINE_PIN & 0xFF
        if not self.signature:
            octets[1] &= ~SUPPORTED_SIGNATURE & 0xFF
        if not self.offline_pin:
            octets[1] &= ~SUPPORTED_PLAIN_PIN & 0xFF
        if not self.enciphered_pin:
            octets[1] &= ~SUPPORTED_ENCIPHERED_PIN & 0xFF
        return bytes(octets)

    @property
    def code_tables(self) -> frozenset[int]:
        """The parts of ISO/IEC 8859, 1 to 10, that its screens show (9F40 octets 4 and 5, Book 4, Annex A3)."""
        claimed = int.from_bytes(bytes.fromhex(self.additional_capabilities)[3:], "big")
        return frozenset(part for part in range(1, 11) if claimed >> (part - 1) & 1)

    @property
    def unattended(self) -> bool:
        """Whether no merchant stands beside the terminal (9F35, Book 4, Annex A1)."""
        return self.terminal_type[1] in "456"

    @property
    def cash_machine(self) -> bool:
        """Whether it is an unattended terminal of a financial institution that gives cash (ibid.)."""
        cash = bytes.fromhex(self.additional_capabilities)[0] & GIVES_CASH
        return self.terminal_type in ("14", "15", "16") and bool(cash)

    @property
    def can_go_online(self) -> bool:
        """Whether an acquirer can be asked at all (ibid.)."""
        return self.terminal_type[1] not in "36"

    @property
    def qualifiers(self) -> Ttq:
        """9F66 without the two bits that each payment sets (Contactless Book C-3 2.10, Annex A)."""
        parts = (
            (True, Ttq.EMV_MODE),
            (self.contact_chip, Ttq.CONTACT_CHIP),
            (self.online_pin, Ttq.ONLINE_PIN),
            (self.signature, Ttq.SIGNATURE),
            (self.consumer_device_cvm, Ttq.CONSUMER_DEVICE_CVM),
        )
        return Ttq(sum(bit for wanted, bit in parts if wanted))
