# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Operations on message authentication codes: make, verify, in one piece or several. Knows no wire."""

import hmac
from collections.abc import Callable, Mapping
from typing import Any

from hsm_sim.engine.key_types import Use
from hsm_sim.engine.keyring import Keyring
from hsm_sim.engine.refusal import Reason, Refused
from hsm_sim.engine.requests import MacAlgorithm, MacInput, MakeMac, Piece, VerifyMac
from protocols.errors import EncodeError
from protocols.mac import SHORTEST_MAC, CbcMacKey, ChainedMac, RetailMacKey
from protocols.primitives import TdesKey
from protocols.primitives import Use as CipherUse
from protocols.secret import ClearKey

MAC_OCTETS = 8
_ANY_MAC_KEY = Use.MAC_TERMINAL | Use.MAC_ZONE


def make_mac(keyring: Keyring, request: MakeMac) -> bytes:
    """A MAC of 8 octets, or the chaining value between pieces."""
    return _walk(keyring, request.input)


def check_mac(keyring: Keyring, request: VerifyMac) -> bool:
    """Whether the MAC is right, compared in constant time over the octets that the host sent."""
    if request.input.piece in (Piece.FIRST, Piece.MIDDLE):
        raise Refused(Reason.INPUT)
    if not SHORTEST_MAC <= len(request.mac) <= MAC_OCTETS:
        raise Refused(Reason.DATA_LENGTH)
    return hmac.compare_digest(_walk(keyring, request.input)[: len(request.mac)], request.mac)


def _walk(keyring: Keyring, given: MacInput) -> bytes:
    key: ChainedMac = keyring.use(given.key, _ANY_MAC_KEY, _MAKERS[given.algorithm])
    if (given.piece in (Piece.MIDDLE, Piece.LAST)) != (given.chaining is not None):
        raise Refused(Reason.INPUT)
    try:
        if given.piece is Piece.WHOLE:
            return key.mac(given.data, given.padding)
        if given.piece is Piece.FIRST:
            return key.first(given.data, given.padding)
        chaining = given.chaining or b""
        if given.piece is Piece.MIDDLE:
            return key.middle(chaining, given.data)
        return key.last(chaining, given.data, given.padding)
    except EncodeError:
        raise Refused(Reason.DATA_LENGTH) from None


def _cbc(clear: ClearKey) -> ChainedMac:
    return CbcMacKey(TdesKey(clear, CipherUse.ENCIPHER | CipherUse.CHAIN))


def _retail(clear: ClearKey) -> ChainedMac:
    if len(clear) != 16:
        raise Refused(Reason.KEY_LENGTH)
    return RetailMacKey(clear)


_MAKERS: Mapping[MacAlgorithm, Callable[[ClearKey], ChainedMac]] = {
    MacAlgorithm.CBC: _cbc,
    MacAlgorithm.RETAIL: _retail,
}

OPERATIONS: Mapping[type, Callable[[Keyring, Any], Any]] = {MakeMac: make_mac, VerifyMac: check_mac}
