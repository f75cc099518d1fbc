# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""One command of each kind that a simulator with the TEST LMKs carries out, written as a host would. No test."""

from hsm_sim.engine.wrapping import VariantLmk
from protocols.hsm.commands.rsa import EJ
from protocols.hsm.kinds import Source
from protocols.hsm.layout import layout_of
from tests.hsm_sim import oracle
from tests.hsm_sim.asking import asking

ACCOUNT = "000099999900"
PAN, NUMBER = "4000009999990016", "01"
KSN = "FFFF9876543210E00001"
BDK, TPK, ZPK, PVK, TAK, TMK, ISSUER, CVK, ZMK, ZAK, ZEK = (oracle.key() for _ in range(11))
DATA = b"\x19%00;" * 4
SESSION_ARQC = oracle.session_arqc(ISSUER, PAN, NUMBER, b"\x00\x01", bytes(4), DATA)
ARQC = oracle.arqc(ISSUER, PAN, NUMBER, DATA)
TABLE, VALIDATION = "0123456789012345", "4000000099N9"
PIN, NEW_PIN = "1234", "9876"

_ASK = asking(clear_pins=True, encrypted_tables=False)


def lmk(code: str, key: bytes) -> str:
    """A key field under the TEST LMK."""
    return oracle.under_lmk(code, key)


def _zone(clear: bytes) -> str:
    return oracle.under(ZMK, clear, "U")


def _counted(octets: bytes, digits: int = 4) -> bytes:
    return b"%0*d%b" % (digits, len(octets), octets)


def _made(command: str | bytes) -> bytes:
    """What a unit answers behind the error code: for what only a unit can make."""
    answer = _ASK(command).encode("latin-1")
    if answer[:2] != b"00":
        raise AssertionError(f"{command[:2]!r} answered {answer[:2]!r}")
    return answer[2:]


def kept_pin(pin: str, account: str = ACCOUNT) -> str:
    """A PIN under the TEST LMK of such a unit."""
    return _made(f"BA{pin.ljust(13, 'F')}{account}").decode()


def pin_under_old_lmk(pin: str) -> str:
    """A PIN under the TEST LMK from before a change."""
    before = asking(lmks={"00": VariantLmk.of_old_test_keys()}, clear_pins=True)
    return before(f"BA{pin.ljust(13, 'F')}{ACCOUNT}")[2:]


_BLOCK = {key: oracle.block_0(key, PIN, ACCOUNT) for key in (TPK, ZPK)}
_NEW_BLOCK = oracle.block_0(ZPK, NEW_PIN, ACCOUNT)
_DUKPT_BLOCK = oracle.dukpt_block(BDK, bytes.fromhex(KSN), PIN, ACCOUNT)
PVV = oracle.pvv(PVK, "1", PIN, ACCOUNT)
SPREAD = VALIDATION.replace("N", ACCOUNT[-5:])
OFFSET = oracle.ibm_offset(PVK, TABLE, SPREAD, PIN).ljust(12, "F")
_CLOSED_TABLE = _made(f"LO{TABLE}").decode()
_IBM = f"{_CLOSED_TABLE}{VALIDATION}"
_TAIL = f"01{ACCOUNT}1{PVV}"
_MAC = oracle.retail_mac(TAK, DATA).hex().upper().encode()
_SHORT_MAC = oracle.cbc_mac(TAK, DATA)[:4].hex().upper().encode()
_CARD = f"{PAN};2812201"
_HMAC_KEY = _made("L006000032")[4:]
_HMAC = _made(b"LQ06003200" + _counted(_HMAC_KEY) + b";" + _counted(DATA, 5))
_PAIR = layout_of(EJ).read(Source(_made("EI0102401")))
_PUBLIC, _PRIVATE = _PAIR.public_key, _counted(_PAIR.private_key)
KEY_MANAGEMENT_KEY = layout_of(EJ).read(Source(_made("EI1102401"))).private_key
_VOUCHED = _made(b"EO01" + _PUBLIC)
_SIGNATURE = _made(b"EW060101" + _counted(DATA) + b";99" + _PRIVATE)
_AMEX = "0000371234567890123" + "9912"


def _octets(*pieces: str | bytes) -> bytes:
    return b"".join(piece if isinstance(piece, bytes) else piece.encode("ascii") for piece in pieces)


