# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A twin behind the kernel's own protocol for distant USB devices, with a test in the kernel's place."""

import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from device_profiles.serve import usbip
from device_profiles.serve.card_choice import chosen
from device_profiles.twins.ccid_reader import CcidReader, Kind
from device_profiles.twins.usb_descriptors import Model
from device_profiles.twins.usb_function import BOOT_KEYBOARD, Typist, UsbCcid, UsbFunction, ccid_model
from protocols.serial.ccid import Message, Type, decode
from protocols.usb.descriptors import decode as decode_descriptors
from tests.patience import PATIENCE_S
from tillguard.voice import Fault

KEYBOARD = Model("0c2e", "0b61", (((3, 1, 1),),), "Keyboard", "K1")
HEAD, SUBMIT, RETURN = struct.Struct(">IIIII"), struct.Struct(">IiIII8s"), struct.Struct(">IIIIIiiiii8x")


class Kernel:
    """The far end of the socket that was attached."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0

    def attached(self) -> None:
        """Take the descriptor that was written, as the kernel does at once."""
        port, descriptor, _, speed = map(int, (self._folder / "attach").read_text().split())
        assert (port, speed) == (2, usbip.FULL_SPEED)
        self.link = socket.socket(fileno=os.dup(descriptor))
        self.link.settimeout(PATIENCE_S)

    def submit(self, endpoint: int, inward: bool, size: int, setup: bytes = bytes(8), data: bytes = b"") -> int:
        self._number += 1
        self.link.sendall(HEAD.pack(1, self._number, 1, inward, endpoint) + SUBMIT.pack(0, size, 0, 0, 0, setup) + data)
        return self._number

    def answer(self) -> tuple[int, int, bytes]:
        """Number, status, data."""
        kind, number, _, _, _, status, size, *_ = RETURN.unpack(self._read(RETURN.size))
        return number, status, self._read(size) if kind == 3 and size and number in self.inward else b""

    def get(self, value: int, length: int) -> tuple[int, bytes]:
        """GET_DESCRIPTOR."""
        number = self.submit(0, True, length, struct.pack("<BBHHH", 0x80, 6, value, 0, length))
        self.inward = {number}
        _, status, data = self.answer()
        return status, data

    def _read(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            found += self.link.recv(size - len(found))
        return found


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kernel]:
    found = Kernel(tmp_path)
    monkeypatch.setattr(usbip, "VHCI", tmp_path)
    real = Path.write_text

    def write(path: Path, text: str) -> int:
        count = real(path, text)
        if path.name == "attach":
            found.attached()
        return count

    monkeypatch.setattr(Path, "write_text", write)
    yield found
    found.link.close()


def test_a_keyboard_is_enumerated_and_types_when_it_is_asked(kernel: Kernel) -> None:
    clock = [0.0]
    typist = Typist(iter([(0.0, 4), (10.0, 5)]))
    plug = usbip.Plug(UsbFunction(KEYBOARD, typist), 2, lambda: clock[0])
    try:
        whole = kernel.get(0x0100, 18)[1] + kernel.get(0x0200, 255)[1]
        assert whole == KEYBOARD.descriptors
        assert kernel.get(0x0300, 255) == (0, bytes.fromhex("04030904"))
        assert kernel.get(0x0302, 255)[1][2:].decode("utf-16-le") == "Keyboard"
        assert kernel.get(0x2200, 255)[1] == BOOT_KEYBOARD
        assert kernel.get(0x0F00, 5) == (usbip.STALL, b"")
        kernel.inward = set()
        number = kernel.submit(0, False, 0, struct.pack("<BBHHH", 0, 9, 1, 0, 0))
        assert kernel.answer() == (number, 0, b"")
        for report in ("0000040000000000", "0000000000000000"):
            number = kernel.submit(1, True, 8)
            kernel.inward = {number}
            assert kernel.answer() == (number, 0, bytes.fromhex(report))
        waiting = kernel.submit(1, True, 8)  # the next key is not due yet: the kernel takes the transfer back
        kernel.link.sendall(HEAD.pack(2, 99, 1, 1, 1) + struct.pack(">I24x", waiting))
        assert kernel.answer()[:2] == (99, usbip.UNLINKED_STATUS)
        assert typist.typed == 2
    finally:
        plug.pull()
    assert (usbip.VHCI / "detach").read_text() == "2"


def test_a_reader_answers_on_its_pipes(kernel: Kernel) -> None:
    reader = CcidReader(Kind.TWIN)
    reader.insert(chosen("test-visa-contact", transmission="t0"))
    model = ccid_model("08e6", "3437", "Reader", "R1")
    assert [str(one) for one in decode_descriptors(model.descriptors).shows] == ["0b:00:00"]
    plug = usbip.Plug(UsbFunction(model, UsbCcid(reader)), 2)
    try:
        asked = Message(Type.ICC_POWER_ON, 0, 7).encode()
        kernel.inward = set()
        assert kernel.submit(1, False, len(asked), data=asked) == kernel.answer()[0]
        number = kernel.submit(2, True, 64)
        kernel.inward = {number}
        _, status, data = kernel.answer()
        answer = decode(data)
        assert (status, answer.kind, answer.sequence) == (0, Type.DATA_BLOCK, 7)
        assert answer.data.startswith(b"\x3b")
    finally:
        plug.pull()


def test_without_the_module_a_fault_says_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usbip, "VHCI", tmp_path / "not-there")
    with pytest.raises(Fault) as fault:
        usbip.Plug(UsbFunction(KEYBOARD, Typist([])), 0)
    assert "vhci_hcd" in fault.value.hint


def test_the_first_free_port_of_the_right_speed_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usbip, "VHCI", tmp_path)
    head = "hub port sta spd dev      sockfd local_busid\n"
    (tmp_path / "status").write_text(
        head + "hs  0000 006 002 00010001 000003 0-0\nhs  0001 004 000 00000000 000000 0-0\n"
    )
    assert usbip.free_port() == 1
    (tmp_path / "status").write_text(head + "ss  0008 004 000 00000000 000000 0-0\n")
    with pytest.raises(Fault, match="no port"):
        usbip.free_port()
