# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Which keys an ABECS pad's twin has in which places, and data enciphered under them. No PIN, no packet.

Source: Pinpad Abecs, protocol 2.12, 3.2.4 (GIX), 3.3.6 (EBX) and 5.1 (places).
"""

from collections.abc import Callable

from device_profiles.pinpad_load import SlotUse
from device_profiles.twins.abecs_desk import Answer
from device_profiles.twins.pinpad_keys import PinpadKeys
from protocols.serial.abecs_messages import (
    BLOCK_OCTETS,
    LONGEST_ENCIPHER,
    MASTER_TDES_CBC,
    PIN_KSNS,
    WORKING_KEY_OCTETS,
    Command,
    Parameter,
    PinMethod,
    Status,
    decode_parameters,
    parameters,
)

PLACES = 100
_PROPERTIES: dict[int, bytes] = {
    Parameter.MODEL: b"TEST ABECS TWIN",
    Parameter.MAKER: b"TILLGUARD",
    Parameter.SPECIFICATION: b"2.12",
}


def has_pin_key(keys: PinpadKeys, engine: int, method: PinMethod, place: int) -> bool:
    """Whether there is a key for PINs; the DUKPT engine is at the place ``engine``."""
    if method is PinMethod.DUKPT_TDES:
        return place == engine and not keys.tampered
    return keys.masters.get(f"{place:02d}", SlotUse.PIN) is not None


def properties(keys: PinpadKeys, serial: str, engine: int, command: Command) -> Answer:
    """GIX: what was asked for, or all."""
    asked = decode_parameters(command.blocks, "GIX").get(Parameter.IDENTIFIERS)
    have: dict[int, bytes] = {
        **_PROPERTIES,
        Parameter.SERIAL_NUMBER: serial.encode("ascii"),
        Parameter.MASTER_KEYS_FOR_DATA: _map(lambda place: keys.has_data_slot(f"{place:02d}")),
        Parameter.MASTER_KEYS_FOR_PINS: _map(lambda place: has_pin_key(keys, engine, PinMethod.MASTER_TDES, place)),
        Parameter.DUKPT_KEYS_FOR_PINS: _map(lambda place: has_pin_key(keys, engine, PinMethod.DUKPT_TDES, place)),
    }
    ksn = keys.next_ksn
    if asked is not None and ksn is not None:
        have[PIN_KSNS + engine] = ksn.octets
    if asked is not None:
        wanted = [int.from_bytes(asked[place : place + 2], "big") for place in range(0, len(asked), 2)]
        have = {name: value for name, value in have.items() if name in wanted}
    return Answer("GIX", Status.OK, (parameters(have),))


def enciphered(keys: PinpadKeys, command: Command) -> Answer:
    """EBX: TDES in CBC under a working key."""
    given = decode_parameters(command.blocks, "EBX")
    data, iv = given.get(Parameter.DATA_IN, b""), given.get(Parameter.IV, bytes(BLOCK_OCTETS))
    working_key = given.get(Parameter.WORKING_KEY, b"")
    slot = given.get(Parameter.KEY_INDEX, b"").decode("ascii", "replace")
    if not data or not slot or not working_key or Parameter.DATA_METHOD not in given:
        return Answer("EBX", Status.MISSING_PARAMETER)
    sound = len(data) % BLOCK_OCTETS == 0 and len(data) <= LONGEST_ENCIPHER and len(iv) == BLOCK_OCTETS
    if not sound or len(working_key) != WORKING_KEY_OCTETS or given[Parameter.DATA_METHOD] != MASTER_TDES_CBC:
        return Answer("EBX", Status.BAD_PARAMETER)
    if not keys.has_data_slot(slot):
        return Answer("EBX", Status.KEY_MISSING)
    out = keys.encipher_data(slot, working_key, iv, data)
    return Answer("EBX", Status.OK, (parameters({Parameter.DATA_OUT: out}),))


def _map(present: Callable[[int], bool]) -> bytes:
    return b"".join(b"1" if present(place) else b"0" for place in range(PLACES))
