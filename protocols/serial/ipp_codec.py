# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Packets ⇄ messages of the IPP family, and their redacted form for traces. Knows no line and no order of packets.

The same number may ask in one direction and answer in the other (04, 06), so each direction has its own decoder. The
text forms are those of :mod:`protocols.serial.ipp`; a decoder accepts only what the dialect would send.
"""

import re
from collections.abc import Callable

from protocols.errors import DecodeError, EncodeError
from protocols.octets import unhex
from protocols.pan import Pan
from protocols.serial import ipp_entry, ipp_keys
from protocols.serial.framer import FS, GS, SUB, Control, Damaged, Envelope, Event, Packet, PacketFramer
from protocols.serial.ipp import (
    BLOCK_OCTETS,
    KSN_DIGITS,
    MAC_OCTETS,
    NO_ERROR,
    SERIAL_CHARACTERS,
    SESSION_KEY_OCTETS,
    Cancel,
    CheckKey,
    Dialect,
    KeyPresence,
    MacResult,
    Message,
    PinBlock,
    PinReason,
    PinRefusal,
    PinReplyForm,
    ReadSerial,
    Reply,
    Request,
    RequestMac,
    RequestPin,
    RequestRefusedError,
    SelectKey,
    SerialNumber,
    ShowText,
)
from protocols.serial.ipp_entry import EntryReply, EntryRequest, SessionPinBlock, ShowPrompt
from protocols.serial.ipp_keys import KeyReply, KeyRequest

AnyRequest = Request | KeyRequest | EntryRequest
AnyReply = Reply | KeyReply | EntryReply

_FS, _GS, _SUB = chr(FS), chr(GS), chr(SUB)
PLAIN_AMOUNT = re.compile(r"[A-Z]{3} [0-9]{1,9}[.,][0-9]{2}")  # cannot be an account number: traces may show it
_LONG_NUMBERS = ("Z4", "Z5", "Z6")  # numbers that begin so have three characters, all others two


def encode(message: Message, dialect: Dialect) -> Packet:
    """The packet of a message in a dialect; :class:`EncodeError` when a field does not fit it."""
    packet = Packet(message.envelope, message.text(dialect).encode("ascii"))
    if len(packet.body) + 3 > dialect.longest_packet:
        raise EncodeError(f"a packet of {len(packet.body) + 3} octets, the pad takes {dialect.longest_packet}")
    return packet


def decode_request(packet: Packet, dialect: Dialect) -> AnyRequest:
    """What a controller asks: for the pad's side. :class:`RequestRefusedError` where a pad answers with a code."""
    found, rest = _split(packet)
    decoder = _REQUESTS.get((packet.envelope, found))
    if decoder is None:
        raise DecodeError("packet number", "no request of this family that a pad here knows")
    return decoder(rest, dialect)


def decode_reply(packet: Packet, dialect: Dialect) -> AnyReply:
    """What a pad answers: for the controller's side."""
    found, rest = _split(packet)
    decoder = _REPLIES.get((packet.envelope, found))
    if decoder is None:
        raise DecodeError("packet number", "no reply of this family that a controller here knows")
    return decoder(rest, dialect)


def number(packet: Packet) -> str:
    """The packet's number, e.g. 71 or Z60: all that the taking of turns needs to know."""
    text = packet.body[:3].decode("ascii", "replace")
    return text if text[:2] in _LONG_NUMBERS else text[:2]


def _split(packet: Packet) -> tuple[str, str]:
    try:
        text = packet.body.decode("ascii")
    except UnicodeDecodeError:
        raise DecodeError("packet body", "an octet above 7F, text expected") from None
    found = number(packet)
    return found, text[len(found) :]


def _nothing(rest: str, where: str) -> None:
    if rest:
        raise DecodeError(where, f"{len(rest)} characters behind the number, none expected")


def _cancel(rest: str, _: Dialect) -> Cancel:
    _nothing(rest, "72")
    return Cancel()


def _read_serial(rest: str, _: Dialect) -> ReadSerial:
    _nothing(rest, "06")
    return ReadSerial()


def _slot(rest: str, where: str) -> str:
    if len(rest) != 1 or not rest.isalnum():
        raise DecodeError(where, "one character that names a slot expected")
    return rest


def _check_key(rest: str, _: Dialect) -> CheckKey:
    return CheckKey(_slot(rest, "04"))


def _select_key(rest: str, _: Dialect) -> SelectKey:
    return SelectKey(_slot(rest, "08"))


def _show_text(rest: str, dialect: Dialect) -> ShowText | ShowPrompt:
    if rest.startswith(_GS):
        return ipp_entry.show_prompt(rest)
    words = rest.removeprefix(_SUB)
    if not rest.startswith(_SUB) or not words.isprintable() or len(words) > dialect.display_characters:
        raise DecodeError("Z2", f"SUB and up to {dialect.display_characters} printable characters expected")
    return ShowText(words)


