# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Requests and responses of the most used commands, chosen for their edges; see also ``generated``. No test."""

from protocols.hsm.codes import KeyScheme
from protocols.hsm.commands import (
    A0,
    A1,
    B2,
    B3,
    BU,
    BV,
    CA,
    CB,
    CC,
    CD,
    CM,
    CN,
    CW,
    CX,
    CY,
    CZ,
    DC,
    DD,
    EC,
    ED,
    HA,
    HB,
    HC,
    HD,
    KQ,
    KR,
    M6,
    M7,
    M8,
    M9,
    NC,
    ND,
    NO,
    NP,
    A0Export,
    CheckValueOptions,
    TmkOptions,
)
from protocols.hsm.fields import KeyField
from protocols.hsm.layout import Fields
from protocols.pan import Pan

SINGLE = KeyField(KeyScheme.SINGLE, bytes(range(8)))
DOUBLE = KeyField(KeyScheme.DOUBLE, bytes(range(16)))
TRIPLE = KeyField(KeyScheme.TRIPLE, bytes(range(24)))
ECB = KeyField(KeyScheme.DOUBLE_X917, bytes(range(16)))
BLOCK = bytes(range(8, 16))
ACCOUNT = "000099999900"
PAN = Pan("4000009999990016")
PIN_BLOCK = {"block": BLOCK, "account": ACCOUNT, "pvki": "1", "pvv": "1234"}
CARD = {"pan": PAN, "expiry": "2812", "service_code": "201"}
# Binary fields hold the octets that frame and tail give a meaning to.
ODD = b"\x19%00;\x00\xff"

REQUESTS: tuple[Fields, ...] = (
    NC(),
    NO(mode="00"),
    B2(data=b""),
    B2(data=ODD),
    A0(mode="0", key_type="009", scheme="U"),
    A0(mode="1", key_type="002", scheme="T", export=A0Export(key=DOUBLE, scheme="Y")),
    A0(mode="1", key_type="002", scheme="0", export=A0Export(flag="1", key=DOUBLE, scheme="Z")),
    BU(type_code="02", length_flag="0", key=SINGLE),
    BU(type_code="FF", length_flag="2", key=TRIPLE, key_type="109", options=CheckValueOptions(kind="1")),
    HA(tmk=DOUBLE),
    HA(tmk=ECB, options=TmkOptions(scheme_tmk="X", scheme_lmk="U")),
    HC(current=DOUBLE, options=TmkOptions(scheme_tmk="X", scheme_lmk="U")),
    CA(tpk=DOUBLE, zpk=SINGLE, block=BLOCK, source_format="01", destination_format="47", account=ACCOUNT),
    CC(
        source_zpk=ECB,
        destination_zpk=TRIPLE,
        block=BLOCK,
        source_format="05",
        destination_format="01",
        account=ACCOUNT,
    ),
    CM(bdk=DOUBLE, pvk=ECB, ksn=bytes(range(10)), **PIN_BLOCK),
    DC(tpk=SINGLE, pvk=DOUBLE, format="01", **PIN_BLOCK),
    EC(zpk=DOUBLE, pvk=DOUBLE, format="47", **PIN_BLOCK),
    CW(cvk=DOUBLE, **CARD),
    CY(cvk=ECB, cvv="123", **CARD),
    KQ(
        mode="0",
        mk_ac=DOUBLE,
        pan_sequence=bytes(8),
        atc=b"\x00\x19",
        unpredictable_number=b"%00\x19",
        data=ODD,
        arqc=b"\x19" * 8,
    ),
    KQ(
        mode="1",
        mk_ac=DOUBLE,
        pan_sequence=bytes(8),
        atc=b"\x00\x19",
        unpredictable_number=b"%00\x19",
        data=bytes(255),
        arqc=b";;;;%00\x19",
        arc=b"\x19%",
    ),
    M6(key=DOUBLE, data=ODD),
    M6(mode="3", input_format="1", size="0", algorithm="1", padding="2", key=SINGLE, chaining=BLOCK, data=b"0123"),
    M8(key=DOUBLE, data=ODD, mac=BLOCK),
    M8(mode="2", key_type="008", key=DOUBLE, chaining=BLOCK, data=BLOCK),
)

RESPONSES: tuple[Fields, ...] = (
    ND(check_value=BLOCK, firmware="1234-5678"),
    NP(io_buffer="3", ethernet="1", sockets="64", firmware="1234-5678", reserved_1="0", reserved_2="0000"),
    B3(data=ODD),
    A1(key=DOUBLE, check_value=BLOCK[:3]),
    A1(key=DOUBLE, exported=ECB, check_value=BLOCK[:3]),
    A1(key=SINGLE, exported=SINGLE, check_value=BLOCK[:3]),
    BV(check_value=BLOCK),
    BV(check_value=BLOCK[:3]),
    HB(under_tmk=ECB, under_lmk=DOUBLE),
    HD(under_current=SINGLE, under_lmk=SINGLE),
    CB(length="04", block=BLOCK, format="01"),
    CD(length="12", block=BLOCK, format="47"),
    CN(),
    DD(),
    ED(),
    CX(cvv="123"),
    CZ(),
    KR(),
    KR(arpc=b"\x19" * 8),
    M7(mac=BLOCK),
    M7(mac=BLOCK[:4]),
    M9(),
    M9(chaining=BLOCK),
)
