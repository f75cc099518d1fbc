# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Every request in every phase: permitted ones are looked at, all others are refused and have done nothing."""

import pytest

from protocols.vault import (
    Announce,
    AskHost,
    Bind,
    CancelPin,
    Certify,
    Challenge,
    Done,
    Encrypt,
    EnterCardPin,
    EnterPin,
    Inventory,
    Load,
    LoadToken,
    Mac,
    Prove,
    Refusal,
    Refused,
    Renew,
    Request,
    RequestCredential,
    Rotate,
    Status,
    Stop,
    Tamper,
    Verb,
    Verify,
    Zeroise,
)
from terminal_agent.sealed.phases import TRANSITIONS, Cause, Phase, after
from terminal_agent.sealed.requests import APPROVED, PERMITTED
from tests.terminal_agent.sealed.inside import Machine

REQUESTS: tuple[Request, ...] = (
    *(Status(), Inventory(), Challenge(), Load("pin", "D")),
    *(Rotate("pin"), Zeroise("pin"), Tamper("test"), Renew(), EnterPin(b"4000001234567899", "", 1000), CancelPin()),
    EnterCardPin(b"\x81" * 128, 3, bytes(8), "", 1000),
    *(RequestCredential("CN=x"), Certify(b"x", b"x"), Announce(), Bind(1, b"x"), AskHost(), LoadToken("pin", b"x")),
    *(Mac(bytes(16), b"x"), Encrypt(b"x"), Prove(b"x"), Verify("pin", b"123"), Stop()),
)


def test_every_verb_has_a_request_here() -> None:
    assert {request.code for request in REQUESTS} == set(Verb)


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: type(request).__name__)
def test_the_gate_keeps_to_the_table(phase: Phase, request_: Request) -> None:
    machine = Machine()
    vault = machine.start()
    vault.phase = phase
    before = bytes(machine.store_disk.durable)
    refused = vault.gate(request_)
    if Verb(request_.code) in PERMITTED[phase]:
        assert refused is None
    else:
        assert refused is not None
        assert refused.why == Refusal.PHASE
        assert phase.value in refused.words
        reply = vault.ask(request_)
        assert isinstance(reply, Refused)
        assert bytes(machine.store_disk.durable) == before


def test_a_vault_that_waits_for_keys_says_which_and_what_brings_them() -> None:
    machine = Machine(needed=("pin", "data"))
    vault = machine.start()
    refused = vault.ask(Encrypt(b"x"))
    words = "no key in slot pin, data: terminal-agent keys load pin"
    assert isinstance(refused, Refused)
    assert refused.words == f"the vault is loading: {words}"
    status = vault.ask(Status())
    assert isinstance(status, Done)
    assert f"lacking {words}" in status.words.splitlines()
    vault.phase = Phase.TAMPERED
    refused = vault.ask(Encrypt(b"x"))
    assert isinstance(refused, Refused)
    assert refused.words == "the vault is tampered"


def test_status_tamper_and_stop_are_heard_in_every_phase() -> None:
    for phase in Phase:
        assert {Verb.STATUS, Verb.TAMPER, Verb.STOP} <= PERMITTED[phase]


def test_no_phase_but_ready_serves_pins_and_tampered_serves_nothing() -> None:
    for verb in (Verb.ENTER_PIN, Verb.ENTER_CARD_PIN):
        assert [phase for phase in Phase if verb in PERMITTED[phase]] == [Phase.READY]
    working = {Verb.MAC, Verb.ENCRYPT, Verb.PROVE, Verb.ENTER_PIN, Verb.LOAD, Verb.ROTATE}
    for phase in (Phase.TAMPERED, Phase.LOCKED):
        assert not PERMITTED[phase] & working


def test_whatever_changes_a_key_needs_approval() -> None:
    credential = {Verb.REQUEST_CREDENTIAL, Verb.CERTIFY, Verb.BIND, Verb.LOAD_TOKEN}
    assert {Verb.LOAD, Verb.ROTATE, Verb.ZEROISE, Verb.RENEW} | credential == APPROVED


def test_every_phase_can_be_reached_and_only_custodians_lead_out_of_tampered() -> None:
    reached = {Phase.LOCKED}
    for _ in Phase:
        reached |= {then for (phase, _cause), then in TRANSITIONS.items() if phase in reached}
    assert reached == set(Phase)
    left = {cause: after(Phase.TAMPERED, cause) for cause in Cause if after(Phase.TAMPERED, cause) != Phase.TAMPERED}
    assert left == {Cause.RENEWED: Phase.LOADING}
    assert [phase for phase in Phase if Verb.RENEW in PERMITTED[phase]] == [Phase.TAMPERED]
    assert all(after(phase, Cause.TAMPER) is Phase.TAMPERED for phase in Phase)
