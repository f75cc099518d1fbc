# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Which keys each key field of each command takes: types under a variant LMK, usages and modes in blocks. Data only.

Modes of use (X9.143:2021, table 8): E enciphers, D deciphers, B both; G generates, V verifies, C both; X derives; N
any.
"""

from dataclasses import dataclass, field

EVERY_TYPE = "000 001 002 70D 302 402 003 008 009 609 809 109 209 309 409 509 709 00A 00B 30B"
EVERY_USAGE = "B0 41 42 43 B1 C0 11 12 13 32 D0 21 22 23 E0 E1 E2 E3 E4 E5 E6 K0 51 52 54 M0 M1 M3 M6 P0 71 72 V0 V1 V2"
EVERY_MODE = "BCDEGNSVX"


@dataclass(frozen=True, slots=True)
class Row:
    """One key field."""

    types: str
    usages: str = ""
    """Empty where the command takes no key blocks."""
    modes: str = ""
    named_by: str = ""
    """The field that names the key's type, where the command does not fix it."""
    where: dict[str, str | None] = field(default_factory=dict)
    """What other fields must be for this row to hold."""


_ZMK_IN, _ZMK_OUT = Row("000", "K0 52 54", "BDN"), Row("000", "K0 52 54", "BEN")
_TMK_OUT = Row("002", "K0 51", "BEN")
_TPK, _ZPK, _TO_ZPK = Row("002", "P0 71", "BDN"), Row("001", "P0 72", "BDN"), Row("001", "P0 72", "BEN")
_BDK = Row("009", "B0 41 42 43", "XN")
_IBM_CHECK, _IBM_MAKE, _IBM_BOTH = (Row("002", "V0 V1", modes) for modes in ("CVN", "CGN", "CN"))
_PVV_CHECK, _PVV_MAKE, _PVV_BOTH = (Row("002", "V0 V2", modes) for modes in ("CVN", "CGN", "CN"))
_ANY_PIN_KEY = Row("001 002 70D", "P0 71 72", "BDN", named_by="key_type")
_CVK_MAKE, _CVK_CHECK = Row("402", "C0 11 12 13", "CGN"), Row("402", "C0 11 12 13", "CVN")
_DATA, _DATA_IN = (Row("00A 00B 30B", "D0 21 22 23", modes, "key_type", {"number": None}) for modes in ("BEN", "BDN"))
_DUKPT_DATA = Row("009 609 809", "B0 41 42 43", "XN", "key_type", {"number": ""})
_TAK = Row("003")
_ANY_MAC = "M0 M1 M3"
_CBC, _RETAIL = {"algorithm": "1"}, {"algorithm": "3"}

