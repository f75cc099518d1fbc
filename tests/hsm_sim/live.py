# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""One command of each kind that a simulator with the TEST LMK carries out, written as a host would. No test."""

from tests.hsm_sim import oracle

ACCOUNT = "000099999900"
PAN, NUMBER = "4000009999990016", "01"
KSN = "FFFF9876543210E00001"
BDK, TPK, ZPK, PVK, TAK, TMK, ISSUER, CVK = (oracle.key() for _ in range(8))
DATA = b"\x19%00;" * 4
ARQC = oracle.arqc(ISSUER, PAN, NUMBER, DATA)


def lmk(code: str, key: bytes) -> str:
    """A key field under the TEST LMK."""
    return oracle.under_lmk(code, key)


_BLOCK = {key: oracle.block_0(key, "1234", ACCOUNT) for key in (TPK, ZPK)}
_PVV = oracle.pvv(PVK, "1", "1234", ACCOUNT)
_TAIL = f"01{ACCOUNT}1{_PVV}"
_MAC = oracle.retail_mac(TAK, DATA).hex().upper().encode()
_CARD = f"{PAN};2812201"

COMMANDS: dict[str, bytes] = {
    code: text if isinstance(text, bytes) else text.encode("ascii")
    for code, text in {
        "NC": "NC",
        "NO": "NO00",
        "B2": b"B20014" + DATA,
        "A0": f"A01009U;0{lmk('000', TMK)}X",
        "BU": f"BU021{lmk('002', TPK)};001",
        "HA": f"HA{lmk('002', TMK)};XU0",
        "HC": f"HC{lmk('002', TMK)};XU0",
        "CA": f"CA{lmk('002', TPK)}{lmk('001', ZPK)}12{_BLOCK[TPK]}0101{ACCOUNT}",
        "CC": f"CC{lmk('001', ZPK)}{lmk('001', ZPK)}12{_BLOCK[ZPK]}0147{ACCOUNT}",
        "CM": f"CM{lmk('009', BDK)}{lmk('002', PVK)}605{KSN}"
        + oracle.dukpt_block(BDK, bytes.fromhex(KSN), "1234", ACCOUNT)
        + f"{ACCOUNT}1{_PVV}",
        "DC": f"DC{lmk('002', TPK)}{lmk('002', PVK)}{_BLOCK[TPK]}{_TAIL}",
        "EC": f"EC{lmk('001', ZPK)}{lmk('002', PVK)}{_BLOCK[ZPK]}{_TAIL}",
        "CW": f"CW{lmk('402', CVK)}{_CARD}",
        "CY": f"CY{lmk('402', CVK)}{oracle.cvv(CVK, PAN, '2812', '201')}{_CARD}",
        "KQ": f"KQ10{lmk('109', ISSUER)}".encode()
        + bytes.fromhex((PAN + NUMBER)[-16:])
        + b"\x00\x01%00\x19"
        + f"{len(DATA):02X}".encode()
        + DATA
        + b";"
        + ARQC
        + b"00",
        "M6": f"M600131003{lmk('003', TAK)}0014".encode() + DATA,
        "M8": f"M800131003{lmk('003', TAK)}0014".encode() + DATA + _MAC,
    }.items()
}
"""By command code."""
