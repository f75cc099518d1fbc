# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The pcscd twin, octet by octet: contexts, events, holds, sharing, transactions, exchanges."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.twins.pcscd import MOST_CLIENTS, MOST_UNREAD, PcscdTwin
from device_profiles.twins.pcscd_reader import VirtualReader
from protocols.errors import DecodeError
from protocols.pcsc.features import ESCAPE, GET_FEATURES
from protocols.pcsc.wire import (
    FIELDS,
    Attribute,
    Code,
    Command,
    Disposition,
    Protocol,
    ReaderFlag,
    Share,
    encode_request,
)
from tests.device_profiles.twins.pcscd_client import ATR_T1, Client, PlainCard, controlled

BOX = "Box 00 00"


def desk(card: PlainCard | None = None, **more: object) -> tuple[PcscdTwin, VirtualReader, Client]:
    reader = VirtualReader("Box", card=card, **more)  # type: ignore[arg-type]
    twin = PcscdTwin((reader,))
    return twin, reader, Client(twin)


def test_the_table_tells_readers_and_cards() -> None:
    _, _, client = desk(PlainCard())
    (row,) = client.table()
    assert (row.name, row.atr, row.sharing) == (BOX, ATR_T1, 0)
    assert row.state == ReaderFlag.PRESENT | ReaderFlag.POWERED | ReaderFlag.NEGOTIABLE


def test_names_have_a_serial_number_and_the_free_number() -> None:
    readers = [VirtualReader("A"), VirtualReader("B", serial="S1"), VirtualReader("C")]
    twin = PcscdTwin(tuple(readers))
    assert twin.readers == ("A 00 00", "B (S1) 01 00", "C 02 00")
    twin.unplug(readers[0])
    assert twin.plug(VirtualReader("D")) == "D 00 00"
    for number in range(13):
        twin.plug(VirtualReader(f"E{number}"))
    with pytest.raises(ValueError, match="16 readers"):
        twin.plug(VirtualReader("F"))


def test_events_are_pushed_once() -> None:
    twin, reader, client = desk()
    assert client.wait()[0].state == ReaderFlag.ABSENT
    assert client.events() == []
    reader.card = PlainCard()
    twin.inserted(reader)
    twin.removed(reader)
    assert client.events() == [Code.SUCCESS]
    assert client.wait()[0].events == 2


def test_a_wait_is_given_up() -> None:
    twin, reader, client = desk()
    client.wait()
    assert client.send(Command.STOP_WAITING) != b""
    twin.inserted(reader)
    assert client.events() == []
    client.wait()
    twin.removed(reader)
    assert client.send(Command.STOP_WAITING) == b""  # the event that was pushed meanwhile is the answer
    assert client.events() == [Code.SUCCESS]


def test_a_wait_is_cancelled_from_another_connection() -> None:
    twin, _, client = desk()
    client.wait()
    other = Client(twin)
    assert other.call(Command.CANCEL, client.context, 0)[1] == Code.SUCCESS
    assert client.events() == [Code.CANCELLED]
    assert other.call(Command.CANCEL, 1234, 0)[1] == Code.INVALID_HANDLE


def test_other_versions() -> None:
    _, _, client = desk()
    assert client.call(Command.VERSION, 4, 6, 0) == (4, 4, Code.SUCCESS)
    assert client.call(Command.VERSION, 3, 0, 0)[2] == Code.SERVICE_STOPPED


def test_a_hold_and_an_exchange() -> None:
    card = PlainCard(answer=b"\x01\x02\x90\x00")
    _, _, client = desk(card)
    handle, protocol, code = client.connect(BOX)
    assert (protocol, code) == (Protocol.T1, Code.SUCCESS)
    assert client.transmit(handle, b"\x00\xa4\x04\x00") == (Code.SUCCESS, card.answer)
    assert card.told == [b"\x00\xa4\x04\x00"]
    assert client.transmit(handle, b"\x00\xa4\x04\x00", room=3) == (Code.INSUFFICIENT_BUFFER, b"")
    assert client.transmit(handle, b"\x00\xa4\x04\x00", protocol=1) == (Code.PROTO_MISMATCH, b"")
    assert client.transmit(handle + 1, b"\x00") == (Code.INVALID_HANDLE, b"")
    assert client.call(Command.STATUS, handle, 0)[1] == Code.SUCCESS
    assert client.call(Command.DISCONNECT, handle, 0, 0)[2] == Code.SUCCESS
    assert client.call(Command.DISCONNECT, handle, 0, 0)[2] == Code.INVALID_HANDLE


