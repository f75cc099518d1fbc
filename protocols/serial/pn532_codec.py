# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Frames → commands and replies of the PN532, and what may be shown of them in a trace. Knows no port and no time.

Layouts as in :mod:`protocols.serial.pn532_messages` (NXP UM0701-02, 7.2 and 7.3). Octets behind the last field of a
reply are refused, except where the manual lets a card send what it likes (ATS, data of an exchange).
"""

from collections.abc import Callable

from protocols.emv.redaction import redacted_command, redacted_response
from protocols.errors import DecodeError
from protocols.octets import Cursor
from protocols.serial.framer import Damaged
from protocols.serial.pn532 import CHIP_TO_HOST, HOST_TO_CHIP, Event, Frame, FrameFramer, Signal
from protocols.serial.pn532_chip import CHIP_COMMANDS, CHIP_NAMES, ChipCommand
from protocols.serial.pn532_messages import (
    ATQB_FIRST,
    ATQB_OCTETS,
    LARGEST_EXCHANGE,
    MORE,
    Code,
    Command,
    DataExchanged,
    Deselected,
    Done,
    FirmwareVersion,
    GetFirmwareVersion,
    InDataExchange,
    InDeselect,
    InListPassiveTarget,
    InRelease,
    Modulation,
    Released,
    Reply,
    RfConfiguration,
    SamConfiguration,
    SetParameters,
    Target,
    TargetA,
    TargetB,
    Targets,
    status_words,
)

_STATUS = 0x3F  # the error code in a status octet; above it stand NAD and MI
SHOWN_OCTETS = 12  # the longest setting of the chip
UID_OCTETS = (4, 7, 10)  # ISO/IEC 14443-3:2018, 6.5.4
MOST_TARGETS = 2  # what the chip can hold (UM0701-02, 7.3.5)


def decode_command(frame: Frame) -> Command | ChipCommand:
    """What the host asks: the chip's side."""
    code, body = _opened(frame, HOST_TO_CHIP, 0, "command")
    decoder = _COMMANDS.get(code) or CHIP_COMMANDS.get(code)
    if decoder is None:
        raise DecodeError("PN532 command", "a code that a payment reader does not need")
    return decoder(body)


def decode_reply(frame: Frame) -> Reply:
    """What the chip answers: the host's side."""
    code, body = _opened(frame, CHIP_TO_HOST, 1, "reply")
    decoder = _REPLIES.get(code)
    if decoder is None:
        raise DecodeError("PN532 reply", "a code that nothing here asks for")
    return decoder(body)


def _opened(frame: Frame, tfi: int, offset: int, what: str) -> tuple[Code, Cursor]:
    if frame.tfi != tfi:
        raise DecodeError(f"PN532 {what}", f"TFI {frame.tfi:02X}, {tfi:02X} expected")
    body = Cursor(frame.data, f"PN532 {what}")
    try:
        return Code(body.u8("code") - offset), body
    except ValueError:
        raise DecodeError(f"PN532 {what}", "unknown code") from None


def _get_firmware_version(body: Cursor) -> GetFirmwareVersion:
    body.end()
    return GetFirmwareVersion()


def _sam_configuration(body: Cursor) -> SamConfiguration:
    mode = body.u8("mode")
    timeout = body.u8("timeout") if body.left else None
    irq = body.u8("IRQ") if body.left else None
    body.end()
    return SamConfiguration(mode, timeout, irq)


def _rf_configuration(body: Cursor) -> RfConfiguration:
    return RfConfiguration(body.u8("item"), body.rest())


def _set_parameters(body: Cursor) -> SetParameters:
    flags = body.u8("flags")
    body.end()
    return SetParameters(flags)


def _in_list_passive_target(body: Cursor) -> InListPassiveTarget:
    most = body.u8("number of targets")
    if not 1 <= most <= MOST_TARGETS:
        raise DecodeError("InListPassiveTarget", f"one or {MOST_TARGETS} targets expected")
    return InListPassiveTarget(most, body.u8("modulation"), body.rest())


def _in_data_exchange(body: Cursor) -> InDataExchange:
    target = body.u8("target")
    data = body.rest()
    number = target & ~MORE
    if not 0 < number < MORE or len(data) > LARGEST_EXCHANGE:
        raise DecodeError("InDataExchange", f"a target and up to {LARGEST_EXCHANGE} octets expected")
    return InDataExchange(number, data, bool(target & MORE))


def _in_release(body: Cursor) -> InRelease:
    target = body.u8("target")
    body.end()
    return InRelease(target)


def _in_deselect(body: Cursor) -> InDeselect:
    target = body.u8("target")
    body.end()
    return InDeselect(target)


def _firmware_version(body: Cursor) -> FirmwareVersion:
    version = FirmwareVersion(body.u8("IC"), body.u8("version"), body.u8("revision"), body.u8("support"))
    body.end()
    return version


def _targets(body: Cursor) -> Targets:
    count = body.u8("number of targets")
    if count > MOST_TARGETS:
        raise DecodeError("InListPassiveTarget reply", f"more than {MOST_TARGETS} targets")
    found: list[Target] = []
    for _ in range(count):
        number, first = body.u8("target"), body.u8("SENS_RES or ATQB")
        # The high half of SENS_RES's first octet is 0 (ISO/IEC 14443-3:2018, 6.5.2.1): the two cannot be confused.
        found.append(_target_b(number, body) if first == ATQB_FIRST else _target_a(number, first, body))
    body.end()
    return Targets(tuple(found))


