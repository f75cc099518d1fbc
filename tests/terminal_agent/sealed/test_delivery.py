# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Keys by certificates into the vault: what it takes, once, from its one host; whatever else comes changes no key."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from protocols.keyblock.header import Header
from protocols.keyblock.tr34.cms import Credential
from protocols.keyblock.tr34.distributor import Distributor
from protocols.vault import (
    Announce,
    AskHost,
    Bind,
    Binding,
    Certify,
    Done,
    Inventory,
    Load,
    LoadToken,
    Refusal,
    Refused,
    Reply,
    RequestCredential,
    Result,
    Rotate,
    Status,
    Zeroise,
)
from terminal_agent.processes.vault import warmed_delivery
from terminal_agent.sealed.keys.inject import MOST_FAILED_LOADS
from terminal_agent.sealed.keys.ring import LARGEST_CREDENTIAL, LARGEST_DELIVERY, REMEMBERED, Destroyed, empty
from terminal_agent.sealed.keys.slots import SLOTS
from terminal_agent.sealed.vault import Circumstances, Vault
from tests.protocols.keyblock.tr34 import openssl
from tests.protocols.keyblock.tr34.pki import issue, party, revocations
from tests.terminal_agent.sealed.inside import Machine
from tests.terminal_agent.sealed.vaults import PIN_KSN, block, component_files, made, made_key, running

AT = datetime.fromisoformat("2026-11-22T12:00:00+00:00")
INITIAL = Header("B", "B1", "T", "X")
MASTER = Header("B", "K0", "T", "B")
SECOND = timedelta(seconds=1)
AES_STATE = 1_074
"""Octets of the state of AES DUKPT with keys of 256 bits."""


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def listed() -> x509.CertificateRevocationList:
    return revocations(party("host authority"), made=AT - timedelta(hours=1))


def host(name: str = "host 1") -> Distributor:
    return Distributor(party(name), [party("root").certificate], [party("device authority").certificate])


@dataclass
class Terminal:
    """A vault that serves TR-34, and what the world knows of it."""

    machine: Machine
    vault: Vault
    certificate: x509.Certificate | None = None

    @classmethod
    def new(cls) -> "Terminal":
        machine = Machine(now=round(AT.timestamp() * 1000))
        return cls(machine, machine.start()).serving()

    def serving(self) -> "Terminal":
        around = Circumstances(self.machine.needed, lambda: self.machine.now, os.urandom)
        self.vault.also(warmed_delivery()(self.vault, self.machine.ring, around).handlers())
        return self

    def restart(self) -> None:
        self.vault = self.machine.start()
        self.serving()

    def certified(self, serial: int = 4242) -> "Terminal":
        asked = self.result(self.vault.ask(RequestCredential("CN=terminal 42,O=Shop")))
        csr = x509.load_der_x509_csr(asked)
        assert csr.is_signature_valid
        authority = party("device authority")
        self.certificate = issue(
            "terminal 42", party("device 1").key, authority, serial, usage="key_encipherment", public=csr.public_key()
        ).certificate
        reply = self.vault.ask(Certify(der(self.certificate), der(party("host authority").certificate)))
        assert isinstance(reply, Done), reply
        return self

    def bound(self, to: str = "host 1") -> "Terminal":
        reply = self.vault.ask(Bind(Binding.BIND, host(to).credential_token(listed())))
        assert isinstance(reply, Done), reply
        return self

    def asked(self) -> bytes:
        return self.result(self.vault.ask(AskHost()))

    def token(self, answers: bytes | datetime, header: Header = INITIAL, key: str = "pin", of: str = "host 1") -> bytes:
        assert self.certificate is not None
        return host(of).key_token(self.certificate, header, made_key(key), os.urandom(32), listed(), answers)

    def keys(self) -> str:
        reply = self.vault.ask(Inventory())
        assert isinstance(reply, Done)
        return reply.words

    def status(self) -> str:
        reply = self.vault.ask(Status())
        assert isinstance(reply, Done)
        return reply.words

    @staticmethod
    def result(reply: Reply) -> bytes:
        assert isinstance(reply, Result), reply
        return bytes(reply.value)


