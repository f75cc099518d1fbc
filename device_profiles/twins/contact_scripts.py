# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The issuer's commands to a virtual contact card: what they change, and only with a right MAC. It sends nothing.

EMV 4.4 Book 2, 9, and Book 3, 6.5.1, 6.5.2, 6.5.3, 6.5.10. The MAC covers the header, the transaction's counter and
cryptogram, and the data; a Mastercard-like card counts the cryptogram up for every command of the session.
"""

import hmac
from typing import TYPE_CHECKING

from device_profiles.card_profile import Application, CardProfile, Scheme
from device_profiles.twins.card_answer import Refused
from device_profiles.twins.contact_state import SCRIPTS
from protocols.emv.apdu import Command, Ins
from protocols.emv.card_keys import account_block_b, icc_master_key_a
from protocols.emv.issuer_script import SCRIPT_KEYS, ScriptKeys, command_mac, counted_up, script_key
from protocols.emv.status import Status
from protocols.errors import DecodeError
from protocols.pan import Pan
from protocols.pin.iso9564 import decode_format_2
from protocols.pin.pin_change import decode_visa
from protocols.primitives import TdesKey, Use
from protocols.secret import ClearKey, ClearPinBlock, Pin

if TYPE_CHECKING:
    from device_profiles.twins.contact_application import PaymentApplication

MAC = 8  # octets
UNBLOCK_ONLY, WITH_CURRENT, WITHOUT_CURRENT = 0x00, 0x01, 0x02  # P2 of PIN CHANGE/UNBLOCK (Book 3, 6.5.10)
MOST_PUT = 252


class CardScripts:
    """The keys for scripts of one application, and what each command does."""

    def __init__(self, profile: CardProfile, application: Application) -> None:
        self._scheme = application.scheme
        kinds = SCRIPT_KEYS["visa" if application.scheme is Scheme.VISA else "mastercard"]
        self._kind = kinds.get(application.cryptogram_version, ScriptKeys.COMMON)
        block = account_block_b(Pan(application.pan), application.sequence_number)
        keys = profile.keys
        self._integrity, self._confidentiality, self._cryptograms = (
            _card_key(text, block) for text in (keys.test_mk_smi, keys.test_mk_smc or keys.test_mk_smi, keys.test_mk_ac)
        )

    def obey(self, command: Command, card: "PaymentApplication") -> bytes:
        """Do what the command says, or refuse it with 6982 and remember that a script failed."""
        session, memory = card.session, card.memory
        classes, _ = SCRIPTS[command.ins]
        counter = memory.atc.to_bytes(2, "big")
        cryptogram = session.arqc
        if self._scheme is Scheme.MASTERCARD:
            cryptogram = counted_up(cryptogram, session.script_commands)
        try:
            if command.cla not in classes or len(command.data) < MAC:
                raise Refused(Status.SECURITY_STATUS_NOT_SATISFIED)
            data, mac = command.data[:-MAC], command.data[-MAC:]
            header = bytes((command.cla, command.ins, command.p1, command.p2, len(command.data)))
            with script_key(self._kind, self._integrity, counter, cryptogram) as key:
                right = command_mac(key, header, data, counter + cryptogram)
            if not hmac.compare_digest(right, mac):
                raise Refused(Status.SECURITY_STATUS_NOT_SATISFIED)
            self._done(command, data, card, counter, cryptogram)
        except Refused:
            session.script_failed = memory.script_failed = True
            raise
        session.script_commands += 1
        return b""

    def _done(
        self, command: Command, data: bytes, card: "PaymentApplication", counter: bytes, cryptogram: bytes
    ) -> None:
        memory = card.memory
        match command.ins:
            case Ins.APPLICATION_BLOCK:
                memory.blocked = True
            case Ins.APPLICATION_UNBLOCK:
                memory.blocked = False
            case Ins.CARD_BLOCK:
                memory.card_blocked = True
            case Ins.PUT_DATA:
                if not 1 <= len(data) <= MOST_PUT:
                    raise Refused(Status.WRONG_LENGTH)
                memory.objects[command.p1 << 8 | command.p2] = data
            case _:
                if command.p2 != UNBLOCK_ONLY:
                    memory.test_pin = self._new_pin(command.p2, data, card, counter, cryptogram)
                memory.pin_tries_left = card.profile.pin_tries

    def _new_pin(self, how: int, data: bytes, card: "PaymentApplication", counter: bytes, cryptogram: bytes) -> str:
        """The PIN that the issuer sends, deciphered: Visa's own block, else format 2 (VIS 1.5, C.11; M/Chip)."""
        if len(data) not in (8, 16) or how not in (WITH_CURRENT, WITHOUT_CURRENT):
            raise Refused(Status.WRONG_DATA)
        visa = self._scheme is Scheme.VISA
        try:
            with (
                script_key(self._kind, self._confidentiality, counter, cryptogram) as key,
                TdesKey(key, Use.DECIPHER | Use.CHAIN) as cipher,
            ):
                clear = cipher.decipher(data) if visa else cipher.cbc_decipher(bytes(8), data)
                block = ClearPinBlock(bytearray(clear[1:9] if visa else clear[:8]))
            with block:
                if not visa:
                    pin = decode_format_2(block)
                else:
                    old = card.current_test_pin if how == WITH_CURRENT else None
                    pin = decode_visa(block, self._cryptograms, Pin.from_text(old) if old else None)
            with pin:
                return "".join(str(digit) for digit in pin)
        except DecodeError:
            raise Refused(Status.WRONG_DATA) from None


def _card_key(text: str, block: bytes) -> ClearKey:
    with ClearKey.from_hex(text) as issuer, TdesKey(issuer, Use.ENCIPHER) as key:
        return icc_master_key_a(key, block)
