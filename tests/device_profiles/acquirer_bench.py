# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A terminal, a pad and a card for tests of the acquirer twin, computed by foreign libraries. Tests nothing itself.

Keys are the TEST keys of the demo bank (SHA-256 of their names). DUKPT comes from pydukpt, MACs from psec, chip
cryptograms from pyemv, so that what the twin and the HSM accept has been made by another implementation.
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pydukpt
from psec import des, mac
from pyemv import ac, kd

from device_profiles.acquirer_profile import AcquirerProfile, load_acquirer
from device_profiles.twins.acquirer import Handled, Host
from device_profiles.twins.acquirer_hsm import Dialogue, HsmGone
from device_profiles.twins.acquirer_ledger import Ledger
from device_profiles.twins.acquirer_script import Script
from hsm_sim.engine.engine import Engine
from hsm_sim.engine.wrapping import VariantLmk
from hsm_sim.payshield.session import Session
from protocols.acquirer.account import AccountData, EncipheredAccount
from protocols.acquirer.message import Message, decode, draft
from protocols.acquirer.mti import Mti, NetworkCode
from protocols.acquirer.values import OriginalData, PinAlgorithm, PinFormat, SecurityControl
from protocols.emv import tlv
from protocols.hsm.commands import COMMANDS
from protocols.hsm.frame import frame
from protocols.hsm.message import decode_response, encode_request
from protocols.pan import Pan, Track2
from tests.hsm_sim.units import unit

NOW = datetime(2026, 6, 7, 12, 34, 56, tzinfo=UTC)
TEST_PAN = "4000009999990016"
TEST_PIN = "7391"
FIRST_KSN = bytes.fromhex("FFFF9876543210E00000")
FIRST_DATA_KSN = bytes.fromhex("FFFFDA7A000002000000")
TERMINAL = "TG000001"


def test_key(name: str) -> bytes:
    """A TEST key of the demo bank: double length, odd parity."""
    octets = hashlib.sha256(f"tillguard TEST {name}".encode()).digest()[:16]
    return des.adjust_key_parity(octets)


test_key.__test__ = False  # type: ignore[attr-defined]  # a name in the trade's words, not a test


class Card:
    """A chip of cryptogram version 10 with the demo bank's keys."""

    def __init__(self, pan: str = TEST_PAN, atc: int = 0) -> None:
        self.pan = pan
        self.atc = atc
        self.key = kd.derive_icc_mk_a(test_key("MK-AC"), pan, "01")

    def pay(self, amount: int, aip: bytes = b"\x00\x40", tamper: bool = False) -> bytes:
        """DE55 of a payment."""
        self.atc += 1
        values = {
            0x9F02: bytes.fromhex(f"{amount:012d}"),
            0x9F03: bytes(6),
            0x9F1A: b"\x02\x76",
            0x95: bytes(5),
            0x5F2A: b"\x09\x78",
            0x9A: b"\x26\x06\x07",
            0x9C: b"\x00",
            0x9F37: b"\x11\x22\x33\x44",
            0x82: aip,
            0x9F36: self.atc.to_bytes(2, "big"),
        }
        signed = b"".join(values.values()) + bytes.fromhex("03A00000")
        arqc = ac.generate_ac(self.key, signed, ac.PaddingType.VISA)
        if tamper:
            arqc = arqc[:-1] + bytes([arqc[-1] ^ 1])
        return tlv.encode(
            [(0x9F26, arqc), (0x9F27, b"\x80"), (0x9F10, bytes.fromhex("06010A03A00000")), *values.items()]
        )

    def arqc_of(self, icc: bytes) -> bytes:
        """The cryptogram inside DE55."""
        return tlv.decode(icc).first(0x9F26) or b""

    def arpc(self, icc: bytes, code: str) -> bytes:
        """What an answer must carry."""
        return ac.generate_arpc_1(self.key, self.arqc_of(icc), code.encode())


class Pad:
    """A PIN pad: DUKPT for PINs, a master key for MAC session keys."""

    def __init__(self) -> None:
        self._initial = pydukpt.derive_ipek(test_key("BDK"), FIRST_KSN)
        self.ksn = FIRST_KSN
        self.data_ksn = FIRST_DATA_KSN
        self._session = b""

    def enter(self, pin: str = TEST_PIN, pan: str = TEST_PAN) -> tuple[bytes, bytes]:
        """KSN and enciphered block of the next PIN."""
        self.ksn = pydukpt.next_ksn(self.ksn)
        return self.ksn, pydukpt.encrypt_pin(pydukpt.derive_key(self._initial, self.ksn), pin, pan)

    def encipher(self, account: AccountData) -> EncipheredAccount:
        """Account data under the next data key, as the vault does it."""
        self.data_ksn = pydukpt.next_ksn(self.data_ksn)
        clear = bytes(account.clear_octets())
        return EncipheredAccount(self.data_ksn, account.masked, self.encipher_octets(self.data_ksn, clear))

    def encipher_octets(self, ksn: bytes, clear: bytes) -> bytes:
        """Any octets under the data key of a serial number."""
        initial = pydukpt.derive_ipek(test_key("BDK-DATA"), FIRST_DATA_KSN)
        key = pydukpt.data_request_key(pydukpt.derive_key(initial, ksn))
        return bytes(des.encrypt_tdes_cbc(key, bytes(8), clear + bytes(-len(clear) % 8)))

    def load(self, cryptogram: bytes, check_value: bytes) -> None:
        """Take a session key; it must have its check value."""
        self._session = des.decrypt_tdes_ecb(test_key("TMK-MAC"), cryptogram)
        assert des.generate_kcv(self._session, 3) == check_value

    def mac(self, octets: bytes) -> bytes:
        """Retail MAC, padding method 1."""
        return mac.generate_retail_mac(self._session[:8], self._session[8:], octets, 1)