MATRIX: dict[tuple[str, str], tuple[Row, ...]] = {
    ("A0", "export.key"): (_ZMK_OUT,),
    ("A4", "component_1"): (Row(EVERY_TYPE, named_by="key_type"),),
    ("A6", "zmk"): (_ZMK_IN,),
    ("A8", "transport_key"): (_ZMK_OUT,),
    ("A8", "key"): (Row(EVERY_TYPE.removeprefix("000 "), EVERY_USAGE.replace(" 32", ""), EVERY_MODE, "key_type"),),
    ("AE", "current"): (_TMK_OUT,),
    ("AE", "stored"): (Row("002", "51 P0 71", EVERY_MODE),),
    ("AG", "tmk"): (_TMK_OUT,),
    ("AG", "tak"): (Row("003", _ANY_MAC, EVERY_MODE),),
    ("B0", "key"): (Row(EVERY_TYPE, named_by="key_type"),),
    ("BC", "tpk"): (_TPK,),
    ("BE", "zpk"): (_ZPK,),
    ("BK", "key"): (_ANY_PIN_KEY,),
    ("BK", "pvk"): (_IBM_MAKE,),
    ("BU", "key"): (Row(EVERY_TYPE, EVERY_USAGE, EVERY_MODE, "key_type"),),
    ("CA", "tpk"): (_TPK,),
    ("CA", "zpk"): (_TO_ZPK,),
    ("CC", "source_zpk"): (_ZPK,),
    ("CC", "destination_zpk"): (_TO_ZPK,),
    ("CI", "bdk"): (_BDK,),
    ("CI", "zpk"): (_TO_ZPK,),
    ("CK", "bdk"): (_BDK,),
    ("CK", "pvk"): (_IBM_CHECK,),
    ("CM", "bdk"): (_BDK,),
    ("CM", "pvk"): (_PVV_CHECK,),
    ("CU", "key"): (_ANY_PIN_KEY,),
    ("CU", "pvk"): (_PVV_BOTH,),
    ("CW", "cvk"): (_CVK_MAKE,),
    ("CY", "cvk"): (_CVK_CHECK,),
    ("DA", "tpk"): (_TPK,),
    ("DA", "pvk"): (_IBM_CHECK,),
    ("DC", "tpk"): (_TPK,),
    ("DC", "pvk"): (_PVV_CHECK,),
    ("DE", "pvk"): (_IBM_MAKE,),
    ("DG", "pvk"): (_PVV_MAKE,),
    ("DU", "key"): (_ANY_PIN_KEY,),
    ("DU", "pvk"): (_IBM_BOTH,),
    ("DW", "zmk"): (_ZMK_IN,),
    ("DY", "zmk"): (_ZMK_OUT,),
    ("DY", "bdk"): (Row("009", "B0 41 42 43", EVERY_MODE),),
    ("EA", "zpk"): (_ZPK,),
    ("EA", "pvk"): (_IBM_CHECK,),
    ("EC", "zpk"): (_ZPK,),
    ("EC", "pvk"): (_PVV_CHECK,),
    ("EE", "pvk"): (_IBM_MAKE,),
    ("FA", "zmk"): (_ZMK_IN,),
    ("FC", "zmk"): (_ZMK_IN,),
    ("FE", "zmk"): (_ZMK_OUT,),
    ("FE", "key"): (Row("002", "K0 51 P0 71 V0 V1 V2", EVERY_MODE),),
    ("FI", "zmk"): (Row("000"),),
    ("FK", "zmk"): (_ZMK_IN,),
    ("FM", "zmk"): (_ZMK_OUT,),
    ("FM", "key"): (
        Row("00A", "D0 21 22 23", EVERY_MODE, where={"flag": "0"}),
        Row("008", _ANY_MAC, EVERY_MODE, where={"flag": "1"}),
    ),
    ("FW", "key"): (_ANY_PIN_KEY,),
    ("FW", "pvk"): (_PVV_MAKE,),
    ("G0", "bdk"): (_BDK,),
    ("G0", "destination"): (
        Row("001", "P0 72", "BEN", where={"number": None}),
        Row("009", "B0 41 42 43", "XN", where={"number": ""}),
    ),
    ("GC", "zmk"): (_ZMK_OUT,),
    ("GC", "zpk"): (Row("001", "P0 72", EVERY_MODE),),
    ("GO", "bdk"): (_BDK,),
    ("GO", "pvk"): (_IBM_CHECK,),
    ("GQ", "bdk"): (_BDK,),
    ("GQ", "pvk"): (_PVV_CHECK,),
    ("GW", "bdk"): (_BDK,),
    ("GY", "component_1"): (Row("000"),),
    ("HA", "tmk"): (Row("002"),),
    ("HC", "current"): (Row("002"),),
    ("HE", "tak"): (_TAK,),
    ("HG", "tak"): (_TAK,),
    ("IA", "zmk"): (Row("000"),),
    ("JC", "tpk"): (_TPK,),
    ("JE", "zpk"): (_ZPK,),
    ("JG", "zpk"): (_TO_ZPK,),
    ("KA", "key"): (
        Row("000", "K0 52 54", EVERY_MODE, where={"type_code": "00"}),
        Row("001", "P0 72", EVERY_MODE, where={"type_code": "01"}),
        Row("002", "K0 51 P0 71 V0 V1 V2", EVERY_MODE, where={"type_code": "02"}),
        Row("003", _ANY_MAC, EVERY_MODE, where={"type_code": "03"}),
    ),
    ("KQ", "mk_ac"): (Row("109", "E0", "XN"),),
    ("KW", "mk_ac"): (Row("109", "E0", "XN"),),
    ("M0", "key"): (_DATA, _DUKPT_DATA),
    ("M2", "key"): (_DATA_IN, _DUKPT_DATA),
    ("M4", "source"): (Row("00A 00B 30B", "D0 21 22 23", "BDN", "source_type"),),
    ("M4", "key"): (Row("00A 00B 30B", "D0 21 22 23", "BEN", "key_type"),),
    ("M6", "key"): (
        Row("003 008", "M0 M1", "CGN", "key_type", _CBC),
        Row("003 008", "M3", "CGN", "key_type", _RETAIL),
    ),
    ("M8", "key"): (
        Row("003 008", "M0 M1", "CVN", "key_type", _CBC),
        Row("003 008", "M3", "CVN", "key_type", _RETAIL),
    ),
    ("MA", "tak"): (Row("003", "M0 M1", "CGN"),),
    ("MC", "tak"): (Row("003", "M0 M1", "CVN"),),
    ("ME", "source_tak"): (Row("003", "M0 M1", "CVN"),),
    ("ME", "destination_tak"): (Row("003", "M0 M1", "CGN"),),
    ("MG", "zmk"): (_ZMK_OUT,),
    ("MG", "tak"): (Row("003", _ANY_MAC, EVERY_MODE),),
    ("MI", "zmk"): (_ZMK_IN,),
    ("MQ", "zak"): (Row("008", "M0 M1", "CGN"),),
    ("MS", "double"): (
        Row("003", "M3", "CGN", where={"key_type": "0"}),
        Row("008", "M3", "CGN", where={"key_type": "1"}),
    ),
    ("RY", "csck"): (
        Row("402", "C0 11 12 13", "CGN", where={"mode": "3"}),
        Row("402", "C0 11 12 13", "CVN", where={"mode": "4"}),
    ),
}
"""By command and field, the names from the outside in."""
ELSEWHERE = {"BW": "its keys lie under the LMK before: test_transport_commands"}
"""Commands whose key fields are not in the matrix, and where they are tested."""