def _request_pin(rest: str, dialect: Dialect) -> RequestPin | EntryRequest:
    if not rest.startswith("."):
        raise DecodeError("Z60", "a point and the PAN expected")
    if ipp_entry.has_session_key(rest):
        return ipp_entry.session_pin("Z60")(rest, dialect)
    digits, *fields = rest[1:].split(_FS)
    pan = ipp_entry.pan_of(digits, "Z60", dialect)
    if dialect.pin_request_marker:
        if fields[:1] != [dialect.pin_request_marker]:
            why = "the marker of this dialect expected behind the PAN"
            raise RequestRefusedError("Z60", why, dialect.refusal(PinReason.KEY_FORMAT))
        fields = fields[1:]
    return RequestPin(pan, ipp_entry.time_units(fields, "Z60", dialect))


def _request_mac(rest: str, dialect: Dialect) -> RequestMac:
    parts = rest.split(_FS)
    if len(parts) != 4:
        raise DecodeError("Z66", f"{len(parts)} fields, 4 expected")
    head, left, right, data = parts
    flag, sequence, slot = head[:1], head[1:3], head[3:]
    if flag not in (dialect.mac_last_flag, dialect.mac_more_flag):
        raise DecodeError("Z66 flag", "not a flag of this dialect")
    if len(sequence) != 2 or not sequence.isdigit():
        raise DecodeError("Z66 piece number", "two decimal digits expected")
    if slot != dialect.mac_slot:
        raise DecodeError("Z66 slot", "not the MAC slot of this dialect")
    key = unhex(left, "Z66 key") + unhex(right, "Z66 second key")
    octets = unhex(data, "Z66 data")
    if len(left) != 16 or len(key) != SESSION_KEY_OCTETS:
        raise DecodeError("Z66 key", "two fields of 16 hexadecimal digits expected")
    if not octets or len(octets) % 8 or len(octets) > dialect.mac_piece_octets:
        raise DecodeError("Z66 data", "whole 8-octet blocks expected, no more than a packet takes")
    return RequestMac(flag == dialect.mac_last_flag, int(sequence), key, octets)


def _serial_number(rest: str, _: Dialect) -> SerialNumber:
    if not rest or len(rest) > SERIAL_CHARACTERS or not rest.isprintable():
        raise DecodeError("06", f"a serial number of 1 to {SERIAL_CHARACTERS} printable characters expected")
    return SerialNumber(rest)


def _key_presence(rest: str, _: Dialect) -> KeyPresence:
    if rest[:1] not in ("0", "F"):
        raise DecodeError("04", "0 for absent or F for present expected")
    attributes = rest[1:4] if rest[0] == "F" else ""
    return KeyPresence(rest[0] == "F", attributes if len(attributes) == 3 and attributes.isalnum() else "")


def _pin_refusal(rest: str, dialect: Dialect) -> PinRefusal:
    # To some dialects 0 is the function key of a good entry alone, to UIC also the error "no PAN".
    if not rest.isalnum() or (rest == NO_ERROR and NO_ERROR not in dialect.pin_errors):
        raise DecodeError("71", "one error code expected")
    return PinRefusal(rest)


def _pin_block(text: str, where: str) -> PinBlock:
    ksn, block = text[: -2 * BLOCK_OCTETS], text[-2 * BLOCK_OCTETS :]
    if len(ksn) not in KSN_DIGITS:
        raise DecodeError(f"{where} KSN", f"{len(ksn)} characters, 10 to 20 expected")
    return PinBlock(unhex(ksn.rjust(KSN_DIGITS[-1], "F"), f"{where} KSN"), unhex(block, f"{where} block"))


def _reply_71(rest: str, dialect: Dialect) -> PinBlock | PinRefusal | SessionPinBlock:
    if len(rest) == 1:
        return _pin_refusal(rest, dialect)
    if rest.startswith("."):
        return ipp_entry.session_pin_block(rest)
    if dialect.pin_reply is not PinReplyForm.NUMBER_71 or rest[:1] != NO_ERROR:
        raise DecodeError("71", "function key 0, KSN and block, or one error code expected")
    return _pin_block(rest[1:], "71")


def _reply_73(rest: str, dialect: Dialect) -> PinBlock:
    if dialect.pin_reply is not PinReplyForm.NUMBER_73 or not rest.startswith(".00000"):
        raise DecodeError("73", "a point, five zeros, KSN and block expected")
    return _pin_block(rest[6:], "73")


def _mac_result(rest: str, _: Dialect) -> MacResult:
    mac = unhex(rest[1:], "Z67 MAC")
    if not rest[:1].isdigit() or len(mac) != (MAC_OCTETS if rest[0] == NO_ERROR else 0):
        raise DecodeError("Z67", "code 0 with a MAC of 8 octets, or another digit alone expected")
    return MacResult(rest[0], mac)


