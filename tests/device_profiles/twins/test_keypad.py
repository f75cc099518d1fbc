# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The keypad of a reader: how PINs are written into commands, what a person may do, and that nothing comes back."""

import dataclasses
from collections.abc import Iterator

import pytest

from device_profiles.twins.keypad import Keypad, filled
from device_profiles.twins.pcscd import PcscdTwin
from device_profiles.twins.pcscd_reader import FEATURE_CODES, VirtualReader
from device_profiles.twins.pinpad_cardholder import Behaviour, Cardholder, Key
from protocols.pcsc.features import (
    CANCELLED,
    EMV_PLAINTEXT,
    EMV_VERIFY,
    GET_FEATURES,
    PINS_DIFFER,
    TIMED_OUT,
    Feature,
    PinForm,
    PinModify,
    PinProperties,
    PinVerify,
    decode_features,
    decode_properties,
)
from protocols.pcsc.wire import Code, Share
from protocols.secret import Pin
from tests.device_profiles.twins.pcscd_client import Client, PlainCard, controlled

PIN = "27418"
VERIFY = PinVerify(EMV_VERIFY, EMV_PLAINTEXT)
ASCII8 = PinForm(bcd=False, left_aligned=True, position=0, block_size=8)
CODE = FEATURE_CODES[Feature.VERIFY_PIN_DIRECT]


class Typist(Cardholder):
    """Presses these keys, a tenth of a second apart."""

    def __init__(self, *keys: int) -> None:
        super().__init__(Pin.from_text(PIN), Behaviour.SILENT)
        self._typed = keys

    def _keys(self) -> Iterator[int]:
        yield from self._typed


def person(behaviour: Behaviour = Behaviour.RIGHT_PIN) -> Cardholder:
    return Cardholder(Pin.from_text(PIN), behaviour, 0.1)


def test_the_emv_block() -> None:
    typed = Keypad(person()).verify(VERIFY)
    assert typed.command == bytes.fromhex("0020008008" + "2527418FFFFFFFFF")
    assert typed.after_s == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("form", "template", "written"),
    [
        (ASCII8, "0020000108" + "00" * 8, "0020000108" + "3237343138000000"),
        (dataclasses.replace(ASCII8, left_aligned=False), "0020000108" + "00" * 8, "0020000108" + "0000003237343138"),
        (dataclasses.replace(ASCII8, block_size=0), "0020000100", "0020000105" + "3237343138"),
        (dataclasses.replace(ASCII8, block_size=0), "00200001", "0020000105" + "3237343138"),
        (PinForm(True, False, 0, 4), "0020000104" + "FF" * 4, "0020000104" + "FFF27418"),
        (PinForm(True, True, 1, 4, 8, 0), "0020000105" + "00" * 5, "0020000105" + "05" + "27418000"),
        (PinForm(True, True, 1, 4, 4, 0), "0020000105" + "00" * 5, "0020000105" + "50" + "27418000"),
    ],
)
def test_other_forms(form: PinForm, template: str, written: str) -> None:
    assert filled(bytes.fromhex(template), form, 0, [2, 7, 4, 1, 8]).hex().upper() == written


@pytest.mark.parametrize(("behaviour", "status"), [(Behaviour.CANCEL, CANCELLED), (Behaviour.SILENT, TIMED_OUT)])
def test_a_person_who_does_not_type(behaviour: Behaviour, status: int) -> None:
    typed = Keypad(person(behaviour)).verify(VERIFY)
    assert (typed.command, typed.status) == (None, status)
    assert Keypad().verify(VERIFY).after_s == 30


def test_keys_that_do_not_count() -> None:
    typed = Keypad(Typist(1, Key.ENTER, 2, Key.CLEAR, 1, 2, 3, 4, Key.ENTER)).verify(VERIFY)
    assert typed.command == bytes.fromhex("0020008008" + "241234FFFFFFFFFF")
    long = Keypad(Typist(*range(9), *range(9), Key.ENTER)).verify(VERIFY)
    assert long.command == bytes.fromhex("0020008008" + "2C012345678012FF")
    slow = Keypad(Typist(1, 2, 3, 4, Key.ENTER)).verify(dataclasses.replace(VERIFY, timeout_s=0))
    assert slow.status == TIMED_OUT


