# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The identity's folder: kills at every write, foreign and damaged records, a full disk."""

import os
from pathlib import Path

import pytest

from protocols.identity.binding import Binding
from terminal_agent.identity import folder as rooms
from terminal_agent.identity.folder import SLOTS, Folder, IdentityError, Record
from tests.flows.enrolling import BINDING, TERMINAL


class Killed(BaseException):
    """The process ends here."""


def a_life(folder: Folder) -> None:
    """Enrolled, renewed, promoted, renewed again and given up."""
    record = folder.prepare(folder.read(), b"key 1", b"application 1", "1" * 64)
    folder.issued(record, b"certificate 1")
    record = folder.prepare(folder.read(), b"key 2", b"application 2", "2" * 64)
    folder.issued(record, b"certificate 2")
    folder.promote()
    folder.prepare(folder.read(), b"key 3", b"application 3", "3" * 64)
    folder.give_up()


def whole(folder: Folder) -> None:
    """What the record names is there, key and certificate of one number; and nothing else is after tidying."""
    folder.tidy()
    record = folder.read()
    for name in SLOTS:
        slot = folder.slot(name)
        if name in (record.in_use, record.candidate):
            assert slot.key.read_bytes().split()[1] == slot.certificate.read_bytes().split()[1]
        elif record.waiting and name == folder.free(record):
            assert slot.key.read_bytes().split()[1].decode() == record.waiting[0]
            assert folder.application.read_bytes().split()[1].decode() == record.waiting[0]
        else:
            assert not slot.key.exists()


def test_killed_at_every_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, writes = rooms.replace_whole, 0
    a_life(Folder(tmp_path / "counted", TERMINAL))
    for at in range(100):
        writes = 0

        def mortal(path: Path, octets: bytes, at: int = at) -> None:
            nonlocal writes
            writes += 1
            if writes == at + 1:
                raise Killed
            real(path, octets)

        monkeypatch.setattr(rooms, "replace_whole", mortal)
        here = Folder(tmp_path / str(at), TERMINAL)
        try:
            a_life(here)
        except Killed:
            monkeypatch.setattr(rooms, "replace_whole", real)
            whole(here)
        else:
            break
    assert at > 12
    whole(here)


def test_another_terminals_or_damaged(tmp_path: Path) -> None:
    Folder(tmp_path, "TG000002").write(Record("TG000002"))
    with pytest.raises(IdentityError, match="of another terminal"):
        Folder(tmp_path, TERMINAL).read()
    for octets in (b"", b"{}", b'{"v":1}', b"\xff", b"[" * 100_000):
        (tmp_path / "identity.json").write_bytes(octets)
        with pytest.raises(IdentityError, match="damaged"):
            Folder(tmp_path, TERMINAL).read()


def test_a_disk_that_takes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = Folder(tmp_path, TERMINAL)
    a_life(here)
    before = here.read()

    def full(_: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(IdentityError, match="No space left"):
        here.prepare(before, b"key 4", b"application 4", "4" * 64)
    monkeypatch.undo()
    assert here.read() == before


def test_a_destroyed_key_is_zeros_on_the_disk_before_it_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Folder(tmp_path, TERMINAL)
    here.prepare(here.read(), b"key 1", b"application 1", "1" * 64)
    key, real, synced = here.slot("a").key, os.fsync, list[tuple[str, bytes]]()

    def watched(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").readlink() == key:
            synced.append((key.name, key.read_bytes()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    here.empty("a")
    assert synced == [("key.pem", bytes(len(b"key 1")))]
    assert not key.exists()


def test_a_binding_only_grows() -> None:
    other = Binding("123456", "M", "LIC-1", "SN-2", BINDING.location)
    record = Record(TERMINAL).bound(BINDING, 1, 5)
    assert record.bound(BINDING, 1, 6) is record
    for binding, version in ((other, 1), (BINDING, 0)):
        with pytest.raises(IdentityError, match="2 or more expected"):
            record.bound(binding, version, 6)
