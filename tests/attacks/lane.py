# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Tills before one bank, in one process: the ground of attacks on PIN blocks and their keys. Attacks nothing itself.

Bank and HSM are the shipped twins. Chips and MACs come from foreign libraries; PINs are enciphered by a pad whose
memory is the shipped pad twin's own file, so that an image of it is a real image. Keys are the demo bank's TEST keys.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from device_profiles.acquirer_profile import Account, AcquirerProfile, load_acquirer
from device_profiles.pinpad_load import load_pinpad
from device_profiles.serve.pad_memory import PadMemory
from device_profiles.twins.acquirer import Host
from device_profiles.twins.acquirer_ledger import Ledger
from device_profiles.twins.pinpad_keys import PinpadKeys
from protocols.acquirer.message import decode, draft
from protocols.acquirer.response_codes import APPROVED
from protocols.identity.binding import Proof
from protocols.pan import Pan
from protocols.pin.reference import pvv
from protocols.primitives import TdesKey
from protocols.secret import Pin
from tests.device_profiles import acquirer_bench as foreign
from tests.device_profiles.acquirer_bench import NOW, TEST_PAN, TEST_PIN, Card, Hsm, payment_request, sign_on_request

OTHER_PAN = "4000009999990065"  # TEST, ours: of another person, whose PIN happens to be the same
FIRST_TERMINAL, SECOND_TERMINAL = "TG000001", "TG000002"
AMOUNT = 4200
Captured = tuple[bytes, bytes]
"""A key serial number and the PIN block under its key, as a wire shows them."""


def bank(account_in_pvv: str = "") -> AcquirerProfile:
    """The shipped TEST bank with accounts for both cards; their PVVs are of ``account_in_pvv`` where it is given."""
    accounts = tuple(
        Account(name, pan, "2812", _reference(account_in_pvv or pan), 100_000_000, 1)
        for name, pan in (("test-cardholder", TEST_PAN), ("test-other-cardholder", OTHER_PAN))
    )
    return replace(load_acquirer("test-bank"), accounts=accounts)


def _reference(pan: str) -> str:
    return pvv(TdesKey(foreign.test_key("PVK")), Pan(pan), 1, Pin.from_text(TEST_PIN))


class Pad(Protocol):
    """What a till needs of a pad."""

    def enter(self, pin: str, pan: str) -> Captured:
        """KSN and block of a PIN."""
        ...


class ImagedPad:
    """A pad whose PIN keys are in a file, as the pad twin keeps them."""

    def __init__(self, image: Path) -> None:
        self.image = image
        self.switch_on()

    def switch_on(self) -> None:
        """Read the memory, as after a power cycle."""
        self._keys = PinpadKeys(load_pinpad("test-bank"))
        self._memory = PadMemory(self.image, self._keys)

    def enter(self, pin: str, pan: str) -> Captured:
        """See :class:`Pad`; as in the pad twin the memory is saved before the block leaves."""
        with Pin.from_text(pin) as typed:
            enciphered = self._keys.encipher_pin(typed, Pan(pan))
        assert enciphered is not None
        self._memory.save()
        return enciphered


class Lane:
    """The bank, and what it told its people: a :class:`tests.attacks.harness.Target`."""

    def __init__(self, folder: Path, ledger: Ledger, hsm: Hsm, profile: AcquirerProfile, pad: Pad | None) -> None:
        self.folder = folder
        self.dialect = profile.speech
        self.cards = {pan: Card(pan) for pan in (TEST_PAN, OTHER_PAN)}
        self._hsm = hsm
        self._host = Host(profile, ledger)
        self._told: list[str] = []
        self.till = Till(self, FIRST_TERMINAL, pad or ImagedPad(folder / "pad.image"))

    async def honest(self) -> bool:
        """Both cardholders pay with their PINs."""
        return self.till.pay(TEST_PAN) and self.till.pay(OTHER_PAN)

    def alerts(self) -> list[str]:
        """The reasons of its decisions, up to the colon."""
        return self._told

    def exchange(self, octets: bytes) -> bytes:
        """A message for the bank and its answer."""
        handled = self._hsm.drive(self._host.handle(octets, NOW))
        self._told += [reason.partition(":")[0] for event in handled.events for reason in event["reasons"]]
        (sending,) = handled.sendings
        return sending.octets


class Till:
    """One terminal. Whoever holds it can have its pad MAC anything."""

    def __init__(self, lane: Lane, terminal: str, pad: Pad) -> None:
        self.pad = pad
        self._lane = lane
        self._terminal = terminal
        self._stan = 0
        self._mac = foreign.Pad()
        self.prove: Callable[[], Proof | None] = lambda: None
        """What proves that this is the machine that was bound; nothing where nobody asks."""
        self._sign_on()

    def type_pin(self, pan: str = TEST_PAN) -> Captured:
        """The cardholder types the PIN."""
        return self.pad.enter(TEST_PIN, pan)

    def pay(self, pan: str, captured: Captured | None = None) -> bool:
        """Pay with the card of that number; its PIN is typed unless a captured block takes its place."""
        captured = captured or self.type_pin(pan)
        self._stan += 1
        icc = self._lane.cards[pan].pay(AMOUNT)
        request = payment_request(self._stan, AMOUNT, icc, captured, pan, self._terminal)
        waiting = draft(replace(request, binding=self.prove()), self._lane.dialect)
        octets = self._lane.exchange(waiting.with_mac(self._mac.mac(waiting.octets_to_mac)))
        return decode(octets, self._lane.dialect).message.response_code == APPROVED

    def _sign_on(self) -> None:
        self._stan += 1
        request = sign_on_request(self._stan, self._terminal)
        octets = self._lane.exchange(draft(request, self._lane.dialect).without_mac())
        key = decode(octets, self._lane.dialect).message.session_key
        assert key is not None
        self._mac.load(key.cryptogram, key.check_value)


@asynccontextmanager
async def lane(
    folder: Path,
    ledger: Ledger | None = None,
    hsm: Hsm | None = None,
    profile: AcquirerProfile | None = None,
    pad: Pad | None = None,
) -> AsyncIterator[Lane]:
    """A lane of the shipped parts, but for those that are given."""
    yield Lane(folder, ledger or Ledger(), hsm or Hsm(), profile or bank(), pad)