def test_connects_that_fail() -> None:
    twin, reader, client = desk()
    assert client.connect("Nowhere 00 00")[2] == Code.UNKNOWN_READER
    assert client.connect(BOX)[2] == Code.NO_SMARTCARD
    assert client.connect(BOX, share=9)[2] == Code.INVALID_VALUE
    assert client.connect(BOX, wanted=0)[2] == Code.INVALID_VALUE
    reader.mute = True
    twin.inserted(reader)
    assert client.connect(BOX)[2] == Code.UNRESPONSIVE_CARD
    assert client.table()[0].state & ReaderFlag.SWALLOWED
    reader.mute, reader.card = False, PlainCard()
    twin.inserted(reader)
    assert client.connect(BOX, wanted=1)[2] == Code.PROTO_MISMATCH
    assert Client(twin).call(Command.CONNECT, client.context, BOX.encode(), 2, 3, 0, 0, 0)[6] == Code.INVALID_HANDLE


@pytest.mark.parametrize("answer", [b"", b"\x3b", b"\x00\x00", b"\x3b\xf0"])
def test_a_card_with_a_bad_answer_to_reset_is_mute(answer: bytes) -> None:
    _, _, client = desk(PlainCard(atr=answer))
    assert client.connect(BOX)[2] == Code.UNRESPONSIVE_CARD
    assert client.table()[0].atr == b""


def test_both_protocols_leave_the_choice() -> None:
    card = PlainCard(atr=bytes.fromhex("3B80800101"))
    _, _, client = desk(card)
    handle, protocol, _ = client.connect(BOX, wanted=2)
    assert protocol == Protocol.T1
    assert client.connect(BOX, wanted=1)[2] == Code.PROTO_MISMATCH  # the other hold has chosen
    client.call(Command.DISCONNECT, handle, Disposition.UNPOWER, 0)
    assert client.connect(BOX, wanted=3)[1] == Protocol.T0


def test_exclusive_and_shared_holds() -> None:
    twin, _, one = desk(PlainCard())
    two = Client(twin)
    handle = one.hold(BOX, Share.EXCLUSIVE)
    assert one.table()[0].sharing == -1
    assert two.connect(BOX)[2] == Code.SHARING_VIOLATION
    one.call(Command.DISCONNECT, handle, Disposition.LEAVE, 0)
    first = one.hold(BOX)
    two.hold(BOX)
    assert one.table()[0].sharing == 2
    assert one.connect(BOX, Share.EXCLUSIVE)[2] == Code.SHARING_VIOLATION
    assert one.call(Command.RECONNECT, first, Share.EXCLUSIVE, 3, 0, 0, 0)[5] == Code.SHARING_VIOLATION


def test_a_card_taken_out_voids_the_holds() -> None:
    twin, reader, client = desk(PlainCard())
    handle = client.hold(BOX)
    reader.card = None
    twin.removed(reader)
    assert client.transmit(handle, b"\x00") == (Code.REMOVED_CARD, b"")
    assert client.call(Command.STATUS, handle, 0)[1] == Code.REMOVED_CARD
    assert client.call(Command.RECONNECT, handle, Share.SHARED, 3, 0, 0, 0)[5] == Code.NO_SMARTCARD
    reader.card = PlainCard()
    twin.inserted(reader)
    assert client.transmit(handle, b"\x00")[0] == Code.REMOVED_CARD
    assert client.call(Command.RECONNECT, handle, Share.SHARED, 3, 1, 0, 0)[5] == Code.SUCCESS
    assert client.transmit(handle, b"\x00")[0] == Code.SUCCESS


def test_a_reset_is_told_to_the_others() -> None:
    twin, _, one = desk(PlainCard())
    two = Client(twin)
    first, second = one.hold(BOX), two.hold(BOX)
    assert one.call(Command.DISCONNECT, first, Disposition.RESET, 0)[2] == Code.SUCCESS
    assert two.transmit(second, b"\x00")[0] == Code.RESET_CARD
    assert two.call(Command.RECONNECT, second, Share.SHARED, 3, Disposition.UNPOWER, 0, 0)[5] == Code.SUCCESS


def test_transactions_wait_their_turn() -> None:
    twin, _, one = desk(PlainCard())
    two, three = Client(twin), Client(twin)
    first, second, third = one.hold(BOX), two.hold(BOX), three.hold(BOX)
    assert one.begin(first) == Code.SUCCESS
    assert one.begin(first) == Code.SUCCESS  # nested
    assert two.begin(second) is None
    assert three.begin(third) is None
    assert two.send(Command.GET_READERS_STATE) == b""  # it is blocked: one question at a time
    assert one.end(first) == Code.SUCCESS
    assert twin.take() == []
    assert one.end(first) == Code.SUCCESS
    (number, answer), (_, table) = twin.take()
    assert (number, answer) == (two.number, FIELDS[Command.BEGIN_TRANSACTION].pack(second, Code.SUCCESS))
    assert len(table) > 2000
    twin.leave(two.number)
    assert twin.take()[0][0] == three.number


