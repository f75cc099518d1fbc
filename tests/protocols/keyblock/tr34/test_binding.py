# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Who may give a device another host, or none, and that it happens once."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from protocols.keyblock.tr34 import tokens
from protocols.keyblock.tr34.distributor import authority_unbind_token
from protocols.keyblock.tr34.receiver import WINDOW, Phase, Receiver, State
from tests.protocols.keyblock.tr34.ends import (
    bound,
    device,
    host,
    key_token,
    listed,
    nonce,
    rebind_token,
    refused,
    unbind_token,
)
from tests.protocols.keyblock.tr34.pki import AT, LATER, issue, party, revocations

SECOND = timedelta(seconds=1)


def test_rebinding_by_the_host() -> None:
    receiver = bound()
    receiver.rebind(rebind_token(receiver.ask(nonce())), AT)
    assert receiver.state.host == party("host 2").certificate
    refused(receiver, lambda: receiver.accept_key(key_token(AT, of="host 1"), AT), "not signed")
    receiver.accept_key(key_token(AT, of="host 2"), AT)


def test_unbinding_by_the_host_and_binding_again() -> None:
    receiver = bound()
    receiver.unbind(unbind_token(receiver.ask(nonce())), AT)
    assert receiver.state.phase is Phase.UNBOUND
    receiver.bind(host("host 2").credential_token(listed()), AT)
    assert receiver.state.host == party("host 2").certificate


def test_the_signing_time_outlives_a_host() -> None:
    """A device that comes back to its host still refuses what that host signed before."""
    receiver = bound()
    token = key_token(AT)
    receiver.accept_key(token, AT)
    receiver.unbind(unbind_token(receiver.ask(nonce())), AT)
    receiver.bind(host().credential_token(listed()), AT)
    refused(receiver, lambda: receiver.accept_key(token, AT), "not fresh")


@pytest.mark.parametrize("make", [rebind_token, unbind_token])
def test_binding_tokens_are_for_one_device_of_the_host_and_used_once(make: Callable[..., bytes]) -> None:
    def act(receiver: Receiver, token: bytes) -> None:
        (receiver.rebind if make is rebind_token else receiver.unbind)(token, AT)

    receiver = bound()
    answers = receiver.ask(nonce())
    refused(receiver, lambda: act(receiver, make(answers, who="device 2")), "another device")
    refused(receiver, lambda: act(receiver, make(answers, of="host 2")), "not signed")
    refused(receiver, lambda: act(receiver, make(tokens.random_token(nonce()))), "not fresh")
    token = make(answers)
    act(receiver, token)
    again = bound()
    again.ask(nonce())
    refused(again, lambda: act(again, token), "not fresh")


def test_a_rebind_token_is_no_unbind_token_and_the_other_way_round() -> None:
    receiver = bound()
    answers = receiver.ask(nonce())
    refused(receiver, lambda: receiver.unbind(rebind_token(answers), AT), "none expected")
    refused(receiver, lambda: receiver.rebind(unbind_token(answers), AT), "new host")


def test_a_hosts_binding_token_needs_the_random_number() -> None:
    """A signing time will not do: whoever recorded one could unbind the device within the window."""
    receiver = bound()
    token = tokens.unbind_token(party("host 1"), party("device 1").identity, AT, listed())
    refused(receiver, lambda: receiver.unbind(token, AT), "not fresh")


def test_a_host_may_not_hand_over_to_one_that_is_revoked_or_is_none() -> None:
    receiver = bound()
    answers, hosts = receiver.ask(nonce()), party("host authority")
    for crl, certificate, match in (
        (revocations(hosts, [party("host 2")]), party("host 2").certificate, "revoked"),
        (revocations(hosts, [party("host 1")]), party("host 2").certificate, "revoked"),
        (listed(), party("device 2").certificate, "another purpose"),
    ):
        token = tokens.rebind_token(
            party("host 1"), party("device 1").identity, certificate, tokens.read_random_token(answers), crl
        )
        refused(receiver, lambda token=token: receiver.rebind(token, AT), match)  # type: ignore[misc]
    without = tokens.rebind_token(
        party("host 1"),
        party("device 1").identity,
        party("host 2").certificate,
        tokens.read_random_token(answers),
        None,
    )
    refused(receiver, lambda: receiver.rebind(without, AT), "revocation list expected")


def by_authority(
    *, who: str = "device authority", of: str = "device 1", host_name: str = "host 1", at: datetime = AT
) -> bytes:
    return authority_unbind_token(party(who), party(of).identity, party(host_name).identity, at)


def test_the_authority_takes_a_device_away_once() -> None:
    receiver = bound()
    token = by_authority()
    receiver.unbind(token, AT)
    receiver.bind(host().credential_token(listed()), AT)
    refused(receiver, lambda: receiver.unbind(token, AT), "not fresh")
    receiver.unbind(by_authority(at=AT + SECOND), AT)


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"who": "host authority"}, "not signed"),
        ({"who": "host 1"}, "not signed"),
        ({"of": "device 2"}, "another device"),
        ({"host_name": "host 2"}, "from another host"),
        ({"at": AT - 2 * WINDOW}, "not fresh"),
        ({"at": AT + 2 * WINDOW}, "not fresh"),
    ],
)
def test_what_the_authority_did_not_say(wrong: dict[str, Any], match: str) -> None:
    receiver = bound()
    refused(receiver, lambda: receiver.unbind(by_authority(**wrong), AT), match)


def test_a_device_without_an_authority_listens_to_none() -> None:
    receiver = bound(authority=None)
    refused(receiver, lambda: receiver.unbind(by_authority(), AT), "no authority")


def test_an_authority_below_no_anchor_is_none() -> None:
    key = party("device authority").key
    alone = issue("device authority", key, None, 99, usage="key_cert_sign", ca=True)
    receiver = bound(authority=alone.certificate)
    token = authority_unbind_token(alone, party("device 1").identity, party("host 1").identity, AT)
    refused(receiver, lambda: receiver.unbind(token, AT), "trusted authority")


def test_the_authority_frees_a_device_whose_host_has_expired() -> None:
    short = issue(
        "host 3", party("host 1").key, party("host authority"), 77, usage="digital_signature", until=AT + SECOND
    )
    receiver = device()
    receiver.bind(host(credential=short).credential_token(listed()), AT)
    answers = receiver.ask(nonce())
    token = host(credential=short).unbind_token(party("device 1").identity, answers, listed())
    refused(receiver, lambda: receiver.unbind(token, LATER), "not valid now")
    receiver.unbind(
        authority_unbind_token(party("device authority"), party("device 1").identity, short.identity, LATER), LATER
    )
    assert receiver.state == State(None, LATER, receiver.state.lists)