def refused(reply: Reply, why: Refusal, words: str) -> None:
    assert isinstance(reply, Refused), reply
    assert reply.why == why
    assert words in reply.words


def test_an_initial_key_in_two_passes_over_a_restart_and_what_openssl_says_of_the_token() -> None:
    terminal = Terminal.new().certified().bound()
    announced = terminal.result(terminal.vault.ask(Announce()))
    assert host().accept_device(announced, AT) == terminal.certificate
    asked = terminal.asked()
    terminal.restart()  # the number that was given out is still known
    token = terminal.token(asked)
    assert openssl.verified(token, party("host 1").certificate)
    reply = terminal.vault.ask(LoadToken("pin", token, PIN_KSN))
    assert isinstance(reply, Done), reply
    assert terminal.keys().splitlines()[-1].startswith("pin serves B1 T")
    assert terminal.keys().endswith("TR-34")
    assert "delivery bound to CN=TEST host 1" in terminal.status()
    same = Terminal.new()
    assert isinstance(same.vault.ask(Load("pin", block("B1", "T", "X", made_key("pin"), PIN_KSN))), Done)
    pins = [one.keys().splitlines()[-1].split()[4:6] for one in (same, terminal)]
    assert pins[0] == pins[1], "the same check value and KSN as by key block"


def test_one_pass_takes_later_times_alone_also_after_a_restart() -> None:
    terminal = Terminal.new().certified().bound()
    token = terminal.token(AT, MASTER, "mac-master")
    assert isinstance(terminal.vault.ask(LoadToken("mac-master", token)), Done)
    refused(terminal.vault.ask(LoadToken("mac-master", token)), Refusal.NOT_AUTHENTIC, "not fresh")
    terminal.restart()
    older = terminal.token(AT - SECOND, MASTER, "next")
    refused(terminal.vault.ask(LoadToken("mac-master", older)), Refusal.NOT_AUTHENTIC, "not fresh")
    again = terminal.certified(4243).bound()  # another certificate for another key does not make old tokens fresh
    refused(
        again.vault.ask(LoadToken("mac-master", again.token(AT - timedelta(hours=1), MASTER, "next"))),
        Refusal.NOT_AUTHENTIC,
        "not fresh",
    )
    later = again.token(AT + SECOND, MASTER, "next")
    reply = again.vault.ask(LoadToken("mac-master", later))
    assert isinstance(reply, Done)
    assert "waits" in reply.words
    assert isinstance(again.vault.ask(Rotate("mac-master")), Done)


def _flip(octets: bytes, at: int) -> bytes:
    return octets[:at] + bytes((octets[at] ^ 1,)) + octets[at + 1 :]


