# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The vault: what is kept comes back, what was changed does not, and what fails leaves no half. Kills: test_kills."""

import contextlib
import itertools
import os
import random
import resource
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hsm_sim.engine.vault import LIVES, About, Entry, Kind, Life, Vault, VaultError
from hsm_sim.engine.vault_seal import ByPassphrase, Passphrase, Wrapping, seal, unseal
from protocols.errors import DecodeError, EncodeError, IntegrityError
from protocols.secret import ClearKey
from tests.hsm_sim.test_kills import ByTestKey

WORDS = b"TEST passphrase of a vault"
ABOUT = About("002", "00", "ABCDEF")
CRYPTOGRAM = b"U" + b"0123456789ABCDEF" * 2


def passphrase(stored: Mapping[str, Any] | None = None, words: bytes = WORDS) -> Wrapping:
    return ByPassphrase(Passphrase(words), os.urandom, stored)


def reopened(path: Path, words: bytes = WORDS) -> Vault:
    return Vault.open(path, lambda stored: passphrase(stored, words), os.urandom)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "vault.db"


@pytest.fixture
def vault(path: Path) -> Iterator[Vault]:
    made = Vault.create(path, passphrase(), os.urandom)
    yield made
    made.close()


def test_a_key_comes_back_as_it_was_kept(vault: Vault, path: Path) -> None:
    assert vault.put("00/K001", ABOUT, CRYPTOGRAM) == Entry("00/K001", 1, ABOUT)
    vault.close()
    again = reopened(path)
    assert again.get("00/K001") == (Entry("00/K001", 1, ABOUT), CRYPTOGRAM)
    assert [entry.reference for entry in again.entries()] == ["00/K001"]
    again.close()


def test_nothing_of_a_key_lies_in_the_file_and_nobody_else_reads_it(vault: Vault, path: Path) -> None:
    vault.put("00/K001", ABOUT, CRYPTOGRAM)
    vault.close()
    assert CRYPTOGRAM not in path.read_bytes()
    assert WORDS not in path.read_bytes()
    assert [file.stat().st_mode & 0o077 for file in path.parent.iterdir()] == [0] * len(list(path.parent.iterdir()))


def test_another_passphrase_opens_nothing_and_takes_no_lock(vault: Vault, path: Path) -> None:
    vault.close()
    with pytest.raises(IntegrityError, match="vault key: does not open"):
        reopened(path, b"another TEST passphrase")
    reopened(path).close()


def test_one_process_at_a_time(vault: Vault, path: Path) -> None:
    with pytest.raises(VaultError, match="open in another process"):
        reopened(path)
    with pytest.raises(VaultError, match="open in another process"):
        Vault.create(path, passphrase(), os.urandom)


def test_a_vault_is_made_once_and_opened_only_where_it_is(path: Path) -> None:
    with pytest.raises(VaultError, match="is not there"):
        reopened(path)
    Vault.create(path, passphrase(), os.urandom).close()
    with pytest.raises(VaultError, match="is there already"):
        Vault.create(path, passphrase(), os.urandom)
    reopened(path).close()


def test_a_folder_that_takes_nothing_is_said(tmp_path: Path) -> None:
    with pytest.raises(VaultError, match=r"vault.db cannot be locked: No such file"):
        Vault.create(tmp_path / "nowhere" / "vault.db", passphrase(), os.urandom)
    (tmp_path / "vault.db.new").mkdir()
    with pytest.raises(VaultError, match=r"vault.db cannot be made: Is a directory"):
        Vault.create(tmp_path / "vault.db", passphrase(), os.urandom)


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file of this process grows beyond 64 KiB: what a full disk does, without a file system of its own."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_refuses_the_key_and_keeps_the_others(vault: Vault, path: Path, small_files: None) -> None:
    kept: list[str] = []

    def fill() -> None:
        for number in range(10_000):
            vault.put(f"00/K{number:04X}", ABOUT, CRYPTOGRAM)
            kept.append(f"00/K{number:04X}")

    with pytest.raises(VaultError, match="the vault cannot be written: SQLITE_") as caught:
        fill()
    assert "free space" in caught.value.hint
    assert vault.names(Kind.KEY) == kept
    vault.close()
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    again = reopened(path)
    assert [entry.reference for entry in again.entries()] == kept
    again.put("00/KAAAA", ABOUT, CRYPTOGRAM)
    again.close()


