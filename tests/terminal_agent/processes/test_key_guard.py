# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: on the disk lies no private key that opens without this machine's TPM, or without its token."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocols.telemetry.keys import ENCIPHERED, from_certificate, signer_from_pem
from terminal_agent.flows.enrolment import Enrolment
from terminal_agent.identity.folder import Folder, IdentityError, Record
from terminal_agent.identity.request import new_request
from terminal_agent.identity.settings import IdentitySettings
from terminal_agent.processes.key_guard import guard_of
from terminal_agent.report.keys import report_keys
from terminal_agent.report.mqtt import tls_context
from terminal_agent.report.settings import ReportError, ReportSettings
from tests.flows.enrolling import BINDING, TERMINAL, Stage
from tests.tokens import soft_token
from tests.tpms import SoftTpm, soft_tpm


@pytest.fixture
def tpm(tmp_path: Path) -> Iterator[SoftTpm]:
    with soft_tpm(tmp_path) as found:
        yield found


def settings(folder: Path, *, tpm: str = "", token: Path | None = None) -> IdentitySettings:
    five = (BINDING.acquirer, BINDING.licence, BINDING.serial, BINDING.location)
    return IdentitySettings(folder / "authority.pem", *five, tpm=tpm, token=token)


def guarded(folder: Path, found: IdentitySettings) -> Folder:
    place = folder / "identity"
    return Folder(place, TERMINAL, guard_of(found, place / "guard"))


def with_a_key(folder: Folder) -> bytes:
    """The key in clear, of which the folder has what it keeps."""
    made = new_request(TERMINAL, "SN-00042").key
    folder.prepare(Record(TERMINAL), made, b"application", "digest")
    return made


def test_a_tpm_keeps_the_keys_from_whoever_takes_the_disk(tpm: SoftTpm, tmp_path: Path) -> None:
    named = settings(tmp_path, tpm=str(tpm.socket))
    made = with_a_key(guarded(tmp_path, named))
    assert (tmp_path / "identity/a/key.pem").read_bytes().startswith(ENCIPHERED)
    again = guarded(tmp_path, named)  # another process, another day
    assert again.key("a") == made
    with pytest.raises(IdentityError, match="another passphrase") as refused:
        guarded(tmp_path, settings(tmp_path)).key("a")
    assert "[identity]" in refused.value.hint
    tpm.switch_off()
    with pytest.raises(IdentityError, match="cannot be opened"):
        guarded(tmp_path, named).key("a")
    shutil.rmtree(tmp_path / "state")
    tpm.switch_on()  # another machine's
    with pytest.raises(IdentityError, match="TPM: refused") as refused:
        guarded(tmp_path, named).key("a")
    assert "recovered" in refused.value.hint


def test_a_token_does_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = settings(tmp_path, token=soft_token(tmp_path, monkeypatch))
    made = with_a_key(guarded(tmp_path, named))
    assert guarded(tmp_path, named).key("a") == made
    (tmp_path / "token-pin").write_text("wrong\n")
    with pytest.raises(IdentityError, match="does not give"):
        guarded(tmp_path, named).key("a")


def test_openssl_opens_it_with_the_passphrase_and_not_without(tpm: SoftTpm, tmp_path: Path) -> None:
    folder = guarded(tmp_path, settings(tmp_path, tpm=str(tpm.socket)))
    with_a_key(folder)
    passphrase = folder.passphrase()
    assert passphrase is not None
    for word, code in ((passphrase.decode(), 0), ("wrong", 1)):
        words = ["openssl", "pkey", "-in", str(tmp_path / "identity/a/key.pem"), "-noout", "-passin", f"pass:{word}"]
        assert subprocess.run(words, capture_output=True, check=False).returncode == code


def test_keys_of_before_stay_usable_and_the_next_one_is_enciphered(tpm: SoftTpm, tmp_path: Path) -> None:
    made = with_a_key(guarded(tmp_path, settings(tmp_path)))
    assert (tmp_path / "identity/a/key.pem").read_bytes() == made
    after = guarded(tmp_path, settings(tmp_path, tpm=str(tpm.socket)))
    assert after.key("a") == made
    after.prepare(Record(TERMINAL, in_use="a"), made, b"application", "digest")
    assert (tmp_path / "identity/b/key.pem").read_bytes().startswith(ENCIPHERED)


def test_a_tpm_that_is_away_when_a_key_is_made_changes_nothing(tpm: SoftTpm, tmp_path: Path) -> None:
    folder = guarded(tmp_path, settings(tmp_path, tpm=str(tpm.socket)))
    tpm.switch_off()
    with pytest.raises(IdentityError, match="cannot be opened"):
        with_a_key(folder)
    assert not (tmp_path / "identity").exists()


@pytest.mark.parametrize("content", ["", "tpm", "tpm xy", "token 00", "\xff"])
def test_a_damaged_guard_is_named(content: str, tpm: SoftTpm, tmp_path: Path) -> None:
    named = settings(tmp_path, tpm=str(tpm.socket))
    with_a_key(guarded(tmp_path, named))
    (tmp_path / "identity/guard").write_text(content, "latin-1")
    with pytest.raises(IdentityError) as refused:
        guarded(tmp_path, named).key("a")
    assert refused.value.hint


def test_enrolled_renewed_and_reporting_with_a_key_that_lies_enciphered(tpm: SoftTpm, tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    folder = guarded(tmp_path, settings(tmp_path, tpm=str(tpm.socket)))
    stage.terminal = Enrolment(folder, TERMINAL, stage.authority.credential.certificate, stage.now_ms, stage.entropy)
    stage.enrol()
    slot = folder.slot(folder.read().in_use)
    ca = tmp_path / "ca.pem"
    ca.write_bytes(stage.authority.credential.certificate)
    reports = ReportSettings("localhost:8883", ca, slot.certificate, slot.key)
    assert tls_context(reports, folder.passphrase).get_ca_certs()
    signer, _ = report_keys(reports, folder.passphrase)
    assert signer.key_id == from_certificate(slot.certificate.read_bytes(), "certificate").key_id
    for what in (tls_context, report_keys):
        with pytest.raises(ReportError):
            what(reports)
    stage.terminal.take(stage.run(stage.desk.renew(stage.terminal.renew("tillguard 1"))))
    candidate = folder.read().candidate
    assert folder.slot(candidate).key.read_bytes().startswith(ENCIPHERED)
    assert signer_from_pem(folder.key(candidate), "candidate").key_id != signer.key_id
    stage.close()
