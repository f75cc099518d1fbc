# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Currencies of ISO 4217:2015, list one: alphabetic code, numeric code, decimals. Amounts only; no exchange rates."""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from protocols.errors import DecodeError

LARGEST_MINOR = 10**12 - 1  # ISO 8583:1987, data element 4: n 12


@dataclass(frozen=True, slots=True)
class Currency:
    """One currency: its codes and how many decimals its minor unit has."""

    alpha: str
    numeric: int
    decimals: int

    def minor_units(self, text: str) -> int:
        """``"42.00"`` as minor units (4200); the decimals may be left out, but not exceed the currency's."""
        try:
            amount = Decimal(text)
        except InvalidOperation:
            raise DecodeError("amount", "a decimal number expected, such as 42.00") from None
        if not amount.is_finite() or amount.is_signed() or "e" in text.lower():
            raise DecodeError("amount", "a positive decimal number expected, such as 42.00")
        scaled = amount.scaleb(self.decimals)
        if scaled != scaled.to_integral_value():
            raise DecodeError("amount", f"{self.alpha} has {self.decimals} decimals, more were given")
        if not 0 < scaled <= LARGEST_MINOR:
            raise DecodeError("amount", "more than zero and at most 12 digits expected")
        return int(scaled)

    def words(self, minor: int) -> str:
        """4200 as ``"EUR 42.00"``."""
        whole, part = divmod(minor, 10**self.decimals)
        return f"{self.alpha} {whole}.{part:0{self.decimals}d}" if self.decimals else f"{self.alpha} {whole}"


_TWO = (
    "AED784 AFN971 ALL008 AMD051 AOA973 ARS032 AUD036 AWG533 AZN944 BAM977 BBD052 BDT050 BMD060 BND096 BOB068 "
    "BRL986 BSD044 BTN064 BWP072 BYN933 BZD084 CAD124 CDF976 CHF756 CNY156 COP170 CRC188 CUP192 CVE132 CZK203 "
    "DKK208 DOP214 DZD012 EGP818 ERN232 ETB230 EUR978 FJD242 FKP238 GBP826 GEL981 GHS936 GIP292 GMD270 GTQ320 "
    "GYD328 HKD344 HNL340 HTG332 HUF348 IDR360 ILS376 INR356 IRR364 JMD388 KES404 KGS417 KHR116 KPW408 KYD136 "
    "KZT398 LAK418 LBP422 LKR144 LRD430 LSL426 MAD504 MDL498 MGA969 MKD807 MMK104 MNT496 MOP446 MRU929 MUR480 "
    "MVR462 MWK454 MXN484 MYR458 MZN943 NAD516 NGN566 NIO558 NOK578 NPR524 NZD554 PAB590 PEN604 PGK598 PHP608 "
    "PKR586 PLN985 QAR634 RON946 RSD941 RUB643 SAR682 SBD090 SCR690 SDG938 SEK752 SGD702 SHP654 SLE925 SOS706 "
    "SRD968 SSP728 STN930 SVC222 SYP760 SZL748 THB764 TJS972 TMT934 TOP776 TRY949 TTD780 TWD901 TZS834 UAH980 "
    "USD840 UYU858 UZS860 VED926 VES928 WST882 XCD951 YER886 ZAR710 ZMW967"
)
_NONE = (
    "BIF108 CLP152 DJF262 GNF324 ISK352 JPY392 KMF174 KRW410 PYG600 RWF646 UGX800 VND704 VUV548 XAF950 XOF952 XPF953"
)
_THREE = "BHD048 IQD368 JOD400 KWD414 LYD434 OMR512 TND788"

BY_ALPHA = {
    row[:3]: Currency(row[:3], int(row[3:]), decimals)
    for decimals, rows in ((2, _TWO), (0, _NONE), (3, _THREE))
    for row in rows.split()
}
BY_NUMERIC = {currency.numeric: currency for currency in BY_ALPHA.values()}


def currency(code: str) -> Currency:
    """The currency of an alphabetic code such as ``EUR``."""
    found = BY_ALPHA.get(code.upper())
    if found is None:
        raise DecodeError("currency", "not an alphabetic code of ISO 4217, such as EUR")
    return found
