# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Who gives the store's key: a TPM (swtpm, watched by tpm2-tools), a PKCS#11 token (SoftHSM2), a passphrase file."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocols import tpm2
from protocols.errors import DecodeError
from protocols.vault import Tamper
from terminal_agent.processes import vault_setup
from terminal_agent.processes.vault_settings import VaultSettings
from terminal_agent.sealed.keys.source import Head, Kind
from terminal_agent.sealed.keys.store import HEAD_OCTETS
from tests.terminal_agent.sealed.vaults import PASSPHRASE, component_files, load_all, made, running
from tests.tokens import soft_token
from tests.tpms import SoftTpm, soft_tpm
from tillguard.voice import Fault

INDEX = "0x01800011"


@pytest.fixture
def tpm(tmp_path: Path) -> Iterator[SoftTpm]:
    with soft_tpm(tmp_path) as found:
        yield found


def with_tpm(tpm: SoftTpm, folder: Path) -> VaultSettings:
    wanted = VaultSettings(folder / "vault" / "store", tpm=str(tpm.socket), pin_interval=0.001)
    assert vault_setup.create(wanted) is Kind.TPM
    return wanted


def head_of(wanted: VaultSettings) -> Head:
    return Head.decode(wanted.store.read_bytes()[:HEAD_OCTETS])


def test_a_tpm_unseals_counts_and_keeps_counting_behind_the_fences(tpm: SoftTpm, tmp_path: Path) -> None:
    wanted = with_tpm(tpm, tmp_path)
    with running(wanted, components=component_files(tmp_path)) as asker:
        load_all(asker)
        status = asker.status()
        assert status["phase"] == ["ready"]
        assert status["source"] == ["tpm"]
        assert "nobody can set back" in status["elsewhere"][0]
        first = int(status["generation"][0])
    with running(wanted) as asker:
        assert asker.status()["phase"] == ["ready"]
        assert int(asker.status()["generation"][0]) == first + 1


def test_an_independent_client_sees_the_counter_it_may_not_read(tpm: SoftTpm, tmp_path: Path) -> None:
    with_tpm(tpm, tmp_path)
    public = tpm.tool("tpm2_nvreadpublic", INDEX).decode()
    assert "nt=0x1" in public or "counter" in public.lower(), public
    assert "size: 8" in public
    with pytest.raises(subprocess.CalledProcessError):
        tpm.tool("tpm2_nvread", INDEX)
    with pytest.raises(subprocess.CalledProcessError):
        tpm.tool("tpm2_nvincrement", INDEX)


def test_what_the_tpm_sealed_is_opened_by_an_independent_client_too(tpm: SoftTpm, tmp_path: Path) -> None:
    """tpm2-tools makes the same storage key from the template, loads the object and unseals 32 octets."""
    material = head_of(with_tpm(tpm, tmp_path)).material
    size = 2 + int.from_bytes(material[:2], "big")
    (tmp_path / "private").write_bytes(material[:size])
    (tmp_path / "public").write_bytes(material[size:])
    where = {name: str(tmp_path / name) for name in ("parent", "private", "public", "item")}
    attributes = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|decrypt"
    tpm.tool(
        *("tpm2_createprimary", "-C", "o", "-G", "ecc256:aes128cfb", "-g", "sha256", "-a", attributes),
        *("-c", where["parent"]),
    )
    tpm.tool("tpm2_flushcontext", "-t")  # there is no resource manager between tool and TPM
    tpm.tool("tpm2_load", "-C", where["parent"], "-r", where["private"], "-u", where["public"], "-c", where["item"])
    tpm.tool("tpm2_flushcontext", "-t")
    assert len(tpm.tool("tpm2_unseal", "-c", where["item"])) == 32


def test_a_rolled_back_store_is_found_out_by_the_tpm(tpm: SoftTpm, tmp_path: Path) -> None:
    wanted = with_tpm(tpm, tmp_path)
    image = wanted.store.read_bytes()
    with running(wanted) as asker:
        assert asker.status()["phase"] == ["loading"]
    wanted.store.write_bytes(image)
    with running(wanted) as asker:
        status = asker.status()
        assert status["phase"] == ["locked"]
        assert "counter kept elsewhere" in status["why"][0]


def test_the_store_opens_with_no_other_tpm(tpm: SoftTpm, tmp_path: Path) -> None:
    wanted = with_tpm(tpm, tmp_path)
    tpm.switch_off()
    shutil.rmtree(tmp_path / "state")
    tpm.switch_on()
    with running(wanted) as asker:
        status = asker.status()
        assert status["phase"] == ["locked"]
        assert "TPM: refused" in status["why"][0]


