# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What each packet does in a PIN pad's twin: one method per request, and the table that finds it. Hears no line.

A pad that was tampered with, or whose self-test failed, ends every session but that of packet 01.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from device_profiles.pinpad_load import SlotUse
from device_profiles.twins.pinpad_entry import Entry, Wanted
from device_profiles.twins.pinpad_loading import KeyLoader
from device_profiles.twins.pinpad_macs import BROKEN, MacMachine
from device_profiles.twins.pinpad_prompts import PIN_WORDS
from protocols.errors import DecodeError
from protocols.secret import PIN_DIGITS
from protocols.serial.framer import Control, Packet
from protocols.serial.ipp import (
    Cancel,
    CheckKey,
    KeyPresence,
    MacResult,
    PinReason,
    PinRefusal,
    ReadSerial,
    RequestMac,
    RequestPin,
    RequestRefusedError,
    SelectKey,
    SerialNumber,
    ShowText,
)
from protocols.serial.ipp_codec import decode_request, number
from protocols.serial.ipp_entry import AskKey, AskString, RequestAmountPin, RequestSessionPin, ShowPrompt
from protocols.serial.ipp_keys import (
    INTACT,
    TAMPER_STATE,
    Diagnose,
    Diagnosis,
    KeySerialNumber,
    LoadInitialKey,
    LoadMasterKey,
    ReadKsn,
    SelectEngine,
)

if TYPE_CHECKING:
    from device_profiles.twins.pinpad import PinpadTwin

SELF_TEST, FIRMWARE = "00", "02"
FIRMWARE_WORDS = "TILLGUARD TWIN"
_ACK, _EOT = bytes((Control.ACK,)), bytes((Control.EOT,))


