# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A device takes what it should, once, from its host; everything else is refused and changes nothing."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509

from protocols.errors import DecodeError, EncodeError, ProtocolError
from protocols.keyblock import header as header_text
from protocols.keyblock.header import Header
from protocols.keyblock.tr34 import cms, envelope, tokens
from protocols.keyblock.tr34 import structures as der
from protocols.keyblock.tr34.distributor import authority_rebind_token, authority_unbind_token
from protocols.keyblock.tr34.receiver import TRANSITIONS, WINDOW, Message, Phase, Receiver
from protocols.secret import ClearKey
from tests.protocols.keyblock.tr34.ends import (
    FRESH,
    HEADER,
    KEY,
    bound,
    device,
    host,
    key_token,
    listed,
    mutations,
    nonce,
    rebind_token,
    refused,
    unbind_token,
)
from tests.protocols.keyblock.tr34.pki import AT, party, revocations

SECOND = timedelta(seconds=1)


ACTS: dict[Message, Callable[[Receiver], object]] = {
    Message.BIND: lambda one: one.bind(host().credential_token(listed()), AT),
    Message.ASK: lambda one: one.ask(nonce()),
    Message.KEY: lambda one: one.accept_key(key_token(AT), AT),
    Message.REBIND: lambda one: one.rebind(
        authority_rebind_token(
            party("device authority"),
            party("device 1").identity,
            party("host 1").identity,
            party("host 2").certificate,
            None,
            AT,
        ),
        AT,
    ),
    Message.UNBIND: lambda one: one.unbind(
        authority_unbind_token(party("device authority"), party("device 1").identity, party("host 1").identity, AT),
        AT,
    ),
}


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("message", Message)
def test_the_table_is_what_happens(phase: Phase, message: Message) -> None:
    receiver = device() if phase is Phase.UNBOUND else bound()
    if (phase, message) in TRANSITIONS:
        ACTS[message](receiver)
        assert receiver.state.phase is TRANSITIONS[phase, message]
    else:
        refused(receiver, lambda: ACTS[message](receiver), f"{phase.value} does not take")


def test_two_passes() -> None:
    receiver = bound()
    found = receiver.accept_key(key_token(receiver.ask(nonce())), AT)
    assert (found.header, found.key, found.forgiven) == (HEADER, ClearKey(KEY), ())
    assert receiver.state.signed is None


def test_one_pass() -> None:
    receiver = bound()
    found = receiver.accept_key(key_token(AT), AT)
    assert (found.header, found.key) == (HEADER, ClearKey(KEY))
    assert receiver.state.signed == AT


@pytest.mark.parametrize(
    ("header", "octets"),
    [(replace(HEADER, version=version), size) for version in "ABC" for size in (16, 24)]
    + [(replace(HEADER, version=version, algorithm="A"), 16) for version in "DE"],
)
def test_every_key_that_may_travel(header: Header, octets: int) -> None:
    receiver = bound()
    key = bytes(range(1, octets + 1))
    assert receiver.accept_key(key_token(AT, header=header, key=key), AT).key == ClearKey(key)


@pytest.mark.parametrize(
    ("algorithm", "octets"), [("T", 8), ("T", 15), ("T", 32), ("A", 24), ("A", 32), ("D", 8), ("H", 16), ("R", 16)]
)
def test_other_keys_are_neither_sent_nor_taken(algorithm: str, octets: int) -> None:
    header, key = replace(HEADER, version="D", algorithm=algorithm), bytes(octets)
    with pytest.raises(EncodeError, match="TR-34 transports"):
        key_token(AT, header=header, key=key)
    receiver = bound()
    refused(receiver, lambda: receiver.accept_key(made_by_hand(header=header, key=key), AT), "another length")


# Freshness.


def test_a_random_number_is_good_for_one_key() -> None:
    receiver = bound()
    token = key_token(receiver.ask(nonce()))
    receiver.accept_key(token, AT)
    refused(receiver, lambda: receiver.accept_key(token, AT), "not fresh")
    receiver.ask(nonce())
    refused(receiver, lambda: receiver.accept_key(token, AT), "not fresh")


def test_a_new_random_number_replaces_the_old() -> None:
    receiver = bound()
    old = key_token(receiver.ask(nonce()))
    new = key_token(receiver.ask(nonce()))
    refused(receiver, lambda: receiver.accept_key(old, AT), "not fresh")
    receiver.accept_key(new, AT)


