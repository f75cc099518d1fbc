# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What can go wrong, or be made to go wrong, between a good card and a terminal. The card itself knows none of it."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple, Protocol, TypeAlias

from device_profiles.twins.activation import Activated
from device_profiles.twins.card_answer import CardTorn
from protocols.emv import tlv
from protocols.emv.apdu import Ins
from protocols.emv.bits import Aip, Ctq
from protocols.emv.status import Status
from protocols.emv.tags import Tag
from protocols.errors import DecodeError

__all__ = ["CARD_FAULTS", "Card", "CardTorn", "Exchange", "FaultyCard"]


class Card(Protocol):
    """What a reader sees of a card."""

    def power_on(self) -> Activated: ...
    def power_off(self) -> None: ...
    def apdu(self, command: bytes) -> bytes: ...


class Exchange(NamedTuple):
    """A command and the good card's answer to it; ``number`` counts from 1 since the card came into the field."""

    number: int
    command: bytes
    answer: bytes

    def is_for(self, instruction: Ins) -> bool:
        """Whether the command is ``instruction``."""
        return len(self.command) > 1 and self.command[1] == instruction


Fault: TypeAlias = Callable[[Exchange], bytes]
"""Gives the octets that arrive instead; raises :class:`CardTorn` when none do."""


class FaultyCard:
    """A card behind faults, applied in order to each answer."""

    def __init__(self, card: Card, *faults: Fault) -> None:
        self._card = card
        self._faults = faults
        self._number = 0

    def power_on(self) -> Activated:
        """The card comes into the field."""
        self._number = 0
        return self._card.power_on()

    def power_off(self) -> None:
        """The card leaves the field."""
        self._card.power_off()

    def apdu(self, command: bytes) -> bytes:
        """The answer as it arrives."""
        self._number += 1
        answer = self._card.apdu(command)
        for fault in self._faults:
            answer = fault(Exchange(self._number, command, answer))
        return answer


def altered(tag: int, change: Callable[[bytes], bytes]) -> Fault:
    """Every object ``tag`` in an answer arrives changed; lengths around it are mended."""

    def fault(exchange: Exchange) -> bytes:
        data, status = exchange.answer[:-2], exchange.answer[-2:]
        try:
            objects = tlv.decode(data)
        except DecodeError:
            return exchange.answer
        return tlv.encode(_changed(objects, tag, change)) + status

    return fault


def _changed(objects: tlv.Objects, tag: int, change: Callable[[bytes], bytes]) -> tlv.Objects:
    return tlv.Objects(
        (number, _changed(value, tag, change) if not isinstance(value, bytes) else change(value))
        if number == tag or not isinstance(value, bytes)
        else (number, value)
        for number, value in objects
    )


def in_order(*faults: Fault) -> Fault:
    """Several faults as one."""

    def fault(exchange: Exchange) -> bytes:
        answer = exchange.answer
        for single in faults:
            answer = single(exchange._replace(answer=answer))
        return answer

    return fault


def truncated(instruction: Ins, octets: int) -> Fault:
    """The answer's data lose ``octets`` at their end; the status word stays."""

    def fault(exchange: Exchange) -> bytes:
        if not exchange.is_for(instruction):
            return exchange.answer
        return exchange.answer[:-2][:-octets] + exchange.answer[-2:]

    return fault


def refused(instruction: Ins, status: Status) -> Fault:
    """The command is answered with a status word only."""

    def fault(exchange: Exchange) -> bytes:
        return status.to_bytes(2, "big") if exchange.is_for(instruction) else exchange.answer

    return fault


def torn(instruction: Ins) -> Fault:
    """The card processes the command, but leaves before its answer arrives."""

    def fault(exchange: Exchange) -> bytes:
        if exchange.is_for(instruction):
            raise CardTorn
        return exchange.answer

    return fault


def torn_once(instruction: Ins) -> Fault:
    """The same the first time; afterwards the card is as good as ever."""
    left = [torn(instruction)]

    def fault(exchange: Exchange) -> bytes:
        if left and exchange.is_for(instruction):
            return left.pop()(exchange)
        return exchange.answer

    return fault


def torn_at(number: int) -> Fault:
    """The card leaves during command ``number``."""

    def fault(exchange: Exchange) -> bytes:
        if exchange.number >= number:
            raise CardTorn
        return exchange.answer

    return fault


def replayed() -> Fault:
    """The first answer to GET PROCESSING OPTIONS comes again for every later payment."""
    kept: list[bytes] = []

    def fault(exchange: Exchange) -> bytes:
        if not exchange.is_for(Ins.GET_PROCESSING_OPTIONS):
            return exchange.answer
        if not kept:
            kept.append(exchange.answer)
        return kept[0]

    return fault


def slow(pause: Callable[[float], None], seconds: float) -> Fault:
    """Every answer comes late; ``pause`` lets that time pass, or pretends to."""

    def fault(exchange: Exchange) -> bytes:
        pause(seconds)
        return exchange.answer

    return fault


def last_bit_flipped(value: bytes) -> bytes:
    """One bit wrong."""
    return value[:-1] + bytes((value[-1] ^ 0x01,))


def _claims_verification(value: bytes) -> bytes:
    kept = Ctq.decode(value) & ~Ctq.ONLINE_PIN_REQUIRED & ~Ctq.SIGNATURE_REQUIRED
    return (kept | Ctq.CONSUMER_DEVICE_CVM_PERFORMED).encode()


def _without_verification(value: bytes) -> bytes:
    return (Ctq.decode(value) & ~Ctq.ONLINE_PIN_REQUIRED & ~Ctq.SIGNATURE_REQUIRED).encode()


def other_brand(value: bytes) -> bytes:
    """An account number of another brand."""
    return (b"\x54" if value[:1] < b"\x50" else b"\x40") + value[1:]


def _stripe_only(value: bytes) -> bytes:
    return (Aip.decode(value) & ~Aip.EMV_MODE_OR_MSD).encode()


CARD_FAULTS: Mapping[str, Callable[[], Fault]] = MappingProxyType(
    {
        "tampered-arqc": lambda: altered(Tag.APPLICATION_CRYPTOGRAM, last_bit_flipped),
        "replayed-arqc": replayed,
        "truncated-gpo": lambda: truncated(Ins.GET_PROCESSING_OPTIONS, 3),
        "wrong-status": lambda: refused(Ins.GET_PROCESSING_OPTIONS, Status.NO_DIAGNOSIS),
        "torn": lambda: torn(Ins.GET_PROCESSING_OPTIONS),
        "cdcvm-claimed": lambda: altered(Tag.CTQ, _claims_verification),
        "cvm-cleared": lambda: altered(Tag.CTQ, _without_verification),
        "tampered-signature": lambda: altered(Tag.SIGNED_DYNAMIC_DATA, last_bit_flipped),
        "torn-at-cryptogram": lambda: torn_once(Ins.GENERATE_AC),
        "stripe-only": lambda: altered(Tag.AIP, _stripe_only),
        "brand-mixup": lambda: in_order(altered(Tag.TRACK_2_EQUIVALENT, other_brand), altered(Tag.PAN, other_brand)),
    }
)
"""Faults by name. Each call makes a fresh one, since a fault may remember."""
