# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the terminal is to a card: its place, abilities, limits and applications, as read from the profile. No state."""

from dataclasses import dataclass, field
from pathlib import Path

from protocols.currency import BY_NUMERIC
from protocols.emv.bits import Ttq
from terminal_agent.emv.application_settings import hexadecimal
from terminal_agent.emv.combination import Combination
from terminal_agent.emv.contact_application import ContactApplication
from terminal_agent.emv.relay import RelayTimes

SUPPORTED_ONLINE_PIN = 0x40  # 9F33 octet 2 bit 7, EMV 4.4 Book 4, Annex A2
SUPPORTED_SIGNATURE = 0x20  # ibid., bit 6
SUPPORTED_NO_CVM = 0x08  # ibid., bit 4
GIVES_CASH = 0x80  # 9F40 octet 1 bit 8, ibid., Annex A3
SUPPORTED_PLAIN_PIN = 0x80  # ibid., bit 8
SUPPORTED_ENCIPHERED_PIN = 0x10  # ibid., bit 5
CDA = 0x08  # 9F33 octet 3 bit 4
CDA_AND_DDA_AND_SDA = 0xC8  # 9F33 octet 3 bits 8, 7 and 4: whoever has CDA has the others (Book 4, 6.3.2)
CONTACT_BUILT = bytes(
    (
        0xE0,
        SUPPORTED_PLAIN_PIN | SUPPORTED_ONLINE_PIN | SUPPORTED_SIGNATURE | SUPPORTED_ENCIPHERED_PIN | SUPPORTED_NO_CVM,
        0x20 | CDA_AND_DDA_AND_SDA,
    )
)
"""9F33 as far as the contact machine is built."""


def _three_digits(text: str, what: str) -> bytes:
    if len(text) != 3 or not (text.isascii() and text.isdigit()):
        raise ValueError(f"{what}: three digits expected, such as '978'")
    return bytes.fromhex(f"0{text}")


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
    signed_online: bool = False
    """Whether kernel 3 asks for the card's signature online as well: a phone's word is then proven, not believed."""
    signed_number_is_enough: bool = False
    """Whether a card whose signature covers the unpredictable number alone may be approved offline (house rule)."""
    relay_resistance: bool = False
    """Whether kernel 2 measures how fast a card answers; the reader must be one whose times are known."""
    relay: RelayTimes = field(default_factory=RelayTimes)

    def __post_init__(self) -> None:
        _three_digits(self.country, "country")
        _three_digits(self.currency, "currency")
        if int(self.currency) not in BY_NUMERIC:
            raise ValueError("currency: not a numeric code of ISO 4217, such as '978'")
        hexadecimal(self.terminal_type, range(1, 2), "terminal-type")
        capabilities = hexadecimal(self.capabilities, range(3, 4), "capabilities")
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
        hexadecimal(self.additional_capabilities, range(5, 6), "additional-capabilities")

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

    def contactless_capabilities(self, *, cvm_required: bool) -> bytes:
        """9F33 as kernel 2 shows it: methods for amounts from the CVM limit on, or none (Book C-2, CVM Capability)."""
        methods = SUPPORTED_ONLINE_PIN * self.online_pin | SUPPORTED_SIGNATURE * self.signature
        return bytes((bytes.fromhex(self.capabilities)[0], methods if cvm_required else SUPPORTED_NO_CVM, CDA))

    @property
    def qualifiers(self) -> Ttq:
        """9F66 without the two bits that each payment sets (Contactless Book C-3 2.10, Annex A)."""
        parts = (
            (True, Ttq.EMV_MODE),
            (self.contact_chip, Ttq.CONTACT_CHIP),
            (self.online_pin, Ttq.ONLINE_PIN),
            (self.signature, Ttq.SIGNATURE),
            (self.consumer_device_cvm, Ttq.CONSUMER_DEVICE_CVM),
            (self.signed_online, Ttq.ODA_FOR_ONLINE),
        )
        return Ttq(sum(bit for wanted, bit in parts if wanted))
