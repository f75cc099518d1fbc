# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Enrolment and technicians as persons type it at both ends, with documents carried by hand; and what they are told."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from device_profiles.twins.pki import Authority
from protocols.signed import Person, Trust
from protocols.telemetry.orders import trust_statement
from tests.cli.test_keys import PROFILE
from tests.protocols import persons

IDENTITY = """
[identity]
authority = "authority.pem"
acquirer = "123456"
licence = "LIC-2026-77"
serial = "SN-00042"
location = "+52.5200+013.4050"
[orders]
trust = "trust.toml"
"""
OFFICE = """
store = "office.db"
trust = "persons.json"
[enrolment]
certificate = "authority.pem"
key = "authority.key"
"""
KINDS = ("life", "life-grave", "technician-grant", "trust", "order", "order-grave")
STEP = ["enrol", "step"]
BY_ADA = ["--terminal", "TG000001", "--key", "ada.key"]
TRUST = Trust(
    (
        *(Person(name, persons.key(name).public, frozenset(KINDS)) for name in ("ada", "ben")),
        Person("tess", persons.key("tess").public, frozenset({"technician"})),
    ),
    {"life": 1, "life-grave": 2, "technician-grant": 1, "trust": 2, "order": 1, "order-grave": 2},
)
TRUST_FILE = (
    "".join(f'[[persons]]\nname = "{name}"\nkey = "{name}.pub"\nmay = {list(KINDS)}\n' for name in ("ada", "ben"))
    + "[thresholds]\n"
    + "".join(f"{kind} = {TRUST.thresholds[kind]}\n" for kind in KINDS)
)


class Ends:
    """Both ends in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        authority = Authority(datetime.now(UTC) - timedelta(hours=1), timedelta(days=3650)).credential
        (folder / "authority.pem").write_bytes(authority.certificate)
        (folder / "authority.key").write_bytes(authority.key)
        (folder / "persons.json").write_text(trust_statement(TRUST, 1, 0, 1).body)
        (folder / "trust.toml").write_text(TRUST_FILE)
        for name in ("ada", "ben", "tess", "thief"):
            (folder / f"{name}.key").write_bytes(persons.private_pem(name))
            (folder / f"{name}.pub").write_text(persons.public_pem(name))
        (folder / "file").write_text("")
        (folder / "passphrase").write_text("six words that open nothing else\n")
        (folder / "terminal.toml").write_text(PROFILE + IDENTITY)
        (folder / "office.toml").write_text(OFFICE)

    def run(self, command: str, *words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        path = str(Path(sys.executable).with_name(command))
        return subprocess.run([path, *words], cwd=self.folder, input=typed, capture_output=True, text=True, check=False)

    def terminal(self, *words: str, typed: str = "") -> str:
        done = self.run("terminal-agent", *words, "--profile", "terminal.toml", typed=typed)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def office(self, *words: str) -> Any:
        done = self.run("fleet-console", *words, "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def step(self, step: str, *words: str, key: str = "ada") -> Any:
        return self.office("enrol", "step", step, "--terminal", "TG000001", "--key", f"{key}.key", *words)

    def enrol(self) -> None:
        self.terminal("identity", "apply", "--out", "application")
        digest = self.office("enrol", "file", "application")["application"]
        self.step("accept", "--application", digest[:12], "--answer", "answer")
        self.terminal("identity", "take", "answer")
        self.step("contract")
        code = self.step("install", "--application", digest)["code"]
        self.terminal("identity", "activate", "--out", "activation", typed=f"{code.lower()}\n")
        self.office("enrol", "activate", "activation", "--answer", "answer")
        self.terminal("identity", "take", "answer")


@pytest.fixture
def ends(tmp_path: Path) -> Ends:
    return Ends(tmp_path)


def test_from_application_to_the_list_of_withdrawn_certificates(ends: Ends) -> None:
    ends.enrol()
    assert "TG000001: active; binding 1" in ends.terminal("identity", "show")
    shown = ends.office("enrol", "show", "TG000001")
    assert [one["step"] for one in shown["steps"]] == ["accept", "contract", "install", "activate"]
    assert shown["bindings"][0]["serial"] == "SN-00042"
    ends.terminal("identity", "renew", "--out", "renewal")
    ends.office("enrol", "renew", "renewal", "--answer", "answer")
    assert "on trial until head office answers over it" in ends.terminal("identity", "take", "answer")
    ends.step("suspend")
    ends.step("retire", "--out", "retire.step")
    retired = ends.office("enrol", "step", "--file", "retire.step", "--key", "ben.key")
    assert retired["life"] == "retired"
    ends.office("enrol", "crl", "--out", "crl.pem")
    listed = subprocess.run(
        ["openssl", "crl", "-in", str(ends.folder / "crl.pem"), "-noout", "-text", "-CAfile",
         str(ends.folder / "authority.pem")], capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert listed.stdout.count("Serial Number:") == 2
    assert "verify OK" in listed.stderr


def test_a_step_that_the_broker_was_not_told_of_is_done_and_says_so(ends: Ends) -> None:
    ends.enrol()
    ends.step("suspend")
    ends.step("retire", "--out", "retire.step")
    broker = """