def test_a_vault_damaged_anywhere_is_said_and_never_believed(path: Path) -> None:
    """Octets changed all over the file, and the file cut: every way to read it says so or gives what was kept."""
    made = Vault.create(path, ByTestKey(), os.urandom)
    kept = {f"00/K{number:03X}": CRYPTOGRAM + b"%d" % number for number in range(40)}
    for reference, cryptogram in kept.items():
        made.put(reference, ABOUT, cryptogram)
    made.close()
    whole, chance, refused = path.read_bytes(), random.Random(3), 0
    for case in range(400):
        octets = bytearray(whole)
        if case % 10 == 0:
            del octets[chance.randrange(len(octets)) :]
        else:
            for _ in range(chance.choice((1, 1, 2, 16))):
                octets[chance.randrange(len(octets))] ^= 1 << chance.randrange(8)
        path.write_bytes(octets)
        try:
            opened = Vault.open(path, lambda _: ByTestKey(), os.urandom)
        except (DecodeError, IntegrityError, VaultError):
            refused += 1
            continue
        try:
            for reference in opened.names(Kind.KEY):
                entry, cryptogram = opened.get(reference)
                assert (entry.about, cryptogram) == (ABOUT, kept[reference])
        except (IntegrityError, VaultError):
            refused += 1
        finally:
            opened.close()
    assert refused > 200


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\x00" + bytes(4096)])
def test_what_is_no_vault(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(DecodeError, match="not a vault"):
        reopened(path)


def test_every_octet_of_a_record_is_under_its_seal(vault: Vault, path: Path) -> None:
    vault.put("00/K001", ABOUT, CRYPTOGRAM)
    vault.put("00/K002", About("001", "00", "123456"), CRYPTOGRAM)
    database = sqlite3.connect(path)
    rows = database.execute("SELECT kind, reference, revision, said, sealed FROM record ORDER BY reference").fetchall()
    (kind, reference, revision, said, sealed), other = rows
    changes: list[tuple[object, ...]] = [
        (kind, reference, revision, said, sealed[:place] + bytes((sealed[place] ^ 1,)) + sealed[place + 1 :])
        for place in range(len(sealed))
    ]
    changes += [
        (kind, reference, revision + 1, said, sealed),
        (kind, reference, revision, said.replace("002", "001"), sealed),
        (kind, reference, revision, said.replace("active", "destroyed"), sealed),
        (kind, reference, revision, other[3], other[4]),
        (kind, reference, revision, said, sealed[:27]),
    ]
    for change in changes:
        database.execute("INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?, ?)", change)
        database.commit()
        with pytest.raises(IntegrityError):
            vault.get("00/K001")
    database.close()


def test_the_life_of_a_key_goes_one_way(vault: Vault) -> None:
    for place, (before, after) in enumerate(itertools.product(Life, Life)):
        reference = f"00/K{place:03X}"
        vault.put(reference, About("002", "00", "ABCDEF", life=before), CRYPTOGRAM)
        if after in LIVES[before]:
            entry = vault.move(reference, after)
            assert (entry.revision, entry.about.life) == (2, after)
            assert vault.get(reference)[1] == (b"" if after is Life.DESTROYED else CRYPTOGRAM)
        else:
            with pytest.raises(VaultError, match="cannot become"):
                vault.move(reference, after)
    assert set(LIVES) == set(Life)
    assert not LIVES[Life.DESTROYED]


def test_a_name_is_taken_until_its_key_is_destroyed(vault: Vault) -> None:
    vault.put("00/K001", ABOUT, CRYPTOGRAM)
    with pytest.raises(VaultError, match="a key of this name is there"):
        vault.put("00/K001", ABOUT, CRYPTOGRAM)
    vault.move("00/K001", Life.DESTROYED)
    assert vault.put("00/K001", ABOUT, CRYPTOGRAM).revision == 3


def test_a_destroyed_key_is_not_in_the_file_any_more(vault: Vault, path: Path) -> None:
    vault.put("00/K001", ABOUT, CRYPTOGRAM)
    vault.close()
    with contextlib.closing(sqlite3.connect(path)) as database:
        (sealed,) = database.execute("SELECT sealed FROM record").fetchone()
    assert sealed in path.read_bytes()
    opened = reopened(path)
    opened.move("00/K001", Life.DESTROYED)
    opened.close()
    assert all(sealed not in file.read_bytes() for file in path.parent.iterdir())


@pytest.mark.parametrize("reference", ["", "x" * 65, "Ключ", "a\nb"])
def test_references_that_are_none(vault: Vault, reference: str) -> None:
    with pytest.raises(EncodeError, match="reference"):
        vault.put(reference, ABOUT, CRYPTOGRAM)
    with pytest.raises(VaultError, match="no key of this name"):
        vault.get("00/K001")
    with pytest.raises(EncodeError, match="at most"):
        vault.put("00/K001", ABOUT, bytes(70_000))


def test_the_units_memory(vault: Vault) -> None:
    assert vault.kept(Kind.STATE, "counters") is None
    vault.keep(Kind.STATE, "counters", b"one")
    vault.keep(Kind.STATE, "counters", b"two")
    assert vault.kept(Kind.STATE, "counters") == b"two"
    assert vault.names(Kind.STATE) == ["counters"]
    assert list(vault.entries()) == []


def test_another_passphrase_from_now_on(vault: Vault, path: Path) -> None:
    vault.put("00/K001", ABOUT, CRYPTOGRAM)
    vault.close()
    former: list[Wrapping] = []

    def first(stored: Mapping[str, Any]) -> Wrapping:
        former.append(passphrase(stored))
        return former[0]

    opened = Vault.open(path, first, os.urandom)
    opened.rewrap(passphrase(words=b"a new TEST passphrase"), former[0])
    opened.close()
    with pytest.raises(IntegrityError):
        reopened(path)
    again = reopened(path, b"a new TEST passphrase")
    assert again.get("00/K001")[1] == CRYPTOGRAM
    again.close()


@pytest.mark.parametrize(
    "stored",
    [{}, {"salt": "00"}, {"salt": "zz", "n": 1 << 15}, {"salt": "00", "n": 1 << 14}, {"salt": "00", "n": 40000}],
)
def test_header_words_that_no_vault_has(stored: dict[str, Any]) -> None:
    with pytest.raises(DecodeError, match="vault header"):
        passphrase(stored)


@pytest.mark.parametrize("size", [0, 11, 1025])
def test_passphrases_too_short_or_too_long(size: int) -> None:
    with pytest.raises(DecodeError, match="12 to 1024 octets expected"):
        passphrase(words=b"x" * size)


def test_a_key_that_was_wiped_is_still_the_key_of_its_cipher() -> None:
    octets = bytearray(range(32))
    key = AESGCM(octets)
    octets[:] = bytes(32)
    sealed = seal(key, os.urandom, b"clear", b"said")
    assert unseal(AESGCM(bytes(range(32))), sealed, b"said", "here") == b"clear"
    with pytest.raises(IntegrityError):
        unseal(AESGCM(bytes(32)), sealed, b"said", "here")


def test_the_derived_key_depends_on_salt_and_passphrase() -> None:
    one = passphrase()
    with ClearKey(bytes(32)) as key:
        wrapped = one.wrap(key, b"name")
    assert len(wrapped) == 12 + 32 + 16
    with pytest.raises(IntegrityError):
        passphrase().unwrap(wrapped, b"name")
    with pytest.raises(IntegrityError):
        one.unwrap(wrapped, b"another name")
    with one.unwrap(wrapped, b"name") as found:
        assert found == ClearKey(bytes(32))


def test_a_kill_while_a_vault_is_made_leaves_none(tmp_path: Path) -> None:
    path = tmp_path / "vault.db"
    (tmp_path / "vault.db.new").write_bytes(b"half of one")
    Vault.create(path, passphrase(), os.urandom).close()
    assert not (tmp_path / "vault.db.new").exists()
    reopened(path).close()