class Hsm:
    """An hsm-sim engine behind its wire codec, in process; ``gone`` makes it unreachable."""

    def __init__(self) -> None:
        self._session = Session(unit(Engine(VariantLmk.of_test_keys(), os.urandom)))
        self.gone = False
        self.asked: list[str] = []

    def drive(self, dialogue: Dialogue[Handled]) -> Handled:
        """Run a dialogue to its end."""
        step: Callable[[], Any] = lambda: next(dialogue)  # noqa: E731
        while True:
            try:
                request = step()
            except StopIteration as end:
                handled: Handled = end.value
                return handled
            self.asked.append(type(request).__name__)
            if self.gone:
                step = lambda: dialogue.throw(HsmGone("gone"))  # noqa: E731
                continue
            answer = self.answer(request)
            step = lambda answer=answer: dialogue.send(answer)  # type: ignore[misc]  # noqa: E731

    def answer(self, request: Any) -> Any:
        """One command's answer."""
        self._session.feed(frame(encode_request(request, b"0001")))
        octets, _ = self._session.answer(1)
        return decode_response(octets[2:], COMMANDS[type(request).__name__].response, 4)


def sign_on_request(stan: int, terminal: str = TERMINAL, code: NetworkCode = NetworkCode.SIGN_ON) -> Message:
    """A terminal asks for its session key."""
    return Message(
        mti=Mti.NETWORK_REQUEST,
        transmitted="0607123456",
        stan=stan,
        terminal=terminal,
        merchant="TILLGUARD-0001",
        network_code=code,
    )


def payment_request(
    stan: int,
    amount: int,
    icc: bytes,
    captured: tuple[bytes, bytes] | None,
    pan: str = TEST_PAN,
    terminal: str = TERMINAL,
) -> Message:
    """A contactless payment; ``captured``: key serial number and PIN block, None without a PIN."""
    ksn, block = captured or (None, None)
    return Message(
        mti=Mti.AUTHORISATION_REQUEST,
        pan=Pan(pan),
        processing_code="000000",
        amount=amount,
        transmitted="0607123456",
        stan=stan,
        local_time="143456",
        local_date="0607",
        expiry="2812",
        entry_mode="071",
        sequence_number=1,
        condition_code="00",
        track2=Track2.from_text(pan + "D2812201000000001"),
        terminal=terminal,
        merchant="TILLGUARD-0001",
        currency="978",
        pin_block=block,
        security_control=SecurityControl(PinFormat.WITH_PAN, PinAlgorithm.TDES_DOUBLE_LENGTH) if captured else None,
        icc=icc,
        ksn=ksn,
    )


class Bench:
    """Bank, HSM, terminal, pad and card around one profile."""

    def __init__(self, script: Script | None = None, profile: AcquirerProfile | None = None) -> None:
        self.profile = profile or load_acquirer("test-bank")
        self.dialect = self.profile.speech
        self.ledger = Ledger()
        self.hsm = Hsm()
        self.host = Host(self.profile, self.ledger, script)
        self.pad = Pad()
        self.card = Card()
        self.stan = 0
        self.last: Handled = Handled()

    def send(self, octets: bytes) -> list[bytes]:
        """Hand octets to the bank; the last ``Handled`` is kept."""
        self.last = self.hsm.drive(self.host.handle(octets, NOW))
        return [sending.octets for sending in self.last.sendings]

    @property
    def event(self) -> dict[str, Any]:
        """What was told of the last message."""
        (told,) = self.last.events
        return told

    def ask(self, message: Message, *, sign: bool = True) -> Message:
        """Send one message and check the one answer's MAC."""
        octets = self.signed(message) if sign else draft(message, self.dialect).without_mac()
        (answer,) = self.send(octets)
        received = decode(answer, self.dialect)
        if received.message.mac is not None:
            assert received.message.mac == self.pad.mac(received.octets_to_mac)
        return received.message

    def signed(self, message: Message) -> bytes:
        """A message's octets with the terminal's MAC."""
        waiting = draft(message, self.dialect)
        return waiting.with_mac(self.pad.mac(waiting.octets_to_mac))

    def sign_on(self, code: NetworkCode = NetworkCode.SIGN_ON) -> Message:
        """Sign on and load the pad."""
        self.stan += 1
        (octets,) = self.send(draft(sign_on_request(self.stan, code=code), self.dialect).without_mac())
        received = decode(octets, self.dialect)
        key = received.message.session_key
        assert key is not None
        self.pad.load(key.cryptogram, key.check_value)
        assert received.message.mac == self.pad.mac(received.octets_to_mac)
        return received.message

    def request(self, amount: int = 4200, pin: str | None = TEST_PIN, **changes: Any) -> Message:
        """A contactless payment of the card, with a PIN unless None."""
        self.stan += 1
        captured = self.pad.enter(pin) if pin else None
        icc = changes.pop("icc", None) or self.card.pay(amount)
        return replace(payment_request(self.stan, amount, icc, captured), **changes)

    def reversal(self, of: Message, *, repeat: bool = False) -> Message:
        """A reversal of a request."""
        self.stan += 1
        return Message(
            mti=Mti.REVERSAL_REQUEST_REPEAT if repeat else Mti.REVERSAL_REQUEST,
            processing_code=of.processing_code,
            amount=of.amount,
            transmitted="0607123600",
            stan=self.stan,
            response_code="68",
            terminal=of.terminal,
            merchant=of.merchant,
            currency=of.currency,
            original=OriginalData(of.mti, of.stan or 0, of.transmitted or ""),
        )
