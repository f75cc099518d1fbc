# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The data elements of ISO 8583:1987 that we know, as a table. Says what an element holds, not how a dialect writes it.

Attributes follow ISO 8583:1987, 4.3: n digits, an letters and digits, ans printable text, z track 2 characters,
b octets; a fixed length, or a largest length behind a length of two (LL) or three (LLL) digits.
"""

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What characters an element may hold (ISO 8583:1987, 4.3)."""

    N = "digits"
    AN = "letters and digits"
    ANS = "printable text"
    Z = "track 2 characters"
    B = "octets"


class Form(Enum):
    """Whether the length is fixed or written in front, and in how many digits."""

    FIXED = 0
    LL = 2
    LLL = 3


@dataclass(frozen=True, slots=True)
class Element:
    """One data element: ``length`` counts characters (octets for kind B), the largest one where it varies."""

    number: int
    words: str
    kind: Kind
    length: int
    form: Form = Form.FIXED
    sensitive: bool = False


_TABLE = (
    Element(2, "primary account number", Kind.N, 19, Form.LL, sensitive=True),
    Element(3, "processing code", Kind.N, 6),
    Element(4, "amount, transaction", Kind.N, 12),
    Element(7, "transmission date and time", Kind.N, 10),
    Element(11, "system trace audit number", Kind.N, 6),
    Element(12, "time, local", Kind.N, 6),
    Element(13, "date, local", Kind.N, 4),
    Element(14, "date, expiration", Kind.N, 4),
    Element(15, "date, settlement", Kind.N, 4),
    Element(21, "forwarding institution country code", Kind.N, 3),
    Element(22, "point of service entry mode", Kind.N, 3),
    Element(23, "card sequence number", Kind.N, 3),
    Element(24, "network international identifier", Kind.N, 3),
    Element(25, "point of service condition code", Kind.N, 2),
    Element(26, "point of service PIN capture code", Kind.N, 2),
    Element(32, "acquiring institution identification code", Kind.N, 11, Form.LL),
    Element(33, "forwarding institution identification code", Kind.N, 11, Form.LL),
    Element(35, "track 2 data", Kind.Z, 37, Form.LL, sensitive=True),
    Element(37, "retrieval reference number", Kind.AN, 12),
    Element(38, "authorisation identification response", Kind.AN, 6),
    Element(39, "response code", Kind.AN, 2),
    Element(41, "card acceptor terminal identification", Kind.ANS, 8),
    Element(42, "card acceptor identification code", Kind.ANS, 15),
    Element(45, "track 1 data", Kind.ANS, 76, Form.LL, sensitive=True),
    Element(48, "additional data, private", Kind.ANS, 999, Form.LLL),
    Element(49, "currency code, transaction", Kind.N, 3),
    Element(52, "personal identification number data", Kind.B, 8, sensitive=True),
    Element(53, "security related control information", Kind.N, 16),
    Element(54, "additional amounts", Kind.AN, 120, Form.LLL),
    Element(55, "integrated circuit card data", Kind.B, 255, Form.LLL, sensitive=True),
    Element(60, "reserved, private", Kind.ANS, 999, Form.LLL),
    Element(62, "reserved, private", Kind.ANS, 999, Form.LLL),
    Element(63, "reserved, private", Kind.ANS, 999, Form.LLL),
    Element(64, "message authentication code", Kind.B, 8),
    Element(70, "network management information code", Kind.N, 3),
    Element(90, "original data elements", Kind.N, 42),
    Element(100, "receiving institution identification code", Kind.N, 11, Form.LL),
    Element(102, "account identification 1", Kind.ANS, 28, Form.LL, sensitive=True),
    Element(103, "account identification 2", Kind.ANS, 28, Form.LL, sensitive=True),
    Element(128, "message authentication code", Kind.B, 8),
)

ELEMENTS: dict[int, Element] = {element.number: element for element in _TABLE}
"""Every element we know, by number; a message that uses another one is refused by name."""

LARGEST_MESSAGE = 4 + 32 + sum(element.length + element.form.value for element in _TABLE)
"""Octets of a message that fills every element in the widest encoding: no honest frame is longer."""
