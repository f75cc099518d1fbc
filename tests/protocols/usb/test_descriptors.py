# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Descriptors, device hashes and kernel events: what is read, and that nothing that does not add up is."""

import struct
from random import Random

import pytest

from device_profiles.twins.usb_descriptors import Model
from protocols.errors import DecodeError
from protocols.usb import uevent
from protocols.usb.descriptors import LARGEST, decode, split
from protocols.usb.identity import device_hash, device_hash_v2, root_parent_hash
from tests.protocols.usb.made import interface

COMPOSITE = Model("0781", "5567", (((8, 6, 0x50), (8, 6, 0x62)), ((3, 1, 1),)), "Cruzer", "4C53").descriptors
DEVICE, CONFIGURATION = COMPOSITE[:18], COMPOSITE[18:27]


def test_what_a_composite_device_shows() -> None:
    found = decode(COMPOSITE)
    assert found.shows == (interface("08:06:50"), interface("08:06:62"), interface("03:01:01"))
    assert found.places == ((1, 0), (1, 0), (1, 1))
    assert (found.usb, found.vendor, found.product, found.release) == (0x0200, 0x0781, 0x5567, 0x0100)
    assert found.configurations == (1,)


def test_every_truncation_is_refused() -> None:
    for length in range(len(COMPOSITE)):
        with pytest.raises(DecodeError):
            decode(COMPOSITE[:length])


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"", "a device descriptor expected"),
        (CONFIGURATION, "a device descriptor expected"),
        (DEVICE + b"\x00\x04", "a descriptor of length 0"),
        (DEVICE + b"\x01", "a descriptor of length 1"),
        (DEVICE + b"\x09", "1 are left"),
        (DEVICE + bytes((8, 4, 0, 0, 0, 8, 6, 0x50)), "a descriptor of type 4 has 9"),
        (DEVICE + bytes((9, 4, 0, 0, 0, 8, 6, 0x50, 0)), "a configuration descriptor expected"),
        (COMPOSITE + DEVICE, "more than one device descriptor"),
        (COMPOSITE + bytes((9, 4, 2, 0, 0, 3, 1, 1, 0)), "beyond the end of its configuration"),
        (DEVICE + bytes((9, 2, 18, 0, 2, 1, 0, 0x80, 50, 9, 4, 0, 0, 0, 8, 6, 0x50, 0)), "fewer interfaces"),
        (DEVICE + bytes((9, 2, 18, 0, 1, 1, 0, 0x80, 50)), "shorter"),
        (DEVICE + bytes((9, 2, 18, 0, 1, 1, 0, 0x80, 50, 9, 4, 32, 0, 0, 8, 6, 0x50, 0)), "interface number 32"),
        (DEVICE + bytes((9, 2, 27, 0, 1, 1, 0, 0x80, 50, *(9, 4, 0, 0, 0, 8, 6, 0x50, 0) * 2)), "stands twice"),
        (DEVICE + bytes((9, 2, 9, 0, 0, 1, 0, 0x80, 50)) * 2, "two configurations of one value"),
        (DEVICE + b"".join(bytes((9, 2, 9, 0, 0, value, 0, 0x80, 50)) for value in range(1, 10)), "more than 8"),
        (DEVICE, "0 configurations; 1 announced"),
        (bytes(LARGEST + 1), "at most"),
    ],
)
def test_what_does_not_add_up(octets: bytes, why: str) -> None:
    with pytest.raises(DecodeError) as fault:
        decode(octets)
    assert why in fault.value.why


def test_garbage_is_a_decode_error_and_nothing_else() -> None:
    rng = Random(8)
    refused = 0
    for _ in range(5_000):
        octets = bytearray(COMPOSITE)
        for _ in range(rng.choice((1, 2, 5))):
            octets[rng.randrange(len(octets))] = rng.randrange(256)
        try:
            decode(bytes(octets))
        except DecodeError:
            refused += 1
    assert 1_000 < refused < 5_000


def test_the_second_hash_keeps_its_parts_apart() -> None:
    """Defect 13 of usbguard: the end of the name and the beginning of the vendor can change places."""
    one, other = ("AB", "1234", "5678", "9"), ("AB1", "2345", "678", "9")
    assert device_hash(*one, COMPOSITE) == device_hash(*other, COMPOSITE)
    assert device_hash_v2(*one, COMPOSITE) != device_hash_v2(*other, COMPOSITE)
    assert device_hash_v2(*one, COMPOSITE).startswith("v2:")


def test_a_root_hub_keeps_its_hash_when_the_kernel_changes() -> None:
    old, new = (Model("1d6b", "0002", (((9, 0, 0),),), release=number).descriptors for number in (0x0601, 0x0612))
    for make in (device_hash, device_hash_v2):
        assert make("xHCI", "1d6b", "0002", "", old) == make("xHCI", "1d6b", "0002", "", new)
        assert make("xHCI", "1d6c", "0002", "", old) != make("xHCI", "1d6c", "0002", "", new)
    assert root_parent_hash("/devices/pci0000:00/0000:00:14.0") != root_parent_hash("/devices/pci0000:00")


ADD = b"add@/devices/usb1/1-4\0ACTION=add\0DEVPATH=/devices/usb1/1-4\0SUBSYSTEM=usb\0DEVTYPE=usb_device\0SEQNUM=7\0"


def from_udev(texts: bytes, order: str = "<") -> bytes:
    """The same texts as udev sends them."""
    return (
        b"libudev\0"
        + struct.pack(">I", 0xFEEDCAFE)
        + struct.pack(f"{order}III", 40, 40, len(texts))
        + bytes(16)
        + texts
    )


def test_an_event_in_both_forms() -> None:
    texts = ADD.partition(b"\0")[2]
    for datagram in (ADD, from_udev(texts), from_udev(texts, ">")):
        event = uevent.decode(datagram)
        assert (event.action, event.path, event.port, event.sequence) == ("add", "/devices/usb1/1-4", "1-4", 7)
        assert event.is_usb_device


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"add",
        b"add@/devices",
        b"plug@/devices\0",
        b"add@devices\0",
        b"add@/devices/../x\0",
        b"add@/devices\0ACTION=remove\0",
        b"add@/devices\0SUBSYSTEM\0",
        b"add@/devices\0A=1\0A=2\0",
        b"add@/devices\0A=1",
        b"libudev\0" + bytes(40),
        from_udev(b"ACTION=add\0")[:-1],
        b"add@/devices\0" + b"A" * uevent.LARGEST,
        b"add@/devices\0" + b"".join(b"K%d=\0" % number for number in range(257)),
    ],
)
def test_what_is_no_event(datagram: bytes) -> None:
    with pytest.raises(DecodeError):
        uevent.decode(datagram)


def test_lost_events_are_noticed() -> None:
    watch = uevent.SequenceWatch()

    def numbered(number: str) -> uevent.Uevent:
        return uevent.Uevent("add", "/devices/x", {"SEQNUM": number})

    assert [watch.lost_before(numbered(number)) for number in ("7", "8", "10", "9", "11", "x", "12", "14")] == [
        False, False, True, False, False, True, False, True,
    ]  # fmt: skip


def test_splitting_keeps_every_octet() -> None:
    assert b"".join(split(COMPOSITE)) == COMPOSITE