def test_a_pin_is_changed() -> None:
    asked = PinModify(bytes.fromhex("0024000010") + bytes(16), ASCII8)
    old, new = (1, 2, 3, 4, Key.ENTER), (5, 6, 7, 8, Key.ENTER)
    typed = Keypad(Typist(*old)).modify(asked)
    assert typed.command == bytes.fromhex("0024000010" + "3132333400000000" * 2)
    assert Keypad(Typist(*new)).modify(dataclasses.replace(asked, confirm=0)).command == bytes.fromhex(
        "0024000010" + "00" * 8 + "3536373800000000"
    )
    assert Keypad(person(Behaviour.CANCEL)).modify(asked).status == CANCELLED
    assert Keypad(TwoMinds()).modify(asked).status == PINS_DIFFER


class TwoMinds(Typist):
    """Types another PIN every time."""

    def __init__(self) -> None:
        super().__init__()
        self._times = 0

    def _keys(self) -> Iterator[int]:
        self._times += 1
        yield from (*[self._times] * 4, Key.ENTER)


def pad(card: PlainCard | None, behaviour: Behaviour = Behaviour.RIGHT_PIN) -> tuple[PcscdTwin, Client, int]:
    twin = PcscdTwin((VirtualReader("Pad", card=card, keypad=Keypad(person(behaviour))),))
    client = Client(twin)
    return twin, client, client.hold("Pad 00 00", Share.SHARED if card else Share.DIRECT)


def test_the_reader_tells_what_it_can() -> None:
    _, client, handle = pad(None)
    codes = decode_features(controlled(client.control(handle, GET_FEATURES))[1])
    assert codes == FEATURE_CODES
    properties = controlled(client.control(handle, codes[Feature.IFD_PIN_PROPERTIES]))[1]
    assert PinProperties.decode(properties).entry_validation == 7
    assert decode_properties(controlled(client.control(handle, codes[Feature.TLV_PROPERTIES]))[1])[6] == b"\4"


def test_verify_goes_to_the_card_and_only_the_status_comes_back() -> None:
    card = PlainCard()
    twin, client, handle = pad(card)
    assert client.control(handle, CODE, VERIFY.encode(), now=5.0) == b""
    assert twin.due == pytest.approx(5.6)
    twin.tick(6.0)
    ((_, answer),) = twin.take()
    assert controlled(answer) == (Code.SUCCESS, b"\x90\x00")
    assert card.told == [bytes.fromhex("0020008008" + "2527418FFFFFFFFF")]
    assert bytes.fromhex("27418F") not in answer


def test_a_person_who_cancels_at_the_reader() -> None:
    card = PlainCard()
    twin, client, handle = pad(card, Behaviour.CANCEL)
    client.control(handle, CODE, VERIFY.encode())
    twin.tick(1.0)
    ((_, answer),) = twin.take()
    assert controlled(answer) == (Code.SUCCESS, b"\x64\x01")
    assert card.told == []


def test_a_card_that_goes_while_the_person_types() -> None:
    card = PlainCard()
    twin, client, handle = pad(card)
    client.control(handle, CODE, VERIFY.encode())
    reader = twin.slots[0].reader
    reader.card = None
    twin.removed(reader)
    twin.tick(1.0)
    assert controlled(twin.take()[-1][1]) == (Code.REMOVED_CARD, b"")


def test_structures_that_are_wrong() -> None:
    _, client, handle = pad(PlainCard())
    assert controlled(client.control(handle, CODE, b"\x00" * 10))[0] == Code.INVALID_PARAMETER
    modify = FEATURE_CODES[Feature.MODIFY_PIN_DIRECT]
    assert controlled(client.control(handle, modify, b""))[0] == Code.INVALID_PARAMETER
    _, client, direct = pad(None)
    assert controlled(client.control(direct, CODE, VERIFY.encode()))[0] == Code.NOT_TRANSACTED