def test_others_are_kept_out_of_a_transaction() -> None:
    twin, _, one = desk(PlainCard())
    two = Client(twin)
    first, second = one.hold(BOX), two.hold(BOX)
    one.begin(first)
    assert two.transmit(second, b"\x00")[0] == Code.SHARING_VIOLATION
    assert two.end(second) == Code.SHARING_VIOLATION
    assert two.call(Command.RECONNECT, second, Share.SHARED, 3, 1, 0, 0)[5] == Code.SHARING_VIOLATION
    assert two.call(Command.DISCONNECT, second, Disposition.RESET, 0)[2] == Code.SUCCESS
    assert one.transmit(first, b"\x00")[0] == Code.SUCCESS  # the other's reset was not done
    assert one.end(first, Disposition.RESET) == Code.SUCCESS
    assert one.end(first) == Code.NOT_TRANSACTED


def test_who_waits_for_a_card_that_goes_is_told() -> None:
    twin, reader, one = desk(PlainCard())
    two = Client(twin)
    first, second = one.hold(BOX), two.hold(BOX)
    one.begin(first)
    assert two.begin(second) is None
    reader.card = None
    twin.removed(reader)
    assert twin.take() == [(two.number, FIELDS[Command.BEGIN_TRANSACTION].pack(second, Code.REMOVED_CARD))]


def test_who_waits_at_a_reader_that_goes_is_told() -> None:
    twin, reader, one = desk(PlainCard())
    two = Client(twin)
    first, second = one.hold(BOX), two.hold(BOX)
    one.begin(first)
    two.begin(second)
    twin.unplug(reader)
    assert twin.take() == [(two.number, FIELDS[Command.BEGIN_TRANSACTION].pack(second, Code.READER_UNAVAILABLE))]
    assert one.transmit(first, b"\x00")[0] == Code.READER_UNAVAILABLE
    assert controlled(one.control(first, GET_FEATURES))[0] == Code.READER_UNAVAILABLE
    assert one.call(Command.DISCONNECT, first, 0, 0)[2] == Code.SUCCESS


def test_a_client_that_vanishes_leaves_a_reset_card() -> None:
    card = PlainCard()
    twin, _, one = desk(card)
    two = Client(twin)
    one.begin(one.hold(BOX, Share.SHARED))
    resets = card.resets
    twin.leave(one.number)
    assert card.resets == resets + 1
    assert two.connect(BOX, Share.EXCLUSIVE)[2] == Code.SUCCESS
    assert two.call(Command.RELEASE_CONTEXT, two.context, 0)[1] == Code.SUCCESS
    assert two.call(Command.RELEASE_CONTEXT, two.context, 0)[1] == Code.INVALID_HANDLE
    assert two.table()[0].sharing == 0


def test_a_card_that_tears_in_mid_exchange() -> None:
    card = PlainCard(torn=True)
    torn: list[str] = []
    twin = PcscdTwin((VirtualReader("Box", card=card),), lambda reader: torn.append(reader.name))
    client = Client(twin)
    handle = client.hold(BOX)
    assert client.transmit(handle, b"\x00") == (Code.NOT_TRANSACTED, b"")
    assert torn == ["Box"]
    assert client.table()[0].state == ReaderFlag.ABSENT
    assert client.transmit(handle, b"\x00") == (Code.REMOVED_CARD, b"")


def test_a_slow_card_answers_in_time() -> None:
    twin, _, client = desk(PlainCard(), card_delay_s=0.5)
    handle = client.hold(BOX)
    fields = (handle, 2, 16, 1, 2, 16, 258, 0)
    assert client.send(Command.TRANSMIT, *fields, data=b"\x00", now=10.0) == b""
    assert twin.due == 10.5
    twin.tick(10.4)
    assert twin.take() == []
    twin.tick(10.5)
    ((number, answer),) = twin.take()
    assert number == client.number
    assert answer.endswith(b"\x90\x00")
    client.send(Command.TRANSMIT, *fields, data=b"\x00", now=11.0)
    twin.leave(client.number)
    twin.tick(20.0)
    assert twin.take() == []


