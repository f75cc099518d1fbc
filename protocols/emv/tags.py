# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The dictionary of EMV data objects, as data: number, words, format, length, who gives it, how openly it may be shown.

It decodes nothing and holds no value. Sources: EMV 4.4 Book 3, Annex A (data elements) and Book 1, 12.2 (selection);
EMV Contactless Book B 2.10 and Books C-2 and C-3, Annex A. Where kernels give one number two meanings, the words name
both. Sensitivity is ours, after PCI DSS 4.0.1, 3.3 and 3.4: an account number is shown masked, tracks, names, offline
PIN data and everything from which a number can be recovered are not shown at all.
"""

from enum import Enum, IntEnum
from types import MappingProxyType
from typing import TYPE_CHECKING


class Format(Enum):
    """How a value's octets are to be read (EMV 4.4 Book 3, 4.3)."""

    A = "letters"
    AN = "letters and digits"
    ANS = "text"
    B = "binary"
    CN = "digits, filled with F on the right"
    N = "digits, filled with 0 on the left"
    TEMPLATE = "data objects"
    DOL = "tags and lengths"


class Source(Enum):
    """Who gives the data object (EMV 4.4 Book 3, Annex A1)."""

    CARD = "card"
    TERMINAL = "terminal"
    ISSUER = "issuer"


class Sensitivity(Enum):
    """How openly a value may be shown or logged."""

    OPEN = "shown"
    ACCOUNT = "account number: first six and last four digits"
    TRACK = "track: the account number masked, the rest hidden"
    HIDDEN = "length only"


_A, _AN, _ANS, _B, _CN, _N = Format.A, Format.AN, Format.ANS, Format.B, Format.CN, Format.N
_TEMPLATE, _DOL = Format.TEMPLATE, Format.DOL
_CARD, _TERM, _ISS = Source.CARD, Source.TERMINAL, Source.ISSUER
_PAN, _TRACK, _HIDDEN = Sensitivity.ACCOUNT, Sensitivity.TRACK, Sensitivity.HIDDEN


