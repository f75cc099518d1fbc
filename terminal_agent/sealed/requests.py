# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Which request is permitted in which phase, and which one two custodians must approve. Serves none of them."""

from collections.abc import Mapping
from types import MappingProxyType

from protocols.vault import Verb
from terminal_agent.sealed.phases import Phase

_ALWAYS = frozenset({Verb.STATUS, Verb.TAMPER, Verb.STOP})
_KEYS = frozenset({Verb.INVENTORY, Verb.VERIFY, Verb.CHALLENGE, Verb.LOAD, Verb.ROTATE, Verb.ZEROISE})
_DELIVERY = frozenset({Verb.REQUEST_CREDENTIAL, Verb.CERTIFY, Verb.ANNOUNCE, Verb.BIND, Verb.ASK_HOST, Verb.LOAD_TOKEN})
_SERVICE = frozenset({Verb.MAC, Verb.ENCRYPT, Verb.PROVE})
_PINS = frozenset({Verb.ENTER_PIN, Verb.ENTER_CARD_PIN, Verb.CANCEL_PIN})

PERMITTED: Mapping[Phase, frozenset[Verb]] = MappingProxyType(
    {
        Phase.LOCKED: _ALWAYS,
        Phase.LOADING: _ALWAYS | _KEYS | _DELIVERY,
        Phase.READY: _ALWAYS | _KEYS | _DELIVERY | _SERVICE | _PINS,
        Phase.TAMPERED: _ALWAYS | {Verb.INVENTORY, Verb.CHALLENGE, Verb.RENEW},
        Phase.EXHAUSTED: _ALWAYS | _KEYS | _DELIVERY | _SERVICE,
    }
)

FOR_PAYMENTS: frozenset[Verb] = _SERVICE - {Verb.PROVE} | _PINS | {Verb.STATUS}
"""What may be asked on the pipe of the processes that make payments: they neither load keys nor destroy them."""

APPROVED: frozenset[Verb] = frozenset(
    {
        *(Verb.LOAD, Verb.ROTATE, Verb.ZEROISE, Verb.RENEW),
        *(Verb.REQUEST_CREDENTIAL, Verb.CERTIFY, Verb.BIND, Verb.LOAD_TOKEN),
    }
)
"""Where the vault knows custodians, two of them sign for each of these. A tamper input asks nobody."""
