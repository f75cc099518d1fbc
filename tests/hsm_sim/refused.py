# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""For every command and every error code that its row explains: a command that must be answered so. No test."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from protocols.hsm.codes import ErrorCode, KeyScheme
from protocols.hsm.commands import COMMANDS
from protocols.hsm.fields import Key, KeyField
from protocols.hsm.layout import Fields, layout_of
from protocols.hsm.message import decode_request
from protocols.hsm.rsa_keys import RsaPublicKey
from tests.hsm_sim import live, oracle

Settings = Mapping[str, Any]
NOISE = KeyField.from_text("U" + "0123456789ABCDEF" * 2)
"""Not a key of odd parity under any pair of the TEST LMK."""
_SINGLE = oracle.key(8)
_UNDER_4 = "0987"


def live_command(code: str) -> tuple[Settings, bytes]:
    """The settings of a unit that carries the command out, and the command."""
    if code in live.PERMITTED:
        return live.PERMITTED[code]
    return {}, live.AUTHORISED.get(code) or live.COMMANDS[code]


def fields_of(code: str) -> Fields:
    """The fields of the live command."""
    return decode_request(COMMANDS[code], live_command(code)[1][2:]).fields


def altered(code: str, **changed: Any) -> bytes:
    """The live command with some fields changed."""
    fields = replace(fields_of(code), **changed)  # type: ignore[type-var]  # layouts are dataclasses, Fields is not
    return code.encode("ascii") + layout_of(type(fields)).write(fields)


def put(code: str, place: int, octets: str | bytes) -> bytes:
    """The live command with octets put at a place behind the command code."""
    whole = live_command(code)[1]
    piece = octets.encode("ascii") if isinstance(octets, str) else octets
    return whole[: 2 + place] + piece + whole[2 + place + len(piece) :]


def _keys(code: str) -> list[str]:
    """The names of the key fields that the live command has."""
    fields = fields_of(code)
    slots = layout_of(type(fields)).slots
    return [slot.name for slot in slots if isinstance(slot.kind, Key) and getattr(fields, slot.name) is not None]


def _single(code: str, kind: str) -> KeyField:
    return KeyField(KeyScheme.SINGLE, bytes.fromhex(oracle.under_lmk(kind, _SINGLE)))


def _wrong_parity() -> bytes:
    """A6 with a key whose parity is wrong under the ZMK."""
    odd = bytes(octet ^ 1 for octet in oracle.key())
    return altered("A6", key=KeyField.from_text(oracle.under(live.ZMK, odd, "U")))