_REQUESTS: dict[tuple[Envelope, str], Callable[[str, Dialect], AnyRequest]] = {
    **ipp_keys.REQUESTS,
    **ipp_entry.REQUESTS,
    (Envelope.ADMINISTRATION, "04"): _check_key,
    (Envelope.ADMINISTRATION, "06"): _read_serial,
    (Envelope.ADMINISTRATION, "08"): _select_key,
    (Envelope.TRANSACTION, "72"): _cancel,
    (Envelope.TRANSACTION, "Z2"): _show_text,
    (Envelope.TRANSACTION, "Z60"): _request_pin,
    (Envelope.TRANSACTION, "Z66"): _request_mac,
}
_REPLIES: dict[tuple[Envelope, str], Callable[[str, Dialect], AnyReply]] = {
    **ipp_keys.REPLIES,
    **ipp_entry.REPLIES,
    (Envelope.ADMINISTRATION, "04"): _key_presence,
    (Envelope.ADMINISTRATION, "06"): _serial_number,
    (Envelope.TRANSACTION, "71"): _reply_71,
    (Envelope.TRANSACTION, "73"): _reply_73,
    (Envelope.TRANSACTION, "Z67"): _mac_result,
}


def redacted(octets: bytes) -> str:
    """What went over the line, in words: no key, no MACed data, a masked PAN; of an unknown packet the length."""
    framer = PacketFramer(4096)
    events = [*framer.feed(octets), *framer.lapse()]
    return ", ".join(redacted_event(event) for event in events) or "nothing"


def redacted_event(event: Event) -> str:
    """One event of the line, in words; see :func:`redacted`."""
    if isinstance(event, Control):
        return event.name
    if isinstance(event, Damaged):
        return f"damaged ({event.why})"
    try:
        found, rest = _split(event)
        words = _WORDS[found](rest) if found in _WORDS else f"{len(rest)} characters"
    except DecodeError:
        return f"packet of {len(event.body)} octets"
    return f"{found} {words}".rstrip() if found.isalnum() else f"packet of {len(event.body)} octets"


def _words_of_pin_request(rest: str) -> str:
    digits, *fields = rest.removeprefix(".").split(_FS)
    try:
        shown = Pan(digits).masked
    except DecodeError:
        shown = f"{len(digits)} characters"
    return " ".join(["PAN", shown, *(_words_of_field(part) for part in fields)])


def _words_of_field(text: str) -> str:
    return f"time limit {text}" if len(text) == 1 and text.isdigit() else f"field of {len(text)}"


def _words_of_display(rest: str) -> str:
    words = rest.removeprefix(_SUB)
    return f"'{words}'" if PLAIN_AMOUNT.fullmatch(words) else f"text of {len(words)} characters"


def _words_of_pin_reply(rest: str) -> str:
    if len(rest) == 1:
        return f"error {rest}" if rest.isalnum() else "1 character"
    block, ksn = rest[-2 * BLOCK_OCTETS :], rest[: -2 * BLOCK_OCTETS].removeprefix(".0000")[1:]
    if len(ksn) not in KSN_DIGITS or not ksn.isalnum():
        return f"{len(rest)} characters"
    return f"KSN {ksn.rjust(KSN_DIGITS[-1], 'F')} block of {len(block) // 2} octets"


def _words_of_mac_request(rest: str) -> str:
    parts = rest.split(_FS)
    data = f"{len(parts[-1]) // 2} octets of data" if len(parts) == 4 else f"{len(parts)} fields"
    return f"piece {parts[0][1:3]}, enciphered key, {data}" if parts[0][1:3].isdigit() else data


def _words_of_mac_result(rest: str) -> str:
    return f"code {rest[:1]}" + (" with MAC" if len(rest) > 1 else "")


_WORDS: dict[str, Callable[[str], str]] = {
    **ipp_keys.WORDS,
    "04": lambda rest: rest if len(rest) == 1 and rest.isalnum() else f"{len(rest)} characters",
    "06": lambda rest: rest if rest.isalnum() and len(rest) <= SERIAL_CHARACTERS else "",
    "08": lambda rest: rest if len(rest) == 1 and rest.isalnum() else f"{len(rest)} characters",
    "70": _words_of_pin_request,
    "71": _words_of_pin_reply,
    "72": lambda rest: f"{len(rest)} characters" if rest else "",
    "73": _words_of_pin_reply,
    "Z2": _words_of_display,
    "Z60": _words_of_pin_request,
    "Z62": _words_of_pin_request,
    "Z63": _words_of_pin_request,
    "Z66": _words_of_mac_request,
    "Z67": _words_of_mac_result,
}