def _target_a(number: int, first: int, body: Cursor) -> TargetA:
    sens_res, sel_res = bytes((first,)) + body.take(1, "SENS_RES"), body.u8("SEL_RES")
    size = body.u8("UID length")
    if size not in UID_OCTETS:
        raise DecodeError("InListPassiveTarget reply", "a UID of 4, 7 or 10 octets expected")
    target = TargetA(number, sens_res, sel_res, body.take(size, "UID"), b"")
    if not target.speaks_iso_dep or not body.left:
        return target
    length = body.u8("ATS length")
    if not length:
        raise DecodeError("InListPassiveTarget reply", "an ATS whose length does not count itself")
    return TargetA(number, sens_res, sel_res, target.uid, bytes((length,)) + body.take(length - 1, "ATS"))


def _target_b(number: int, body: Cursor) -> TargetB:
    atqb = bytes((ATQB_FIRST,)) + body.take(ATQB_OCTETS - 1, "ATQB")
    return TargetB(number, atqb, body.take(body.u8("ATTRIB_RES length"), "ATTRIB_RES"))


def _status(body: Cursor) -> int:
    status = body.u8("status") & _STATUS
    body.end()
    return status


def _data_exchanged(body: Cursor) -> DataExchanged:
    status = body.u8("status")
    return DataExchanged(status & _STATUS, body.rest(), bool(status & MORE))


def _released(body: Cursor) -> Released:
    return Released(_status(body))


def _deselected(body: Cursor) -> Deselected:
    return Deselected(_status(body))


def _done(code: Code) -> Callable[[Cursor], Done]:
    def decode(body: Cursor) -> Done:
        body.end()
        return Done(code)

    return decode


_COMMANDS: dict[Code, Callable[[Cursor], Command]] = {
    Code.GET_FIRMWARE_VERSION: _get_firmware_version,
    Code.SAM_CONFIGURATION: _sam_configuration,
    Code.RF_CONFIGURATION: _rf_configuration,
    Code.SET_PARAMETERS: _set_parameters,
    Code.IN_LIST_PASSIVE_TARGET: _in_list_passive_target,
    Code.IN_DATA_EXCHANGE: _in_data_exchange,
    Code.IN_RELEASE: _in_release,
    Code.IN_DESELECT: _in_deselect,
}
_REPLIES: dict[Code, Callable[[Cursor], Reply]] = {
    Code.GET_FIRMWARE_VERSION: _firmware_version,
    Code.SAM_CONFIGURATION: _done(Code.SAM_CONFIGURATION),
    Code.RF_CONFIGURATION: _done(Code.RF_CONFIGURATION),
    Code.SET_PARAMETERS: _done(Code.SET_PARAMETERS),
    Code.IN_LIST_PASSIVE_TARGET: _targets,
    Code.IN_DATA_EXCHANGE: _data_exchanged,
    Code.IN_RELEASE: _released,
    Code.IN_DESELECT: _deselected,
}


def redacted(octets: bytes) -> str:
    """What went over the line, in words: no UID, of APDUs what :mod:`protocols.emv.redaction` lets through."""
    framer = FrameFramer()
    events = [*framer.feed(octets), *framer.lapse()]
    return ", ".join(redacted_event(event) for event in events) or f"{len(octets)} octets to wake or fill"


def redacted_event(event: Event, *, continued: bool = False) -> str:
    """One event of the line, in words; see :func:`redacted`. ``continued``: its data go on where a piece ended."""
    if isinstance(event, Signal):
        return event.name.replace("_", " ")
    if isinstance(event, Damaged):
        return f"damaged ({event.why})"
    try:
        message: Command | ChipCommand | Reply = (
            decode_command(event) if event.tfi == HOST_TO_CHIP else decode_reply(event)
        )
    except DecodeError:
        return f"frame of {len(event.data)} octets"
    name = _NAMES.get(message.code, message.code.name)
    return f"{name} {_detail(message, continued)}".rstrip()


_NAMES = {
    **CHIP_NAMES,
    Code.GET_FIRMWARE_VERSION: "GetFirmwareVersion",
    Code.SET_PARAMETERS: "SetParameters",
    Code.SAM_CONFIGURATION: "SAMConfiguration",
    Code.RF_CONFIGURATION: "RFConfiguration",
    Code.IN_DATA_EXCHANGE: "InDataExchange",
    Code.IN_DESELECT: "InDeselect",
    Code.IN_LIST_PASSIVE_TARGET: "InListPassiveTarget",
    Code.IN_RELEASE: "InRelease",
}


def _detail(message: Command | ChipCommand | Reply, continued: bool) -> str:
    match message:
        case InDataExchange(data=data, more=more):
            return f"piece of {len(data)} octets" if more or continued or not data else redacted_command(data)
        case DataExchanged(status=0, data=data, more=more):
            return f"piece of {len(data)} octets" if more or continued else redacted_response(data)
        case DataExchanged(status=status) | Released(status=status) | Deselected(status=status):
            return status_words(status)
        case Targets(found=found):
            kinds = (_kind(one) for one in found)
            return ", ".join(kinds) or "nobody"
        case InListPassiveTarget(modulation=modulation):
            return Modulation(modulation).name if modulation in set(Modulation) else f"modulation {modulation}"
        case FirmwareVersion():
            return str(message)
        case SamConfiguration() | RfConfiguration() | SetParameters():
            shown = message.parameters()
            return shown.hex().upper() if len(shown) <= SHOWN_OCTETS else f"{len(shown)} octets"
        case _:
            return ""


def _kind(target: Target) -> str:
    part = 4 if target.speaks_iso_dep else 3
    return f"ISO 14443-{part} {'A' if isinstance(target, TargetA) else 'B'}"