[broker]
address = "127.0.0.1:1"
ca = "authority.pem"
certificate = "authority.pem"
key = "authority.key"
"""
    (ends.folder / "office.toml").write_text(OFFICE + broker)
    done = ends.run("fleet-console", "enrol", "step", "--file", "retire.step", "--key", "ben.key")
    assert done.returncode == 5
    assert "TG000001: this is done, but the broker was not told: 127.0.0.1:1: connection refused" in done.stderr
    assert "fleet-console broker sync" in done.stderr
    assert ends.office("enrol", "show", "TG000001")["life"] == "retired"


def test_an_answer_that_was_lost_is_written_again(ends: Ends) -> None:
    ends.terminal("identity", "apply", "--out", "application")
    digest = ends.office("enrol", "file", "application")["application"]
    ends.step("correct", "--application", digest, "--fault", "licence=ended", "--answer", "lost")
    ends.office("enrol", "answer", "--terminal", "TG000001", "--application", digest, "--answer", "again")
    assert "sent back: licence: ended" in ends.terminal("identity", "take", "again")


def test_whoever_has_applied_is_listed_and_a_step_says_what_is_open_next(ends: Ends) -> None:
    ends.terminal("identity", "apply", "--out", "application")
    digest = ends.office("enrol", "file", "application")["application"]
    assert ends.office("enrol", "list")["life"] == "applied"
    said = ends.step("accept", "--application", digest, "--answer", "review")
    assert (said["life"], said["open"]) == ("reviewed", ["contract", "retire"])


@pytest.mark.parametrize(
    ("words", "code", "what", "cure"),
    [
        ([*STEP, "accept", *BY_ADA], 2, "--answer FILE expected", "waits"),
        ([*STEP, "thaw", *BY_ADA], 2, "takes two persons", "--out FILE"),
        (["enrol", "step", "--key", "ada.key"], 2, "a step, or --file expected", "--help"),
        (["enrol", "step", "suspend", "--terminal", "TG000001", "--key", "thief.key"], 6, "no known key signed it", ""),
        ([*STEP, "suspend", *BY_ADA], 4, "open steps: correct, accept", ""),
        ([*STEP, "suspend", "--terminal", "TG00001", "--key", "ada.key"], 3, "no terminal TG00001", "enrol list"),
        (["enrol", "show", "TG00001"], 3, "no terminal TG00001 has applied here", "enrol list"),
        (["enrol", "file", "nowhere"], 2, "no such file", "check the path"),
        (["enrol", "file", "passphrase"], 6, "algorithm, key id and signature expected", "terminal made"),
        (["enrol", "step", "correct", "--terminal", "T", "--fault", "x", "--key", "ada.key", "--answer", "a"], 2,
         "FIELD=WORDS", ""),
        (["enrol", "answer", "--terminal", "T", "--application", "ab", "--answer", "a"], 2, "0 applications", "digest"),
        (["grant", "T", *BY_ADA, "--action", "keys", "--totp", "--out", "g"], 2,
         "--certificate expected", "enciphered"),
        (["grant", "T", *BY_ADA, "--action", "keys", "--public", "ada.key", "--out", "g"], 2, "public key", ""),
    ],
)  # fmt: skip
def test_faults_at_head_office(ends: Ends, words: list[str], code: int, what: str, cure: str) -> None:
    if words[:2] == STEP and "TG000001" in words:
        ends.terminal("identity", "apply", "--out", "application")
        ends.office("enrol", "file", "application")
    done = ends.run("fleet-console", *words)
    assert done.returncode == code, done.stdout + done.stderr
    assert what in done.stderr
    assert cure in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "what"),
    [
        (["identity", "take", "passphrase"], 6, "algorithm, key id and signature expected"),
        (["identity", "take", "nowhere"], 2, "No such file"),
        (["identity", "renew", "--out", "renewal"], 4, "no certificate is in use"),
        (["identity", "activate", "--out", "a", "--code-file", "passphrase"], 6, "16 letters and digits expected"),
        (["identity", "activate", "--out", "a", "--code-file", "passphrase"], 6, "as the merchant got it"),
        (["identity", "apply", "--out", "nowhere/application"], 2, "its folder cannot be written to"),
        (["identity", "recover", "--technician", "tess.pub", "--out", "a"], 2, "the technician's private key"),
        (["identity", "recover", "--technician", "nowhere", "--out", "a"], 4, "No such file"),
        (["technician", "enter", "Tess", "keys", "--key", "tess.key"], 4, "no grant of that name"),
        (["technician", "enter", "Tess", "keys", "--key", "file"], 2, "private key"),
        (["technician", "enter", "Tess", "keys"], 4, "no certificate is in use"),
        (["technician", "take", "passphrase"], 4, "does not hold"),
    ],
)
def test_faults_at_the_terminal(ends: Ends, words: list[str], code: int, what: str) -> None:
    done = ends.run("terminal-agent", *words, "--profile", "terminal.toml", typed="")
    assert done.returncode == code, done.stdout + done.stderr
    assert what in done.stderr
    assert "Traceback" not in done.stderr


def test_technicians_by_key_and_by_phone(ends: Ends) -> None:
    ends.enrol()
    grant = ("--terminal", "TG000001", "--key", "ada.key")
    ends.office("grant", "Tess Till", *grant, "--action", "diagnostics", "--public", "tess.pub", "--out", "tess.grant")
    assert "Tess Till may: diagnostics" in ends.terminal("technician", "take", "tess.grant")
    entered = ends.terminal("technician", "enter", "Tess Till", "diagnostics", "--key", "tess.key")
    assert "let in for diagnostics; granted by ada" in entered
    certificate = next((ends.folder / "state" / "identity").glob("*/certificate.pem"))
    made = ends.office(
        "grant", "Tom", *grant, "--action", "devices", "--totp", "--certificate", str(certificate), "--out", "tom.grant"
    )
    assert made["secret"] not in (ends.folder / "tom.grant").read_text()
    ends.terminal("technician", "take", "tom.grant")
    code = subprocess.run(["oathtool", "--totp", "-b", made["secret"]], capture_output=True, text=True, check=True)
    assert "Tom is let in for devices" in ends.terminal("technician", "enter", "Tom", "devices", typed=code.stdout)
    refused = ends.run(
        "terminal-agent", "technician", "enter", "Tom", "keys", "--profile", "terminal.toml", typed=code.stdout
    )
    assert refused.returncode == 4
    log = (ends.folder / "state" / "TG000001.audit.jsonl").read_text()
    assert log.count('"technician.entered"') == 2
    assert log.count('"technician.refused"') == 1
    verified = ends.run("terminal-agent", "audit", "verify", "state/TG000001.audit.jsonl")
    assert verified.returncode == 0


def test_every_verb_has_help_with_examples_first(ends: Ends) -> None:
    shown: Callable[..., str] = lambda *words: ends.run(*words, "--help").stdout  # noqa: E731
    for words in (
        ("terminal-agent", "identity"),
        ("terminal-agent", "technician"),
        ("fleet-console", "enrol"),
        ("fleet-console", "grant"),
    ):
        assert shown(*words).split("\n\n")[1].startswith("examples:"), words
