# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the simulator set out to answer: command codes by family, and the rows that two or more sources attest. Data."""

PROMISED: dict[str, str] = {
    "diagnostics": "NC NO B2 N0 RA NK",
    "key management": "A0 A4 A6 A8 B0 BU BW KA HC HA IA FA GC FC FE FK FM MI MG DW DY GY AE",
    "PINs": "BA NG JA CA CC CI G0 JC JE JG BC BE DA EA DC EC DE BK EE DG FW CU DU CK CM GO GQ BG QK",
    "cards and EMV": "CW CY RY KQ KW",
    "data and MACs": "M0 M2 M4 M6 M8 MA MC ME MQ MS GM LQ LS HE HG LO",
    "RSA": "EI EO EW EY",
}
ATTESTED: dict[str, str] = {
    "NC": "TS PY DU GH PP I8 PT KA", "NO": "TS DU PP I8 PT KA", "B2": "TS UT GH J8 PT", "N0": "DU PT",
    "A0": "TS UT SH PY DU GH PP I8", "A4": "TS UT SH", "A6": "TS UT SH PP I8", "A8": "TS UT SH I8", "B0": "TS SH",
    "BU": "TS UT PY DU GH PP I8", "KA": "TS I8", "BW": "TS UT I8", "HC": "TS SH PY DU GH", "HA": "TS SH",
    "FA": "TS PY DU GH", "GC": "TS I8", "FK": "TS I8", "AE": "TS SH",
    "BA": "TS I8", "NG": "TS I8", "JA": "TS UT SH PT", "CA": "TS UT SH PY DU GH PP I8 J8", "CC": "TS UT SH PP J8",
    "CI": "TS I8", "G0": "TS UT PP I8", "JC": "TS UT SH I8", "JE": "TS UT SH I8", "JG": "TS UT SH I8",
    "BC": "TS SH I8", "BE": "TS SH", "DA": "TS UT SH I8 J8", "EA": "TS UT SH J8", "DC": "TS UT SH PY DU GH I8 J8",
    "EC": "TS UT SH PY DU GH PP J8", "DE": "TS UT SH I8", "BK": "UT SH", "EE": "TS UT SH I8", "DG": "TS UT SH I8",
    "FW": "UT SH", "CU": "TS UT SH", "DU": "UT SH", "CK": "TS J8", "GO": "UT J8", "BG": "UT I8", "QK": "UT SH",
    "CW": "TS UT SH PY DU GH PP J8", "CY": "TS UT SH PY DU GH PP J8", "KQ": "TS UT GH",
    "M6": "TS UT PP I8 J8", "M8": "TS UT PP I8 J8", "M0": "UT DU I8 J8", "M2": "UT DU I8 J8", "M4": "UT I8 J8",
    "MA": "TS J8", "MC": "TS J8", "ME": "TS J8", "MQ": "TS J8", "MS": "TS J8", "GM": "TS UT I8",
    "EI": "UT I8 PT KA", "EW": "UT I8 KA",
}  # fmt: skip
"""By code, the sources whose layouts agree; where further ones differ, the command's note says so."""
ENOUGH = 60