COMMANDS: dict[str, bytes] = {
    piece[:2].decode("ascii"): piece
    for piece in (
        _octets("NC"),
        _octets("NO00"),
        _octets("B2", "0014", DATA),
        _octets("N0", "016"),
        # Keys
        _octets("A0", f"1009U;0{lmk('000', ZMK)}X"),
        _octets("BU", f"021{lmk('002', TPK)};001"),
        _octets("FI", f"0{lmk('000', ZMK)};UU1"),
        _octets("HA", f"{lmk('002', TMK)};XU0"),
        _octets("HC", f"{lmk('002', TMK)};XU0"),
        _octets("IA", f"{lmk('000', ZMK)};UU1"),
        _octets("KA", f"{lmk('001', ZPK)}01;001"),
        _octets("A6", f"001{lmk('000', ZMK)}{_zone(ZPK)}U"),
        _octets("A8", f"001{lmk('000', ZMK)}{lmk('001', ZPK)}X"),
        _octets("AE", f"{lmk('002', TMK)}{lmk('002', TPK)}"),
        _octets("AG", f"{lmk('002', TMK)}{lmk('003', TAK)}"),
        _octets("DW", f"{lmk('000', ZMK)}{_zone(BDK)}"),
        _octets("DY", f"{lmk('000', ZMK)}{lmk('009', BDK)}"),
        _octets("FA", f"{lmk('000', ZMK)}{_zone(ZPK)}"),
        _octets("GC", f"{lmk('000', ZMK)}{lmk('001', ZPK)}"),
        _octets("FC", f"{lmk('000', ZMK)}{_zone(PVK)}"),
        _octets("FK", f"1{lmk('000', ZMK)}{_zone(ZAK)}"),
        _octets("FM", f"0{lmk('000', ZMK)}{lmk('00A', ZEK)}"),
        _octets("MI", f"{lmk('000', ZMK)}{_zone(TAK)}"),
        _octets("MG", f"{lmk('000', ZMK)}{lmk('003', TAK)}"),
        # PINs between keys
        _octets("CA", f"{lmk('002', TPK)}{lmk('001', ZPK)}12{_BLOCK[TPK]}0101{ACCOUNT}"),
        _octets("CC", f"{lmk('001', ZPK)}{lmk('001', ZPK)}12{_BLOCK[ZPK]}0147{ACCOUNT}"),
        _octets("CI", f"{lmk('009', BDK)}{lmk('001', ZPK)}605{KSN}{_DUKPT_BLOCK}01{ACCOUNT}"),
        _octets("G0", f"{lmk('009', BDK)}{lmk('001', ZPK)}605{KSN}{_DUKPT_BLOCK}0101{ACCOUNT}"),
        # PINs verified
        _octets("BC", f"{lmk('002', TPK)}{_BLOCK[TPK]}01{ACCOUNT}{kept_pin(PIN)}"),
        _octets("BE", f"{lmk('001', ZPK)}{_BLOCK[ZPK]}01{ACCOUNT}{kept_pin(PIN)}"),
        _octets("CK", f"{lmk('009', BDK)}{lmk('002', PVK)}605{KSN}{_DUKPT_BLOCK}04{ACCOUNT}{_IBM}{OFFSET}"),
        _octets("CM", f"{lmk('009', BDK)}{lmk('002', PVK)}605{KSN}{_DUKPT_BLOCK}{ACCOUNT}1{PVV}"),
        _octets("DA", f"{lmk('002', TPK)}{lmk('002', PVK)}12{_BLOCK[TPK]}0104{ACCOUNT}{_IBM}{OFFSET}"),
        _octets("DC", f"{lmk('002', TPK)}{lmk('002', PVK)}{_BLOCK[TPK]}{_TAIL}"),
        _octets("EA", f"{lmk('001', ZPK)}{lmk('002', PVK)}12{_BLOCK[ZPK]}0104{ACCOUNT}{_IBM}{OFFSET}"),
        _octets("EC", f"{lmk('001', ZPK)}{lmk('002', PVK)}{_BLOCK[ZPK]}{_TAIL}"),
        _octets("GO", f"0{lmk('009', BDK)}{lmk('002', PVK)}605{KSN}{_DUKPT_BLOCK}0104{ACCOUNT}{_IBM}{OFFSET}"),
        _octets("GQ", f"0{lmk('009', BDK)}{lmk('002', PVK)}605{KSN}{_DUKPT_BLOCK}{_TAIL}"),
        # PINs issued
        _octets("JA", f"{ACCOUNT}05"),
        _octets("JC", f"{lmk('002', TPK)}{_BLOCK[TPK]}01{ACCOUNT}"),
        _octets("JE", f"{lmk('001', ZPK)}{_BLOCK[ZPK]}01{ACCOUNT}"),
        _octets("JG", f"{lmk('001', ZPK)}01{ACCOUNT}{kept_pin(PIN)}"),
        _octets("DE", f"{lmk('002', PVK)}{kept_pin(PIN)}04{ACCOUNT}{_IBM}"),
        _octets("BK", f"001{lmk('001', ZPK)}{lmk('002', PVK)}{_BLOCK[ZPK]}0104{ACCOUNT}{_IBM}"),
        _octets("EE", f"{lmk('002', PVK)}{OFFSET}04{ACCOUNT}{_IBM}"),
        _octets("DG", f"{lmk('002', PVK)}{kept_pin(PIN)}{ACCOUNT}1"),
        _octets("FW", f"001{lmk('001', ZPK)}{lmk('002', PVK)}{_BLOCK[ZPK]}01{ACCOUNT}1"),
        _octets("CU", f"001{lmk('001', ZPK)}{lmk('002', PVK)}{_BLOCK[ZPK]}{_TAIL}{_NEW_BLOCK}"),
        _octets("DU", f"001{lmk('001', ZPK)}{lmk('002', PVK)}{_BLOCK[ZPK]}0104{ACCOUNT}{_IBM}{OFFSET}{_NEW_BLOCK}"),
        # Cards
        _octets("CW", f"{lmk('402', CVK)}{_CARD}"),
        _octets("CY", f"{lmk('402', CVK)}{oracle.cvv(CVK, PAN, '2812', '201')}{_CARD}"),
        _octets("RY", f"30{lmk('402', CVK)}{_AMEX}"),
        _octets(
            f"KQ10{lmk('109', ISSUER)}", bytes.fromhex((PAN + NUMBER)[-16:]), b"\x00\x01%00\x19",
            f"{len(DATA):02X}", DATA, b";", ARQC, b"00",
        ),
        _octets(
            f"KW22{lmk('109', ISSUER)}", bytes.fromhex((PAN + NUMBER)[-16:]), b"\x00\x01",
            f"{len(DATA):02X}", DATA, b";", SESSION_ARQC, b"\x00\x80\x00\x00", b"3", b"%00",
        ),
        # MACs and data
        _octets(f"M600131003{lmk('003', TAK)}0014", DATA),
        _octets(f"M800131003{lmk('003', TAK)}0014", DATA, _MAC),
        _octets(f"GW41{lmk('009', BDK)}605{KSN}0020", DATA),
        _octets("MA", lmk("003", TAK), DATA),
        _octets("MC", lmk("003", TAK), _SHORT_MAC, DATA),
        _octets("ME", lmk("003", TAK), lmk("003", TMK), _SHORT_MAC, DATA),
        _octets(f"MQ0{lmk('008', ZAK)}014", DATA),
        _octets(f"MS0010{lmk('003', TAK)}0014", DATA),
        _octets(f"M0010000A{lmk('00A', ZEK)}00112233445566770010", DATA[:16]),
        _octets(f"M2000100A{lmk('00A', ZEK)}0010", DATA[:16]),
        _octets(f"M400000000A{lmk('00A', ZEK)}00B{lmk('00B', ZAK)}0010", DATA[:16]),
        _octets(f"HE{lmk('003', TAK)}0011223344556677"),
        _octets(f"HG{lmk('003', TAK)}0011223344556677"),
        _octets("GM0600020", DATA),
        _octets("L006000032"),
        _octets("LQ06003200", _counted(_HMAC_KEY), b";", _counted(DATA, 5)),
        _octets("LS06", _HMAC, "00", _counted(_HMAC_KEY), b";", _counted(DATA, 5)),
        # RSA
        _octets("EI0102401"),
        _octets("EO01", _PUBLIC),
        _octets("EW060101", _counted(DATA), b";99", _PRIVATE),
        _octets("EY060101", _SIGNATURE, b";", _counted(DATA), b";", _VOUCHED[:4], _PUBLIC),
    )
}  # fmt: skip
"""What a unit as it comes carries out, by command code."""