def test_garbage_does_not_use_up_the_random_number() -> None:
    """Otherwise anyone who can send to the device could stop every transport."""
    receiver = bound()
    answers = receiver.ask(nonce())
    for garbage in (b"", b"\x30\x00", key_token(answers, of="host 2"), key_token(answers, to="device 2")):
        refused(receiver, lambda garbage=garbage: receiver.accept_key(garbage, AT))  # type: ignore[misc]
    receiver.accept_key(key_token(answers), AT)


def test_a_restart_forgets_the_random_number_and_keeps_the_rest() -> None:
    receiver = bound()
    receiver.accept_key(key_token(AT), AT)
    token = key_token(receiver.ask(nonce()))
    again = device(state=receiver.state)
    assert again.state.phase is Phase.BOUND
    refused(again, lambda: again.accept_key(token, AT), "not fresh")
    refused(again, lambda: again.accept_key(key_token(AT), AT), "not fresh")
    again.accept_key(key_token(again.ask(nonce())), AT)


def test_one_pass_only_ever_later() -> None:
    receiver = bound()
    first, second = key_token(AT), key_token(AT + SECOND)
    receiver.accept_key(second, AT)
    refused(receiver, lambda: receiver.accept_key(first, AT), "not fresh")
    refused(receiver, lambda: receiver.accept_key(second, AT), "not fresh")


@pytest.mark.parametrize("off", [WINDOW + SECOND, -WINDOW - SECOND, timedelta(days=365), timedelta(days=-365)])
def test_one_pass_only_near_the_devices_time(off: timedelta) -> None:
    receiver = bound()
    refused(receiver, lambda: receiver.accept_key(key_token(AT + off), AT), "not fresh")
    receiver.accept_key(key_token(AT + (WINDOW if off > timedelta() else -WINDOW)), AT)


def test_random_numbers_of_other_lengths_are_none() -> None:
    receiver = bound()
    for size in (0, 7, 17, 64):
        with pytest.raises(EncodeError, match="8 to 16"):
            receiver.ask(bytes(size))
        token = der.encode(cms.attribute(tokens.RANDOM_NONCE, bytes(size)))
        with pytest.raises(DecodeError, match="8 to 16"):
            tokens.read_random_token(token)
    assert tokens.read_random_token(tokens.random_token(bytes(8))) == bytes(8)


# Who sends.


def test_only_the_bound_hosts_keys() -> None:
    receiver = bound()
    refused(receiver, lambda: receiver.accept_key(key_token(receiver.ask(nonce()), of="host 2"), AT), "not signed")


def test_only_for_this_device() -> None:
    receiver = bound()
    refused(receiver, lambda: receiver.accept_key(key_token(receiver.ask(nonce()), to="device 2"), AT), "not for this")


def made_by_hand(
    *, header: Header = HEADER, key: bytes = KEY, announced: bytes | None = None, inner: bytes | None = None,
    sender: str = "host 1", freshness: dict[x509.ObjectIdentifier, Any] | None = None, to: str = "device 1",
    crls: tuple[x509.CertificateRevocationList, ...] | None = None, version: int = 1,
) -> bytes:  # fmt: skip
    """A one-pass KT of host 1 with anything in it."""
    text = header_text.encode(header, 0).encode()
    block = der.KeyBlock(
        version=version,
        sender=cms.name_of(party(sender).identity),
        key=key,
        header=cms.attribute(cms.DATA, inner or text),
    )
    sealed = envelope.envelop(der.encode(block), party(to).certificate, FRESH[:16], FRESH[16:])
    attributes = {cms.DATA: announced or text, **({cms.SIGNING_TIME: AT} if freshness is None else freshness)}
    return cms.sign(
        party("host 1"), cms.ENVELOPED_DATA, sealed, attributes, (listed(),) if crls is None else crls
    )  # fmt: skip


def test_what_is_made_by_hand_is_taken_when_it_is_right() -> None:
    assert bound().accept_key(made_by_hand(), AT).key == ClearKey(KEY)


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"sender": "host 2"}, "does not hold the key"),
        ({"announced": b"B0016D0TB00N0000"}, "does not hold the key"),
        ({"inner": b"B0016K0TB00E0000"}, "does not hold the key"),
        ({"announced": b"B0016K0TB00N0100", "inner": b"B0016K0TB00N0100"}, "optional blocks"),
        ({"announced": b"B0016K0TB00N00", "inner": b"B0016K0TB00N00"}, "16 characters"),
        ({"announced": b"Z0016K0TB00N0000", "inner": b"Z0016K0TB00N0000"}, "unknown version"),
        ({"announced": b"\xff" * 16, "inner": b"\xff" * 16}, "not ASCII"),
        ({"version": 0}, "version 1"),
        ({"freshness": {}}, "random number or a signing time"),
        ({"freshness": {cms.SIGNING_TIME: AT, tokens.RANDOM_NONCE: bytes(16)}}, "random number or a signing time"),
        ({"freshness": {cms.SIGNING_TIME: bytes(16)}}, "a moment"),
        ({"freshness": {tokens.RANDOM_NONCE: bytes(4)}}, "8 to 16"),
        ({"crls": ()}, "revocation list expected"),
        ({"crls": (listed(), listed())}, "one at most"),
    ],
)
def test_a_host_that_contradicts_itself(wrong: dict[str, Any], match: str) -> None:
    receiver = bound()
    token = made_by_hand(**wrong)
    refused(receiver, lambda: receiver.accept_key(token, AT), match)