class Tag(IntEnum):
    """A data object that we know: the number is the tag's octets."""

    if TYPE_CHECKING:
        words: str
        format: Format
        least: int
        most: int
        source: Source
        sensitivity: Sensitivity

    def __new__(
        cls,
        number: int,
        words: str,
        format_: Format,
        least: int,
        most: int,
        source: Source,
        sensitivity: Sensitivity = Sensitivity.OPEN,
    ) -> "Tag":
        """A row of the table: lengths in octets, inclusive."""
        tag = int.__new__(cls, number)
        tag._value_ = number
        tag.words, tag.format, tag.least, tag.most = words, format_, least, most
        tag.source, tag.sensitivity = source, sensitivity
        return tag

    # Application selection: Book 1, 12.2; Contactless Book B, 3.3
    AID_CARD = 0x4F, "Application Identifier (card)", _B, 5, 16, _CARD
    APPLICATION_LABEL = 0x50, "Application Label", _ANS, 1, 16, _CARD
    DIRECTORY_ENTRY = 0x61, "Application Template", _TEMPLATE, 0, 252, _CARD
    FCI_TEMPLATE = 0x6F, "File Control Information Template", _TEMPLATE, 0, 252, _CARD
    DIRECTORY_DISCRETIONARY = 0x73, "Directory Discretionary Template", _TEMPLATE, 0, 252, _CARD
    DF_NAME = 0x84, "Dedicated File Name", _B, 5, 16, _CARD
    APPLICATION_PRIORITY = 0x87, "Application Priority Indicator", _B, 1, 1, _CARD
    DIRECTORY_SFI = 0x88, "Short File Identifier", _B, 1, 1, _CARD
    DDF_NAME = 0x9D, "Directory Definition File Name", _B, 5, 16, _CARD
    FCI_PROPRIETARY = 0xA5, "File Control Information Proprietary Template", _TEMPLATE, 0, 252, _CARD
    FCI_ISSUER_DISCRETIONARY = 0xBF0C, "FCI Issuer Discretionary Data", _TEMPLATE, 0, 252, _CARD
    LANGUAGE_PREFERENCE = 0x5F2D, "Language Preference", _AN, 2, 8, _CARD
    ISSUER_CODE_TABLE = 0x9F11, "Issuer Code Table Index", _N, 1, 1, _CARD
    APPLICATION_PREFERRED_NAME = 0x9F12, "Application Preferred Name", _ANS, 1, 16, _CARD
    PDOL = 0x9F38, "Processing Options Data Object List", _DOL, 0, 252, _CARD
    LOG_ENTRY = 0x9F4D, "Log Entry", _B, 2, 2, _CARD
    EXTENDED_SELECTION = 0x9F29, "Extended Selection", _B, 1, 11, _CARD
    KERNEL_IDENTIFIER = 0x9F2A, "Kernel Identifier", _B, 1, 8, _CARD
    APPLICATION_PROGRAM = 0x9F5A, "Application Program Identifier", _B, 1, 16, _CARD
    ASRPD = 0x9F0A, "Application Selection Registered Proprietary Data", _B, 1, 252, _CARD

    # What the card says of itself: Book 3, Annex A1
    ISSUER_IDENTIFICATION = 0x42, "Issuer Identification Number", _N, 3, 3, _CARD
    TRACK_1_EQUIVALENT = 0x56, "Track 1 Data (kernel 2)", _ANS, 0, 76, _CARD, _HIDDEN
    TRACK_2_EQUIVALENT = 0x57, "Track 2 Equivalent Data", _B, 0, 19, _CARD, _TRACK
    PAN = 0x5A, "Application Primary Account Number", _CN, 4, 10, _CARD, _PAN
    CARDHOLDER_NAME = 0x5F20, "Cardholder Name", _ANS, 2, 26, _CARD, _HIDDEN
    EXPIRATION_DATE = 0x5F24, "Application Expiration Date", _N, 3, 3, _CARD
    EFFECTIVE_DATE = 0x5F25, "Application Effective Date", _N, 3, 3, _CARD
    ISSUER_COUNTRY = 0x5F28, "Issuer Country Code", _N, 2, 2, _CARD
    SERVICE_CODE = 0x5F30, "Service Code", _N, 2, 2, _CARD
    PAN_SEQUENCE = 0x5F34, "Application PAN Sequence Number", _N, 1, 1, _CARD
    ISSUER_URL = 0x5F50, "Issuer URL", _ANS, 1, 128, _CARD
    IBAN = 0x5F53, "International Bank Account Number", _AN, 1, 34, _CARD, _HIDDEN
    BIC = 0x5F54, "Bank Identifier Code", _AN, 8, 11, _CARD
    ISSUER_COUNTRY_2 = 0x5F55, "Issuer Country Code (two letters)", _A, 2, 2, _CARD
    ISSUER_COUNTRY_3 = 0x5F56, "Issuer Country Code (three letters)", _A, 3, 3, _CARD
    RECORD_TEMPLATE = 0x70, "READ RECORD Response Message Template", _TEMPLATE, 0, 252, _CARD
    RESPONSE_FORMAT_2 = 0x77, "Response Message Template Format 2", _TEMPLATE, 0, 252, _CARD
    RESPONSE_FORMAT_1 = 0x80, "Response Message Template Format 1", _B, 0, 253, _CARD
    AIP = 0x82, "Application Interchange Profile", _B, 2, 2, _CARD
    COMMAND_TEMPLATE = 0x83, "Command Template", _B, 0, 253, _TERM
    CDOL_1 = 0x8C, "Card Risk Management Data Object List 1", _DOL, 0, 252, _CARD
    CDOL_2 = 0x8D, "Card Risk Management Data Object List 2", _DOL, 0, 252, _CARD
    CVM_LIST = 0x8E, "Cardholder Verification Method List", _B, 8, 252, _CARD
    AFL = 0x94, "Application File Locator", _B, 0, 252, _CARD
    TDOL = 0x97, "Transaction Certificate Data Object List", _DOL, 0, 252, _CARD
    AID_DIRECTORY_NAME = 0x9F06, "Application Identifier (terminal)", _B, 5, 16, _TERM
    APPLICATION_USAGE_CONTROL = 0x9F07, "Application Usage Control", _B, 2, 2, _CARD
    APPLICATION_VERSION_CARD = 0x9F08, "Application Version Number (card)", _B, 2, 2, _CARD
    CARDHOLDER_NAME_EXTENDED = 0x9F0B, "Cardholder Name Extended", _ANS, 27, 45, _CARD, _HIDDEN
    IAC_DEFAULT = 0x9F0D, "Issuer Action Code - Default", _B, 5, 5, _CARD
    IAC_DENIAL = 0x9F0E, "Issuer Action Code - Denial", _B, 5, 5, _CARD
    IAC_ONLINE = 0x9F0F, "Issuer Action Code - Online", _B, 5, 5, _CARD
    ISSUER_APPLICATION_DATA = 0x9F10, "Issuer Application Data", _B, 0, 32, _CARD
    LAST_ONLINE_ATC = 0x9F13, "Last Online Application Transaction Counter Register", _B, 2, 2, _CARD
    LOWER_CONSECUTIVE_LIMIT = 0x9F14, "Lower Consecutive Offline Limit", _B, 1, 1, _CARD
    PIN_TRY_COUNTER = 0x9F17, "Personal Identification Number Try Counter", _B, 1, 1, _CARD
    TOKEN_REQUESTOR = 0x9F19, "Token Requestor Identifier", _N, 6, 6, _CARD
    TRACK_1_DISCRETIONARY = 0x9F1F, "Track 1 Discretionary Data", _ANS, 0, 54, _CARD, _HIDDEN
    TRACK_2_DISCRETIONARY = 0x9F20, "Track 2 Discretionary Data", _CN, 0, 16, _CARD, _HIDDEN
    UPPER_CONSECUTIVE_LIMIT = 0x9F23, "Upper Consecutive Offline Limit", _B, 1, 1, _CARD
    PAYMENT_ACCOUNT_REFERENCE = 0x9F24, "Payment Account Reference", _AN, 29, 29, _CARD, _HIDDEN
    LAST_FOUR_DIGITS = 0x9F25, "Last Four Digits of PAN", _N, 2, 2, _CARD
    APPLICATION_CRYPTOGRAM = 0x9F26, "Application Cryptogram", _B, 8, 8, _CARD
    CID = 0x9F27, "Cryptogram Information Data", _B, 1, 1, _CARD
    ATC = 0x9F36, "Application Transaction Counter", _B, 2, 2, _CARD
    APPLICATION_REFERENCE_CURRENCY = 0x9F3B, "Application Reference Currency", _N, 2, 8, _CARD
    APPLICATION_CURRENCY = 0x9F42, "Application Currency Code", _N, 2, 2, _CARD
    REFERENCE_CURRENCY_EXPONENT = 0x9F43, "Application Reference Currency Exponent", _N, 1, 4, _CARD
    APPLICATION_CURRENCY_EXPONENT = 0x9F44, "Application Currency Exponent", _N, 1, 1, _CARD
    LOG_FORMAT = 0x9F4F, "Log Format", _DOL, 0, 252, _CARD
    BIOMETRIC_TEMPLATE = 0xBF4A, "Offline BIT Group Template", _TEMPLATE, 0, 252, _CARD

    # Offline data authentication: Book 2, 5 to 7. An ICC certificate yields the account number to whoever holds the
    # public keys, and signed static data hold a hash of it.
    CA_KEY_INDEX_CARD = 0x8F, "Certification Authority Public Key Index (card)", _B, 1, 1, _CARD
    ISSUER_CERTIFICATE = 0x90, "Issuer Public Key Certificate", _B, 0, 248, _CARD
    ISSUER_KEY_REMAINDER = 0x92, "Issuer Public Key Remainder", _B, 0, 248, _CARD
    SIGNED_STATIC_DATA = 0x93, "Signed Static Application Data", _B, 0, 248, _CARD, _HIDDEN
    CA_KEY_INDEX_TERMINAL = 0x9F22, "Certification Authority Public Key Index (terminal)", _B, 1, 1, _TERM
    PIN_CERTIFICATE = 0x9F2D, "ICC PIN Encipherment Public Key Certificate", _B, 0, 248, _CARD, _HIDDEN
    PIN_KEY_EXPONENT = 0x9F2E, "ICC PIN Encipherment Public Key Exponent", _B, 1, 3, _CARD
    PIN_KEY_REMAINDER = 0x9F2F, "ICC PIN Encipherment Public Key Remainder", _B, 0, 248, _CARD
    ISSUER_KEY_EXPONENT = 0x9F32, "Issuer Public Key Exponent", _B, 1, 3, _CARD
    DATA_AUTHENTICATION_CODE = 0x9F45, "Data Authentication Code", _B, 2, 2, _CARD
    ICC_CERTIFICATE = 0x9F46, "ICC Public Key Certificate", _B, 0, 248, _CARD, _HIDDEN
    ICC_KEY_EXPONENT = 0x9F47, "ICC Public Key Exponent", _B, 1, 3, _CARD
    ICC_KEY_REMAINDER = 0x9F48, "ICC Public Key Remainder", _B, 0, 248, _CARD
    DDOL = 0x9F49, "Dynamic Data Authentication Data Object List", _DOL, 0, 252, _CARD
    SDA_TAG_LIST = 0x9F4A, "Static Data Authentication Tag List", _B, 0, 252, _CARD
    SIGNED_DYNAMIC_DATA = 0x9F4B, "Signed Dynamic Application Data", _B, 0, 248, _CARD
    ICC_DYNAMIC_NUMBER = 0x9F4C, "ICC Dynamic Number", _B, 2, 8, _CARD

    # What the terminal gives: Book 3, Annex A1; Book 4, Annex A
    AMOUNT_AUTHORISED_BINARY = 0x81, "Amount, Authorised (binary)", _B, 4, 4, _TERM
    TVR = 0x95, "Terminal Verification Results", _B, 5, 5, _TERM
    TC_HASH = 0x98, "Transaction Certificate Hash Value", _B, 20, 20, _TERM
    PIN_DATA = 0x99, "Transaction Personal Identification Number Data", _B, 0, 252, _TERM, _HIDDEN
    TRANSACTION_DATE = 0x9A, "Transaction Date", _N, 3, 3, _TERM
    TSI = 0x9B, "Transaction Status Information", _B, 2, 2, _TERM
    TRANSACTION_TYPE = 0x9C, "Transaction Type", _N, 1, 1, _TERM
    TRANSACTION_CURRENCY = 0x5F2A, "Transaction Currency Code", _N, 2, 2, _TERM
    TRANSACTION_CURRENCY_EXPONENT = 0x5F36, "Transaction Currency Exponent", _N, 1, 1, _TERM
    ACCOUNT_TYPE = 0x5F57, "Account Type", _N, 1, 1, _TERM
    ACQUIRER_IDENTIFIER = 0x9F01, "Acquirer Identifier", _N, 6, 6, _TERM
    AMOUNT_AUTHORISED_NUMERIC = 0x9F02, "Amount, Authorised (numeric)", _N, 6, 6, _TERM
    AMOUNT_OTHER_NUMERIC = 0x9F03, "Amount, Other (numeric)", _N, 6, 6, _TERM
    AMOUNT_OTHER_BINARY = 0x9F04, "Amount, Other (binary)", _B, 4, 4, _TERM
    DISCRETIONARY_DATA = 0x9F05, "Application Discretionary Data", _B, 1, 32, _CARD
    APPLICATION_VERSION_TERMINAL = 0x9F09, "Application Version Number (terminal)", _B, 2, 2, _TERM
    MERCHANT_CATEGORY = 0x9F15, "Merchant Category Code", _N, 2, 2, _TERM
    MERCHANT_IDENTIFIER = 0x9F16, "Merchant Identifier", _ANS, 15, 15, _TERM
    TERMINAL_COUNTRY = 0x9F1A, "Terminal Country Code", _N, 2, 2, _TERM
    TERMINAL_FLOOR_LIMIT = 0x9F1B, "Terminal Floor Limit", _B, 4, 4, _TERM
    TERMINAL_IDENTIFICATION = 0x9F1C, "Terminal Identification", _AN, 8, 8, _TERM
    TERMINAL_RISK_DATA = 0x9F1D, "Terminal Risk Management Data", _B, 1, 8, _TERM
    IFD_SERIAL_NUMBER = 0x9F1E, "Interface Device Serial Number", _AN, 8, 8, _TERM
    TRANSACTION_TIME = 0x9F21, "Transaction Time", _N, 3, 3, _TERM
    TERMINAL_CAPABILITIES = 0x9F33, "Terminal Capabilities", _B, 3, 3, _TERM
    CVM_RESULTS = 0x9F34, "Cardholder Verification Method Results", _B, 3, 3, _TERM
    TERMINAL_TYPE = 0x9F35, "Terminal Type", _N, 1, 1, _TERM
    UNPREDICTABLE_NUMBER = 0x9F37, "Unpredictable Number", _B, 4, 4, _TERM
    POS_ENTRY_MODE = 0x9F39, "Point-of-Service Entry Mode", _N, 1, 1, _TERM
    AMOUNT_REFERENCE_CURRENCY = 0x9F3A, "Amount, Reference Currency", _B, 4, 4, _TERM
    TRANSACTION_REFERENCE_CURRENCY = 0x9F3C, "Transaction Reference Currency Code", _N, 2, 2, _TERM
    TERMINAL_REFERENCE_EXPONENT = 0x9F3D, "Transaction Reference Currency Exponent", _N, 1, 1, _TERM
    ADDITIONAL_CAPABILITIES = 0x9F40, "Additional Terminal Capabilities", _B, 5, 5, _TERM
    TRANSACTION_SEQUENCE = 0x9F41, "Transaction Sequence Counter", _N, 2, 4, _TERM
    MERCHANT_NAME_LOCATION = 0x9F4E, "Merchant Name and Location", _ANS, 0, 128, _TERM

    # What the issuer answers: Book 3, 10.8 to 10.10
    ISSUER_SCRIPT_1 = 0x71, "Issuer Script Template 1", _TEMPLATE, 0, 252, _ISS
    ISSUER_SCRIPT_2 = 0x72, "Issuer Script Template 2", _TEMPLATE, 0, 252, _ISS
    ISSUER_SCRIPT_COMMAND = 0x86, "Issuer Script Command", _B, 0, 261, _ISS, _HIDDEN
    AUTHORISATION_CODE = 0x89, "Authorisation Code", _AN, 6, 6, _ISS
    AUTHORISATION_RESPONSE = 0x8A, "Authorisation Response Code", _AN, 2, 2, _ISS
    ISSUER_AUTHENTICATION_DATA = 0x91, "Issuer Authentication Data", _B, 8, 16, _ISS
    ISSUER_SCRIPT_IDENTIFIER = 0x9F18, "Issuer Script Identifier", _B, 4, 4, _ISS

    # Contactless: Books B, C-2 and C-3, Annex A
    AVAILABLE_OFFLINE_AMOUNT = 0x9F5D, "Available Offline Spending Amount (kernel 3)", _N, 1, 6, _CARD
    DRDOL = 0x9F51, "Data Recovery Data Object List (kernel 2)", _DOL, 0, 252, _CARD
    POS_CARDHOLDER_INTERACTION = 0xDF4B, "POS Cardholder Interaction Information (kernel 2)", _B, 3, 3, _CARD
    DS_ID = 0x9F5E, "Data Storage Identifier: account and sequence number (kernel 2)", _N, 8, 11, _CARD, _HIDDEN
    TTQ = 0x9F66, "Terminal Transaction Qualifiers (kernel 3); PUNATC Track 2 (kernel 2)", _B, 2, 4, _TERM
    CARD_AUTHENTICATION_DATA = 0x9F69, "Card Authentication Related Data (kernel 3); UDOL (kernel 2)", _B, 1, 16, _CARD
    TRACK_2_KERNEL_2 = 0x9F6B, "Track 2 Data (kernel 2)", _B, 0, 19, _CARD, _TRACK
    CTQ = 0x9F6C, "Card Transaction Qualifiers (kernel 3)", _B, 2, 2, _CARD
    FORM_FACTOR = 0x9F6E, "Form Factor Indicator (kernel 3); Third Party Data (kernel 2)", _B, 4, 32, _CARD
    CUSTOMER_EXCLUSIVE_DATA = 0x9F7C, "Customer Exclusive Data (kernel 3)", _B, 0, 32, _CARD, _HIDDEN


KNOWN: MappingProxyType[int, Tag] = MappingProxyType({int(tag): tag for tag in Tag})
"""The dictionary by number; an unknown tag is simply absent."""


def words(number: int) -> str:
    """What a tag means, in words: ``"9F26 Application Cryptogram"``, or the number alone where we do not know it."""
    known = KNOWN.get(number)
    return f"{number:X} {known.words}" if known is not None else f"{number:X}"


def sensitivity(number: int) -> Sensitivity:
    """How openly a tag's value may be shown; a tag we do not know counts as open (it is shown, see redaction)."""
    known = KNOWN.get(number)
    return known.sensitivity if known is not None else Sensitivity.OPEN