AUTHORISED: dict[str, bytes] = {
    piece[:2].decode("ascii"): piece
    for piece in (
        _octets("A4", f"2001U{lmk('001', ZPK)}{lmk('001', ZMK)}"),
        _octets("GY", f"2{lmk('000', ZPK)}{lmk('000', ZMK)};0U1"),
        _octets("B0", f"001{lmk('001', ZPK)}X"),
        _octets("FE", f"{lmk('000', ZMK)}{lmk('002', PVK)}"),
        _octets("LO", TABLE),
    )
}
"""What it carries out while a person has authorised the command's activity."""

PERMITTED: dict[str, tuple[dict[str, bool], bytes]] = {
    piece[:2].decode("ascii"): (settings, piece)
    for settings, piece in (
        ({"clear_pins": True}, _octets("BA", f"{PIN.ljust(13, 'F')}{ACCOUNT}")),
        ({"clear_pins": True}, _octets("NG", f"{ACCOUNT}{kept_pin(PIN)}")),
        ({"account_change": True}, _octets("QK", f"{kept_pin(PIN)}{ACCOUNT}{ACCOUNT[::-1]}")),
        ({"old_lmk": True}, _octets("BW021U9431CB85DB136EA608B44528E50C68E5")),
        ({"old_lmk": True}, _octets("BG", f"{ACCOUNT}{pin_under_old_lmk(PIN)}")),
    )
}
"""What it carries out only with settings that its owner must make."""

UNITS_OWN = ("NK", "RA")
"""What the unit itself answers, not the engine."""
OPTIONAL_ENDS = ("AE", "BU", "HA", "HC", "FI", "IA", "JA", "KA", "MA", "MC", "ME", "RA", "NK")
"""Commands here of which a shorter one is one too: options, or data to the end."""