def test_it_survives_a_power_cycle_of_the_tpm_between_two_lives(tpm: SoftTpm, tmp_path: Path) -> None:
    wanted = with_tpm(tpm, tmp_path)
    tpm.switch_off()
    tpm.switch_on()
    with running(wanted) as asker:
        assert asker.status()["phase"] == ["loading"]


def test_an_index_that_is_taken_is_refused(tpm: SoftTpm, tmp_path: Path) -> None:
    wanted = with_tpm(tpm, tmp_path)
    wanted.store.unlink()
    with pytest.raises(Fault, match="is defined already"):
        vault_setup.create(wanted)


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return soft_token(tmp_path, monkeypatch)


def test_a_token_unwraps_in_a_process_of_its_own(token: Path, tmp_path: Path) -> None:
    wanted = VaultSettings(tmp_path / "vault" / "store", tmp_path / "elsewhere" / "counter", token=token)
    assert vault_setup.create(wanted) is Kind.TOKEN
    with running(wanted, components=component_files(tmp_path)) as asker:
        load_all(asker)
        assert asker.status()["source"] == ["token"]
        mapped = Path(f"/proc/{asker.child.process.pid}/maps").read_text()
        assert "softhsm" not in mapped
        assert "pkcs11" not in mapped
    (tmp_path / "token-pin").write_text("wrong\n")
    with running(wanted) as asker:
        assert asker.status()["phase"] == ["locked"]
        assert "token" in asker.status()["why"][0]


def test_the_best_source_is_taken_and_no_other_opens_the_store(tpm: SoftTpm, token: Path, tmp_path: Path) -> None:
    (tmp_path / "passphrase").write_text(PASSPHRASE)
    wanted = VaultSettings(
        *(tmp_path / "vault" / "store", tmp_path / "elsewhere" / "counter"),
        tpm=str(tpm.socket),
        token=token,
        passphrase=tmp_path / "passphrase",
    )
    assert vault_setup.create(wanted) is Kind.TPM
    tpm.switch_off()
    with running(wanted) as asker:
        assert asker.status()["phase"] == ["locked"]
    tpm.switch_on()


def test_a_head_that_names_another_source_does_not_open_what_was_sealed(tmp_path: Path) -> None:
    wanted = made(tmp_path)
    octets = bytearray(wanted.store.read_bytes())
    head = Head.decode(bytes(octets[:HEAD_OCTETS]))
    octets[:HEAD_OCTETS] = Head(bytes(16), head.kind, head.material).encode()
    wanted.store.write_bytes(octets)
    with running(wanted) as asker:
        assert asker.status()["phase"] == ["locked"]
        assert isinstance(asker.ask(Tamper("x")), object)


@pytest.mark.parametrize("words", ["", "short\n"])
def test_a_passphrase_that_is_none_is_refused(tmp_path: Path, words: str) -> None:
    wanted = made(tmp_path)
    (tmp_path / "passphrase").write_text(words)
    with running(wanted) as asker:
        assert asker.status()["phase"] == ["locked"]
        assert "too short" in asker.status()["why"][0]


def test_store_and_counter_may_not_lie_together(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="another folder"):
        VaultSettings(tmp_path / "store", tmp_path / "counter")
    with pytest.raises(ValueError, match="second location"):
        VaultSettings(tmp_path / "store")


@pytest.mark.parametrize("octets", [b"", bytes(9), bytes(4096), b"\x80\x01\0\0\0\x0b\0\0\0\0"])
def test_what_is_no_response_is_said(octets: bytes) -> None:
    with pytest.raises(DecodeError):
        tpm2.response_code(memoryview(octets))


def test_every_cut_of_a_head_is_refused() -> None:
    octets = Head(bytes(16), Kind.PASSPHRASE, bytes(16)).encode()
    for size in (*range(64), HEAD_OCTETS - 1):
        with pytest.raises(DecodeError):
            Head.decode(octets[:size])
    with pytest.raises(DecodeError):
        Head.decode(octets.replace(b"passphrase", b"passphrasf"))


def test_a_passphrase_that_init_makes_is_random_and_cheap_and_words_are_dear(tmp_path: Path) -> None:
    wanted = VaultSettings(
        tmp_path / "vault" / "store", tmp_path / "elsewhere" / "counter", passphrase=tmp_path / "new"
    )
    assert vault_setup.create(wanted) is Kind.PASSPHRASE
    assert len((tmp_path / "new").read_text().strip()) == 64
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o600
    assert head_of(wanted).material[-1] == 4
    with running(wanted) as asker:
        assert asker.status()["phase"] == ["loading"]
    (tmp_path / "words").mkdir()
    assert head_of(made(tmp_path / "words")).material[-1] == 14