def cases() -> dict[tuple[str, str], tuple[Settings, bytes]]:
    """By command and error code."""
    found: dict[tuple[str, str], tuple[Settings, bytes]] = {}

    def add(code: str, error: str, command: bytes, **settings: Any) -> None:
        found[code, error] = ({**live_command(code)[0], **settings}, command)

    for code, command in COMMANDS.items():
        if code in live.UNITS_OWN or code == "A0":
            continue
        names = _keys(code)
        if "10" in command.errors:
            add(code, "10", altered(code, **{names[0]: NOISE}))
        if "11" in command.errors:
            add(code, "11", altered(code, **{names[1 if len(names) > 1 else 0]: NOISE}))
    add("A0", "10", f"A01009U;0{NOISE.text}X".encode())
    add("A4", "03", put("A4", 0, "1"))
    add("GY", "03", put("GY", 0, "0"))
    add("A6", "01", _wrong_parity(), correct_parity=True)
    add("B2", "80", b"B20010short")
    add("B2", "15", b"B20003longer")
    for code in ("BU", "BW", "KA"):
        add(code, "04", put(code, 0 if code != "KA" else len(live.COMMANDS["KA"]) - 8, "ZZ"))
    for code in ("BU", "BW"):
        add(code, "05", put(code, 2, "0"))
    add("BW", "33", live_command("BW")[1], old_lmk=False)
    wrong_pvv = f"{(int(live.PVV) + 1) % 10_000:04}"
    wrong_offset = f"{(int(live.OFFSET[:4]) + 1) % 10_000:04}"
    for code in ("CM", "DC", "EC", "GQ", "CU"):
        add(code, "01", altered(code, pvv=wrong_pvv))
        add(code, "27", altered(code, pvk=_single(code, "002")))
    for code in ("CK", "DA", "EA", "GO", "DU"):
        add(code, "01", altered(code, offset=wrong_offset))
    for code in ("BC", "BE"):
        add(code, "01", altered(code, pin=live.kept_pin(_UNDER_4)))
    for code in ("DG", "FW"):
        add(code, "27", altered(code, pvk=_single(code, "002")))
    for code in ("CK", "GO", "G0", "GW"):
        add(code, "27", altered(code, bdk=_single(code, "009")))
    for code in ("DE", "BK"):
        add(code, "81", altered(code, check_length="05"))
    add("DU", "81", _du_with_a_shorter_new_pin())
    add("EE", "81", altered("EE", check_length="05"))
    for code in ("DE", "BK", "EE", "DG", "FW"):
        add(code, "86", live_command(code)[1], excluded_pins=frozenset({live.PIN}))
    for code in ("CU", "DU"):
        add(code, "86", live_command(code)[1], excluded_pins=frozenset({live.NEW_PIN}))
    add("JA", "24", put("JA", 12, "03"))
    add("LO", "25", b"LO0000000000000000")
    add("CW", "27", altered("CW", cvk=_single("CW", "402")))
    add("CY", "27", altered("CY", cvk=_single("CY", "402")))
    add("CY", "01", altered("CY", cvv=f"{(int(live.COMMANDS['CY'][35:38]) + 1) % 1000:03}"))
    add("RY", "27", altered("RY", csck=_single("RY", "402")))
    add("RY", "01", altered("RY", mode="4", codes="000000000000"))
    add("KQ", "01", altered("KQ", arqc=bytes(8)))
    add("KQ", "04", put("KQ", 0, "9"))
    add("KQ", "05", put("KQ", 1, "9"))
    add("KQ", "81", live.COMMANDS["KQ"][:51] + b"00;" + bytes(8))
    add("KQ", "80", live.COMMANDS["KQ"][:51] + b"FF" + bytes(8))
    add("KW", "01", altered("KW", arqc=bytes(8)))
    add("KW", "04", put("KW", 0, "9"))
    add("KW", "05", put("KW", 1, "0"))
    add("KW", "81", live.COMMANDS["KW"][:47] + b"00;" + bytes(8))
    add("KW", "80", live.COMMANDS["KW"][:47] + b"FF" + bytes(8))
    for code in ("M6", "M8"):
        add(code, "02", put(code, 0, "4"))
        add(code, "03", put(code, 1, "3"))
        add(code, "04", put(code, 2, "2"))
        add(code, "05", put(code, 5, "001"))
        add(code, "06", altered(code, padding="0", data=b"1234567"))
        add(code, "09", put(code, 4, "3"))
    add("M8", "01", altered("M8", mac=bytes(8)))
    for code in ("M0", "M2"):
        add(code, "02", put(code, 0, "04"))
        add(code, "03", put(code, 2, "3"))
        add(code, "04", put(code, 3, "3"))
        add(code, "05", put(code, 4, "001"))
        add(code, "06", altered(code, data=b"1234567"))
    add("M0", "35", altered("M0", input_format="2", data=b"\x00" * 8))
    add("M2", "35", altered("M2", output_format="2", data=b"\x00" * 8))
    add("M4", "02", put("M4", 0, "04"))
    add("M4", "03", put("M4", 4, "2"))
    add("M4", "04", put("M4", 5, "2"))
    add("M4", "05", put("M4", 6, "001"))
    add("M4", "06", altered("M4", data=b"1234567"))
    add("M4", "07", put("M4", 2, "04"))
    add("M4", "08", put("M4", 42, "001"))
    add("GW", "01", altered("GW", mode="1", whole=bytes(8)))
    for code in ("MC", "ME"):
        add(code, "01", altered(code, mac=bytes(4)))
    add("MQ", "05", put("MQ", 0, "4"))
    add("MQ", "80", altered("MQ", piece="1", data=b"1234567"))
    add("MS", "05", put("MS", 0, "4"))
    add("MS", "04", put("MS", 1, "2"))
    add("MS", "06", put("MS", 2, "2"))
    add("MS", "03", put("MS", 3, "2"))
    add("MS", "80", altered("MS", piece="1", data=b"1234567"))
    add("N0", "01", b"N0000")
    add("GM", "05", b"GM0300000")
    add("GM", "80", b"GM0600005abc")
    _hmacs(add)
    _rsa(add)
    return found


def _du_with_a_shorter_new_pin() -> bytes:
    """DU whose five digits are checked and whose new PIN has four."""
    offset = oracle.ibm_offset(live.PVK, live.TABLE, live.SPREAD, "12345")
    return altered(
        "DU",
        block=bytes.fromhex(oracle.block_0(live.ZPK, "12345", live.ACCOUNT)),
        check_length="05",
        offset=offset,
    )


def _hmacs(add: Any) -> None:
    for code in ("L0", "LQ", "LS"):
        add(code, "05", put(code, 0, "02"))
    add("L0", "06", put("L0", 2, "01"))
    add("L0", "80", put("L0", 4, "0033"))
    add("LQ", "06", put("LQ", 6, "01"))
    add("LQ", "80", put("LQ", 2, "0033"))
    add("LS", "06", put("LS", 38, "01"))
    add("LS", "80", altered("LS", hmac=bytes(3)))
    add("LS", "01", altered("LS", hmac=bytes(32)))
    for code in ("LQ", "LS"):
        add(code, "49", altered(code, key=bytes(64)))
        add(code, "78", altered(code, key=bytes(10)))


def _rsa(add: Any) -> None:
    add("EI", "03", put("EI", 5, "03"))
    add("EI", "04", put("EI", 1, "0512"))
    add("EI", "05", put("EI", 0, "7"))
    add("EO", "03", put("EO", 0, "03"))
    add("EO", "04", b"EO01" + RsaPublicKey(1 << 511 | 1, 65_537).encode("01"))
    for code in ("EW", "EY"):
        add(code, "05", put(code, 0, "03"))
        add(code, "06", put(code, 2, "02"))
        add(code, "07", put(code, 4, "02"))
        add(code, "74", altered(code, hash_id="04"))
        add(code, "80", code.encode() + b"0601019999short")
    add("EW", "03", altered("EW", private_key=live.KEY_MANAGEMENT_KEY))
    add("EW", "04", live.COMMANDS["EW"].replace(b";99", b";98"))
    add("EW", "49", altered("EW", private_key=bytes(64)))
    add("EW", "78", altered("EW", private_key=bytes(10)))
    add("EY", "01", altered("EY", mac=bytes(4)))
    add("EY", "02", altered("EY", signature=bytes(128)))


EXPLAINED = {(code, error) for code, command in COMMANDS.items() for error in command.errors}
"""What the rows explain, and so must be shown."""
CODES = frozenset(code.value for code in ErrorCode)