def test_a_stolen_envelope_in_another_hosts_signature() -> None:
    """Host 2 signs what host 1 sealed: the name inside tells."""
    receiver = bound(to="host 2")
    sealed = cms.verify(cms.read_signed(key_token(AT), receiver._reading()), party("host 1").certificate)
    text = header_text.encode(HEADER, 0).encode()
    token = cms.sign(party("host 2"), cms.ENVELOPED_DATA, sealed, {cms.DATA: text, cms.SIGNING_TIME: AT}, [listed()])
    refused(receiver, lambda: receiver.accept_key(token, AT), "does not hold the key")


# Revocation.


def lists() -> dict[str, tuple[x509.CertificateRevocationList, str]]:
    hosts = party("host authority")
    impostor = cms.Credential(hosts.certificate, party("device authority").key)
    return {
        "revoked": (revocations(hosts, [party("host 1")]), "has been revoked"),
        "another authority's": (revocations(party("device authority")), "another authority"),
        "the root's": (revocations(party("root")), "another authority"),
        "forged": (revocations(impostor), "not signed by its authority"),
        "expired": (revocations(hosts, made=AT - 2 * WINDOW, until=AT - SECOND), "not in force"),
        "not yet in force": (revocations(hosts, made=AT + SECOND), "not in force"),
        "older": (revocations(hosts, made=AT - timedelta(days=2)), "older than one already seen"),
    }


@pytest.mark.parametrize("which", lists())
def test_lists_that_count_for_nothing(which: str) -> None:
    crl, match = lists()[which]
    receiver = bound()
    refused(receiver, lambda: receiver.accept_key(key_token(receiver.ask(nonce()), crl=crl), AT), match)
    if which != "older":
        unbound = device()
        refused(unbound, lambda: unbound.bind(host().credential_token(crl), AT), match)


def test_a_newer_list_takes_over() -> None:
    receiver = bound()
    newer = revocations(party("host authority"), made=AT)
    receiver.accept_key(key_token(AT, crl=newer), AT)
    refused(receiver, lambda: receiver.accept_key(key_token(AT + SECOND), AT), "older than one already seen")
    assert list(receiver.state.lists.values()) == [AT]


def test_binding_needs_a_list() -> None:
    receiver = device()
    token = tokens.credential_token(party("host 1").certificate)
    refused(receiver, lambda: receiver.bind(token, AT), "revocation list expected")


def test_a_device_does_not_bind_to_a_device() -> None:
    receiver = device()
    token = tokens.credential_token(party("device 2").certificate, listed())
    refused(receiver, lambda: receiver.bind(token, AT), "another purpose")


# Every mutation, every truncation.


def good_tokens() -> dict[Message, Callable[[Receiver], bytes]]:
    return {
        Message.BIND: lambda _: host().credential_token(listed()),
        Message.KEY: lambda one: key_token(one.ask(nonce())),
        Message.REBIND: lambda one: rebind_token(one.ask(nonce())),
        Message.UNBIND: lambda one: unbind_token(one.ask(nonce())),
    }


@pytest.mark.parametrize("message", good_tokens())
@pytest.mark.parametrize("strict", [True, False])
def test_no_mutation_is_taken(message: Message, strict: bool) -> None:
    receiver = device(strict=strict) if message is Message.BIND else bound(strict=strict)
    token = good_tokens()[message](receiver)
    act: dict[Message, Callable[[bytes, datetime], object]] = {
        Message.BIND: receiver.bind,
        Message.KEY: receiver.accept_key,
        Message.REBIND: receiver.rebind,
        Message.UNBIND: receiver.unbind,
    }
    before = receiver.state
    for changed in mutations(token):
        with pytest.raises(ProtocolError):
            act[message](changed, AT)
    assert receiver.state == before
    act[message](token, AT)
