# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What can go wrong, or be made to, between a contact card and a terminal. The card itself knows none of it."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from device_profiles.twins.card_faults import (
    Exchange,
    Fault,
    altered,
    in_order,
    last_bit_flipped,
    other_brand,
    refused,
    torn,
    torn_at,
    truncated,
)
from device_profiles.twins.card_t0 import ContactCard
from protocols.emv.apdu import Ins
from protocols.emv.bits import CryptogramType
from protocols.emv.status import Status
from protocols.emv.tags import Tag

__all__ = ["CONTACT_FAULTS", "FaultyContactCard"]

LONGEST = 65_000  # octets: what an extended answer holds
MOST_COMMANDS = 24  # a payment with a card of ours has no more


class FaultyContactCard:
    """A contact card behind faults, applied in order to each answer. Numbers of exchanges count from power-on."""

    def __init__(self, card: ContactCard, *faults: Fault) -> None:
        self._card = card
        self._faults = faults
        self._number = 0

    @property
    def atr(self) -> bytes:
        """The card's own."""
        return self._card.atr

    def power_on(self) -> bytes:
        """Power, or a reset."""
        self._number = 0
        return self._card.power_on()

    def power_off(self) -> None:
        """No power."""
        self._card.power_off()

    def apdu(self, command: bytes) -> bytes:
        """The answer as it arrives; raises :class:`CardTorn` when none does."""
        self._number += 1
        answer = self._card.apdu(command)
        for fault in self._faults:
            answer = fault(Exchange(self._number, command, answer))
        return answer


def at_second_cryptogram(fault: Fault) -> Fault:
    """``fault`` from the second GENERATE AC since power-on."""
    seen = 0

    def later(exchange: Exchange) -> bytes:
        nonlocal seen
        if exchange.number == 1:
            seen = 0
        seen += exchange.is_for(Ins.GENERATE_AC)
        return fault(exchange) if seen > 1 else exchange.answer

    return later


def _accepted(exchange: Exchange) -> bytes:
    """A wedge between card and terminal says that the issuer's proof was right."""
    return b"\x90\x00" if exchange.is_for(Ins.EXTERNAL_AUTHENTICATE) else exchange.answer


def _without_pin(value: bytes) -> bytes:
    """A list whose only rule is: no verification (after Barisani and Bianco 2011, who edit the list on its way)."""
    return value[:8] + bytes.fromhex("1F00")


def _plaintext_pin(value: bytes) -> bytes:
    """A list whose first rule wants the PIN in clear at the card (ibid.)."""
    return value[:8] + bytes.fromhex("4100") + value[8:]


def endless(status: bytes, data: bytes = b"") -> Fault:
    """From GET PROCESSING OPTIONS on every answer says that it goes on, whatever is asked (attack A12)."""
    begun = False

    def fault(exchange: Exchange) -> bytes:
        nonlocal begun
        begun = (begun and exchange.number > 1) or exchange.is_for(Ins.GET_PROCESSING_OPTIONS)
        return data + status if begun else exchange.answer

    return fault


def instead(instruction: Ins, data: Callable[[], bytes]) -> Fault:
    """The command is answered with ``data`` of somebody's own making."""

    def fault(exchange: Exchange) -> bytes:
        return data() + b"\x90\x00" if exchange.is_for(instruction) else exchange.answer

    return fault


def bomb() -> bytes:
    """Templates within templates, each as long as it may be: 16,000 levels in 64 KiB."""
    return b"".join(b"\x70\x82" + size.to_bytes(2, "big") for size in range(LONGEST - 4, -1, -4))


def long_locator() -> bytes:
    """Processing options whose file locator names 15,810 records: what one answer holds (EMV 4.4 Book 3, 10.2)."""
    return b"\x80\x81\xfa\x3c\x00" + b"\x08\x01\xff\x00" * 62


def long_record() -> bytes:
    """A record of 64 KiB: filling within one template (EMV 4.4 Book 3, Annex B1: 00 between objects)."""
    return b"\x70\x82" + (LONGEST - 4).to_bytes(2, "big") + bytes(LONGEST - 4)


_OWN_APPROVAL = bytes((CryptogramType.TC << 6,))

CONTACT_FAULTS: Mapping[str, Callable[[], Fault]] = MappingProxyType(
    {
        "bad-hash": lambda: altered(Tag.PAN_SEQUENCE, last_bit_flipped),
        "bad-issuer-certificate": lambda: altered(Tag.ISSUER_CERTIFICATE, last_bit_flipped),
        "bad-card-certificate": lambda: altered(Tag.ICC_CERTIFICATE, last_bit_flipped),
        "bad-signature": lambda: altered(Tag.SIGNED_DYNAMIC_DATA, last_bit_flipped),
        "tampered-arqc": lambda: altered(Tag.APPLICATION_CRYPTOGRAM, last_bit_flipped),
        "truncated-gpo": lambda: truncated(Ins.GET_PROCESSING_OPTIONS, 3),
        "wrong-status": lambda: refused(Ins.GET_PROCESSING_OPTIONS, Status.NO_DIAGNOSIS),
        "torn-at-first-cryptogram": lambda: torn(Ins.GENERATE_AC),
        "torn-at-issuer-authentication": lambda: torn(Ins.EXTERNAL_AUTHENTICATE),
        "torn-at-second-cryptogram": lambda: at_second_cryptogram(torn(Ins.GENERATE_AC)),
        "declines-at-the-end": lambda: at_second_cryptogram(altered(Tag.CID, lambda value: bytes(1))),
        "second-cryptogram-refused": lambda: at_second_cryptogram(refused(Ins.GENERATE_AC, Status.NO_DIAGNOSIS)),
        "issuer-proof-refused": lambda: refused(Ins.EXTERNAL_AUTHENTICATE, Status.AUTHENTICATION_FAILED),
        "issuer-proof-wedged": lambda: _accepted,
        "approves-by-itself": lambda: altered(Tag.CID, lambda value: _OWN_APPROVAL),
        "brand-mixup": lambda: in_order(altered(Tag.TRACK_2_EQUIVALENT, other_brand), altered(Tag.PAN, other_brand)),
        "cvm-list-emptied": lambda: altered(Tag.CVM_LIST, _without_pin),
        "cvm-list-plaintext-pin": lambda: altered(Tag.CVM_LIST, _plaintext_pin),
        "endless-61xx": lambda: endless(b"\x61\x10", bytes(16)),
        "endless-6cxx": lambda: endless(b"\x6c\x10"),
        "nested-templates": lambda: instead(Ins.READ_RECORD, bomb),
        "long-locator": lambda: instead(Ins.GET_PROCESSING_OPTIONS, long_locator),
        "long-record": lambda: instead(Ins.READ_RECORD, long_record),
        **{f"torn-at-command-{number}": partial(torn_at, number) for number in range(1, MOST_COMMANDS + 1)},
    }
)
"""Faults by name. Each call makes a fresh one, since a fault may remember."""