Case = Callable[[Terminal, bytes], bytes]
CASES: dict[str, tuple[Case, Refusal, str]] = {
    "wrong signer": (lambda one, asked: one.token(asked, of="host 2"), Refusal.NOT_AUTHENTIC, "not signed by whom"),
    "wrong receiver": (
        lambda one, asked: host().key_token(
            party("device 2").certificate, INITIAL, made_key("pin"), os.urandom(32), listed(), asked
        ),
        Refusal.NOT_AUTHENTIC,
        "not for this device",
    ),
    "number of another": (
        lambda one, asked: one.token(_flip(asked, len(asked) - 1)), Refusal.NOT_AUTHENTIC, "not fresh"
    ),
    "header altered": (
        lambda one, asked: one.token(asked).replace(b"B1TX", b"D0TX"), Refusal.NOT_AUTHENTIC, "not signed by whom"
    ),
    "last octet altered": (
        lambda one, asked: (lambda token: _flip(token, len(token) - 1))(one.token(asked)),
        Refusal.NOT_AUTHENTIC,
        "not signed by whom",
    ),
    "cut short": (lambda one, asked: one.token(asked)[:-1], Refusal.MALFORMED, ""),
    "no token": (lambda one, asked: b"key", Refusal.MALFORMED, ""),
    "revoked host": (
        lambda one, asked: host().key_token(
            one.certificate or party("device 1").certificate, INITIAL, made_key("pin"), os.urandom(32),
            revocations(party("host authority"), [party("host 1")], made=AT), asked,
        ),
        Refusal.NOT_AUTHENTIC,
        "revoked",
    ),
    "for another slot": (
        lambda one, asked: one.token(asked, Header("B", "K0", "T", "B")), Refusal.POLICY, "usage K0, B1 expected"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_is_refused_changes_no_key(name: str) -> None:
    make, why, words = CASES[name]
    terminal = Terminal.new().certified().bound()
    before = terminal.keys()
    refused(terminal.vault.ask(LoadToken("pin", make(terminal, terminal.asked()), PIN_KSN)), why, words)
    assert terminal.keys() == before
    terminal.restart()
    assert terminal.keys() == before


def test_a_token_serves_once_and_only_with_the_number_that_was_given_out_last() -> None:
    terminal = Terminal.new().certified().bound()
    first = terminal.token(terminal.asked())
    second = terminal.token(terminal.asked())
    refused(terminal.vault.ask(LoadToken("pin", first, PIN_KSN)), Refusal.NOT_AUTHENTIC, "not fresh")
    assert isinstance(terminal.vault.ask(LoadToken("pin", second, PIN_KSN)), Done)
    refused(terminal.vault.ask(LoadToken("pin", second, PIN_KSN)), Refusal.NOT_AUTHENTIC, "not fresh")
    terminal.restart()
    refused(terminal.vault.ask(LoadToken("pin", second, PIN_KSN)), Refusal.NOT_AUTHENTIC, "not fresh")


def test_a_number_is_used_up_even_where_the_key_is_not_taken() -> None:
    terminal = Terminal.new().certified().bound()
    token = terminal.token(terminal.asked())
    refused(terminal.vault.ask(LoadToken("data", token, b"\1")), Refusal.POLICY, "initial KSN")
    refused(terminal.vault.ask(LoadToken("data", token, PIN_KSN)), Refusal.NOT_AUTHENTIC, "not fresh")


def test_a_bound_vault_takes_no_other_host_but_by_the_one_it_has() -> None:
    terminal = Terminal.new().certified().bound()
    other = host("host 2").credential_token(listed())
    refused(terminal.vault.ask(Bind(Binding.BIND, other)), Refusal.NOT_AUTHENTIC, "bound does not take: bind")
    assert terminal.certificate is not None
    whom = Credential(terminal.certificate, party("device 1").key).identity
    forged = host("host 2").rebind_token(whom, other, terminal.asked(), listed())
    refused(terminal.vault.ask(Bind(Binding.REBIND, forged)), Refusal.NOT_AUTHENTIC, "not signed by whom")
    given = host("host 1").rebind_token(whom, other, terminal.asked(), listed())
    reply = terminal.vault.ask(Bind(Binding.REBIND, given))
    assert isinstance(reply, Done)
    assert "bound to CN=TEST host 2" in reply.words
    refused(
        terminal.vault.ask(LoadToken("pin", terminal.token(terminal.asked()), PIN_KSN)), Refusal.NOT_AUTHENTIC, "signed"
    )
    let_go = host("host 2").unbind_token(whom, terminal.asked(), listed())
    assert isinstance(terminal.vault.ask(Bind(Binding.UNBIND, let_go)), Done)
    assert "bound to no host" in terminal.status()
    refused(terminal.vault.ask(AskHost()), Refusal.NOT_AUTHENTIC, "unbound does not take")
    refused(terminal.vault.ask(Bind(9, let_go)), Refusal.MALFORMED, "bind, rebind or unbind")


def test_a_certificate_for_another_key_or_of_no_authority_is_refused() -> None:
    terminal = Terminal.new()
    refused(terminal.vault.ask(Announce()), Refusal.POLICY, "keys credential")
    terminal.certified()
    for own, hosts, words in (
        (party("device 1"), party("host authority"), "another key"),
        (None, party("host 1"), "no certification authority"),
    ):
        certificate = own.certificate if own else terminal.certificate
        assert certificate is not None
        reply = terminal.vault.ask(Certify(der(certificate), der(hosts.certificate)))
        refused(reply, Refusal.NOT_AUTHENTIC, words)
    refused(terminal.vault.ask(Certify(b"x", b"y")), Refusal.MALFORMED, "DER")
    refused(terminal.vault.ask(RequestCredential("nobody")), Refusal.MALFORMED, "RFC 4514")


def test_ten_tokens_that_are_not_authentic_close_the_door() -> None:
    terminal = Terminal.new().certified().bound()
    for _ in range(MOST_FAILED_LOADS):
        bad = terminal.token(terminal.asked(), of="host 2")
        refused(terminal.vault.ask(LoadToken("pin", bad, PIN_KSN)), Refusal.NOT_AUTHENTIC, "")
    good = terminal.token(terminal.asked())
    refused(terminal.vault.ask(LoadToken("pin", good, PIN_KSN)), Refusal.POLICY, "zeroise before the next")


def test_zeroising_and_tampering_destroy_the_credential_with_its_bond() -> None:
    for destroy in ("zeroise", "tamper"):
        terminal = Terminal.new().certified().bound()
        primes = bytes(terminal.machine.ring.credential.octets)
        assert len(primes) == 384
        if destroy == "zeroise":
            reply = terminal.vault.ask(Zeroise(""))
            assert isinstance(reply, Done)
            assert "credential" in reply.words
        else:
            terminal.vault.tampered("test")
        assert not terminal.machine.ring.credential
        assert terminal.machine.ring.delivery == ()
        terminal.restart()
        assert "delivery" not in terminal.status()
        assert "destroyed credential" in terminal.status()


def test_a_vault_that_serves_payments_has_none_of_it(tmp_path: Path) -> None:
    with running(made(tmp_path), components=component_files(tmp_path)) as asker:
        refused(asker.ask(AskHost()), Refusal.PHASE, "stop the agent")


def test_all_fences_stand_while_keys_come_by_certificates(tmp_path: Path) -> None:
    now = datetime.now(AT.tzinfo)
    current = revocations(party("host authority"), made=now - timedelta(hours=1), until=now + timedelta(days=1))
    with running(made(tmp_path), components=component_files(tmp_path), delivery=True) as asker:
        assert all(" up " in line for line in asker.status()["fence"])
        csr = x509.load_der_x509_csr(Terminal.result(asker.ask(RequestCredential("CN=terminal 42"))))
        authority = party("device authority")
        key = issue("t", party("device 1").key, authority, 7, usage="key_encipherment", public=csr.public_key())
        assert isinstance(
            asker.ask(Certify(der(key.certificate), der(party("host authority").certificate))), Done
        )  # fmt: skip
        assert isinstance(asker.ask(Bind(Binding.BIND, host().credential_token(current))), Done)
        token = host().key_token(
            key.certificate, INITIAL, made_key("pin"), os.urandom(32), current, Terminal.result(asker.ask(AskHost()))
        )
        wrong = replace(LoadToken("pin", token, PIN_KSN), token=token[:-1])
        assert isinstance(asker.ask(wrong), Refused)
        assert isinstance(asker.ask(LoadToken("pin", token, PIN_KSN)), Done)


def test_the_fullest_ring_has_room_in_the_store() -> None:
    machine = Machine(custodians=tuple(bytes((place,)) * 32 for place in range(10)))
    machine.start()
    ring = machine.ring
    for name, slot in SLOTS.items():
        for held in (ring.serving[name], ring.waiting[name]):
            held.put(bytearray(os.urandom(AES_STATE if slot.dukpt else 64)))
            held.usage, held.algorithm, held.origin = "B1", "A", "20 components"
            held.check_value, held.fingerprint, held.loaded_ms = bytes(5), bytes(8), 1
    ring.credential.put(bytearray(os.urandom(LARGEST_CREDENTIAL)))
    ring.delivery = (os.urandom(LARGEST_DELIVERY - 200), *(os.urandom(20) for _ in range(10)))
    for _ in range(REMEMBERED):
        ring.spent.append(os.urandom(8))
        ring.destroyed.append(Destroyed("mac-master", bytes(5), "zeroised", 1))
    expected = [bytes(held.octets) for held in ring.serving.values()]
    machine.store.save(ring)
    read = empty(machine.arena)
    machine.store.load(read)
    assert [bytes(held.octets) for held in read.serving.values()] == expected
    assert read.delivery == ring.delivery
    assert bytes(read.credential.octets) == bytes(ring.credential.octets)
    assert read.destroyed == ring.destroyed