class Packets:
    """The packets of one pad."""

    def __init__(self, pad: "PinpadTwin") -> None:
        self._pad = pad
        self._loader = KeyLoader(pad.keys, pad.injection, pad.dialect)
        self._macs = MacMachine(pad.keys)
        self._selected = ""
        self._authenticated = ""
        """The words of the authenticated prompt on the display; empty where none is."""

    def obey(self, packet: Packet, now: float) -> bytes:
        """A whole packet; returns what the pad says at once."""
        pad = self._pad
        try:
            request = decode_request(packet, pad.dialect)
        except RequestRefusedError as refusal:
            pad.end_injection()
            return _ACK + (pad.answer(PinRefusal(refusal.code), now) if pad.in_service else _EOT)
        except DecodeError:
            pad.idle()
            pad.end_injection()
            broken_mac = number(packet) == "Z66" and pad.in_service
            return _ACK + (pad.answer(MacResult(BROKEN), now) if broken_mac else _EOT)
        if not isinstance(request, LoadMasterKey | LoadInitialKey):
            pad.end_injection()
        if not pad.in_service and not isinstance(request, Diagnose | Cancel):
            return _ACK + _EOT
        return _OBEYED[type(request)](self, request, now)

    def _cancel(self, request: Cancel, now: float) -> bytes:
        self._authenticated = ""
        return _EOT if self._pad.idle() else _ACK

    def _read_serial(self, request: ReadSerial, now: float) -> bytes:
        return _ACK + self._pad.answer(SerialNumber(self._pad.serial), now)

    def _diagnose(self, request: Diagnose, now: float) -> bytes:
        pad = self._pad
        results = {
            SELF_TEST: "0" if pad.keys.self_test() else "1",
            TAMPER_STATE: "1" if pad.keys.tampered else INTACT,
            FIRMWARE: FIRMWARE_WORDS,
        }
        result = results.get(request.test)
        return _ACK + (_EOT if result is None else pad.answer(Diagnosis(request.test, result), now))

    def _check_key(self, request: CheckKey, now: float) -> bytes:
        held = self._pad.keys.masters.get(request.slot)
        attributes = held.attributes if held is not None and self._pad.dialect.key_attributes else ""
        return _ACK + self._pad.answer(KeyPresence(held is not None, attributes), now)

    def _select_key(self, request: SelectKey, now: float) -> bytes:
        self._selected = request.slot  # an empty slot is selected without a word, as in the field
        return _ACK

    def _load_master_key(self, request: LoadMasterKey, now: float) -> bytes:
        reply, commit = self._loader.master_key(request, now)
        return _ACK + self._pad.answer(reply, now, commit)

    def _load_initial_key(self, request: LoadInitialKey, now: float) -> bytes:
        return _ACK + self._pad.answer(self._loader.initial_key(request, now), now)

    def _select_engine(self, request: SelectEngine, now: float) -> bytes:
        return _ACK if self._pad.keys.select_engine(request.engine) else _ACK + _EOT

    def _read_ksn(self, request: ReadKsn, now: float) -> bytes:
        ksn = self._pad.keys.next_ksn
        return _ACK + (_EOT if ksn is None else self._pad.answer(KeySerialNumber(ksn.octets), now))

    def _show_text(self, request: ShowText, now: float) -> bytes:
        pad = self._pad
        self._authenticated = ""
        if pad.prompts.shows(request.words):
            pad.show_amount(request.words)
        else:
            pad.note("a host's prompt refused")
        return _ACK

    def _show_prompt(self, request: ShowPrompt, now: float) -> bytes:
        words = self._pad.prompts.input_prompt(request.prompt)
        self._authenticated = words or ""
        if words is None:
            self._pad.note("a host's prompt refused")
            return _ACK + _EOT
        self._pad.show_amount(words)
        return _ACK

    def _ask_key(self, request: AskKey, now: float) -> bytes:
        return self._ask_clear(Entry(Wanted.KEY, ""), request.seconds, now)

    def _ask_string(self, request: AskString, now: float) -> bytes:
        return self._ask_clear(Entry(Wanted.DIGITS, "", least=1, most=request.most), request.seconds, now)

    def _ask_clear(self, entry: Entry, seconds: int, now: float) -> bytes:
        pad, authenticated = self._pad, bool(self._authenticated)
        self._authenticated = ""  # one prompt, one input
        if not pad.prompts.takes_input(authenticated):
            pad.note("input in clear refused")
            return _ACK + _EOT
        return _ACK + pad.ask(entry, seconds, now)

    def _request_pin(self, request: RequestPin, now: float) -> bytes:
        pad = self._pad
        if not pad.keys.throttle.ready(now):
            return _ACK + self._throttled(now)
        return _ACK + pad.ask(Entry(Wanted.PIN, pan=request.pan), request.time_units * pad.dialect.pin_time_unit_s, now)

    def _request_amount_pin(self, request: RequestAmountPin, now: float) -> bytes:
        self._pad.show_amount(request.amount)
        return self._request_pin(RequestPin(request.pan), now)

    def _request_session_pin(self, request: RequestSessionPin, now: float) -> bytes:
        pad = self._pad
        held = pad.keys.masters.get(self._selected)
        if held is None or held.use is not SlotUse.PIN:
            return _ACK + pad.refuse(PinReason.NO_ACTIVE_KEY if held is None else PinReason.NOT_FOR_PINS, now)
        if not pad.prompts.asks_pin(request.prompts):
            pad.note("a host's prompt refused")
            return _ACK + pad.refuse(PinReason.PROMPT, now)
        if not pad.keys.throttle.ready(now):
            return _ACK + self._throttled(now)
        key = pad.keys.session_key(self._selected, request.session_key)
        if key is None:
            pad.note("a session key refused: weak, or replaced before")
            return _ACK + pad.refuse(PinReason.KEY, now)
        if request.amount:
            pad.show_amount(request.amount)
        words = request.prompts[0] or PIN_WORDS
        least, most = max(request.least, PIN_DIGITS[0]), min(request.most, PIN_DIGITS[-1])
        entry = Entry(Wanted.PIN, words, request.pan, key, least, most, request.may_be_empty)
        return _ACK + pad.ask(entry, request.time_units * pad.dialect.pin_time_unit_s, now)

    def _throttled(self, now: float) -> bytes:
        self._pad.note("PIN entries follow one another too fast")
        return self._pad.refuse(PinReason.THROTTLE, now)

    def _request_mac(self, request: RequestMac, now: float) -> bytes:
        slot = self._pad.dialect.mac_slot or self._selected
        return _ACK + self._pad.answer(self._macs.piece(slot, request), now)


_OBEYED: dict[type, Callable[[Packets, Any, float], bytes]] = {
    Cancel: Packets._cancel,
    ReadSerial: Packets._read_serial,
    CheckKey: Packets._check_key,
    SelectKey: Packets._select_key,
    ShowText: Packets._show_text,
    RequestPin: Packets._request_pin,
    RequestMac: Packets._request_mac,
    Diagnose: Packets._diagnose,
    LoadMasterKey: Packets._load_master_key,
    LoadInitialKey: Packets._load_initial_key,
    SelectEngine: Packets._select_engine,
    ReadKsn: Packets._read_ksn,
    ShowPrompt: Packets._show_prompt,
    AskKey: Packets._ask_key,
    AskString: Packets._ask_string,
    RequestSessionPin: Packets._request_session_pin,
    RequestAmountPin: Packets._request_amount_pin,
}