def test_a_reader_of_short_commands() -> None:
    _, _, client = desk(PlainCard(), largest_apdu=261)
    handle = client.hold(BOX)
    assert client.transmit(handle, bytes(262))[0] == Code.NOT_TRANSACTED
    assert client.transmit(handle, bytes(261))[0] == Code.SUCCESS


def test_a_card_that_nobody_holds_loses_its_power_after_a_while() -> None:
    card = PlainCard()
    twin, _, client = desk(card)
    handle = client.hold(BOX)
    client.call(Command.DISCONNECT, handle, Disposition.LEAVE, 0)
    assert client.table()[0].state & ReaderFlag.POWERED
    handle = client.hold(BOX)
    twin.tick(6.0)  # somebody holds it again
    assert client.transmit(handle, b"\x00")[0] == Code.SUCCESS
    client.call(Command.DISCONNECT, handle, Disposition.LEAVE, 0)
    twin.tick(12.0)
    assert client.table()[0].state == ReaderFlag.PRESENT


def test_attributes() -> None:
    _, _, client = desk(PlainCard(), serial="S1")
    handle = client.hold("Box (S1) 00 00")

    def attribute(wanted: int) -> bytes:
        fields = client.call(Command.GET_ATTRIB, handle, wanted, b"", 264, 0)
        value = fields[2]
        assert isinstance(value, bytes)
        return value[: fields[3]] if fields[4] == 0 else b"none"

    assert attribute(Attribute.ATR_STRING) == ATR_T1
    assert attribute(Attribute.VENDOR_IFD_SERIAL_NO) == b"S1\0"
    assert attribute(Attribute.DEVICE_FRIENDLY_NAME) == b"Box (S1) 00 00\0"
    assert attribute(0x00012345) == b"none"
    assert client.call(Command.SET_ATTRIB, handle, 1, b"", 0, 0)[4] == Code.UNSUPPORTED_FEATURE
    assert client.call(Command.GET_ATTRIB, 5, 1, b"", 0, 0)[4] == Code.INVALID_HANDLE


def test_control_codes_of_a_plain_reader() -> None:
    _, reader, client = desk()
    handle = client.hold(BOX, Share.DIRECT)
    assert client.transmit(handle, b"\x00")[0] == Code.PROTO_MISMATCH
    code, features = controlled(client.control(handle, GET_FEATURES))
    assert (code, features.hex()) == (Code.SUCCESS, "120442330012" + "130442000001")
    assert controlled(client.control(handle, ESCAPE, b"\xe0\x00\x00\x29\x01\x03")) == (Code.SUCCESS, b"\x90\x00")
    assert reader.escapes == [b"\xe0\x00\x00\x29\x01\x03"]
    assert controlled(client.control(handle, 0x42330012, room=4))[0] == Code.INSUFFICIENT_BUFFER
    assert controlled(client.control(handle, 0x42330006))[0] == Code.UNSUPPORTED_FEATURE
    assert controlled(client.control(handle + 1, GET_FEATURES))[0] == Code.INVALID_HANDLE


def test_a_full_house_and_a_client_that_does_not_wait() -> None:
    twin = PcscdTwin()
    for _ in range(MOST_CLIENTS):
        twin.join()
    with pytest.raises(ValueError, match="clients are connected"):
        twin.join()
    twin, _, one = desk(PlainCard())
    two = Client(twin)
    one.begin(one.hold(BOX))
    assert two.begin(two.hold(BOX)) is None
    with pytest.raises(DecodeError, match=f"more than {MOST_UNREAD}"):
        twin.feed(two.number, encode_request(Command.GET_READERS_STATE) * (MOST_UNREAD + 1), 0.0)


@given(st.lists(st.tuples(st.sampled_from(list(Command)), st.binary(min_size=400, max_size=400)), max_size=30))
def test_whatever_clients_send(messages: list[tuple[Command, bytes]]) -> None:
    """Well-formed messages with any fields: every one is answered or owed, and nothing is raised."""
    twin, _, client = desk(PlainCard())
    other = Client(twin)
    handle = other.hold(BOX)
    for command, filler in messages:
        layout = FIELDS[command]
        fields = list(layout.unpack(filler[: layout.size]))
        if command in (Command.TRANSMIT, Command.CONTROL):
            fields[3 if command is Command.TRANSMIT else 2] = 4
        if fields and isinstance(fields[0], int) and fields[0] % 2:
            fields[0] = handle
        data = filler[:4] if command in (Command.TRANSMIT, Command.CONTROL) else b""
        try:
            twin.feed(client.number, encode_request(command, *fields, data=data), 0.0)
        except DecodeError:
            break
    twin.leave(client.number)
    twin.leave(other.number)
    assert Client(twin).table()[0].sharing == 0
