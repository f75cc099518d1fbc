# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Operations on message authentication codes: make, verify, in one piece or several. Knows no wire."""

import hmac
from collections.abc import Callable, Mapping
from typing import Any

from hsm_sim.engine import dukpt
from hsm_sim.engine.data_requests import MakeDukptMac, VerifyDukptMac
from hsm_sim.engine.key_types import Use
from hsm_sim.engine.keyring import Keyring
from hsm_sim.engine.purpose import GENERATES, VERIFIES, Purpose
from hsm_sim.engine.refusal import Reason, Refused
from hsm_sim.engine.requests import MacAlgorithm, MacInput, MakeMac, Piece, VerifyMac
from protocols.errors import EncodeError
from protocols.mac import SHORTEST_MAC, CbcMacKey, ChainedMac, Padding, RetailMacKey
from protocols.primitives import TdesKey
from protocols.primitives import Use as CipherUse
from protocols.secret import ClearKey

MAC_OCTETS = 8


def make_mac(keyring: Keyring, request: MakeMac) -> bytes:
    """A MAC of 8 octets, or the chaining value between pieces."""
    given = request.input
    return _walk(keyring.use(given.key, _MAKES[given.algorithm]), given)


def check_mac(keyring: Keyring, request: VerifyMac) -> bool:
    """Whether the MAC is right, compared in constant time over the octets that the host sent."""
    if request.input.piece in (Piece.FIRST, Piece.MIDDLE):
        raise Refused(Reason.INPUT)
    if not SHORTEST_MAC <= len(request.mac) <= MAC_OCTETS:
        raise Refused(Reason.DATA_LENGTH)
    given = request.input
    mac = _walk(keyring.use(given.key, _CHECKS[given.algorithm]), given)
    return hmac.compare_digest(mac[: len(request.mac)], request.mac)


def make_dukpt_mac(keyring: Keyring, request: MakeDukptMac) -> bytes:
    """The MAC of a terminal's request."""
    return _dukpt_mac(keyring, request)


def verify_dukpt_mac(keyring: Keyring, request: VerifyDukptMac) -> bool:
    """Whether that MAC is right."""
    if not SHORTEST_MAC <= len(request.mac) <= MAC_OCTETS:
        raise Refused(Reason.DATA_LENGTH)
    return hmac.compare_digest(_dukpt_mac(keyring, request)[: len(request.mac)], request.mac)


def _dukpt_mac(keyring: Keyring, request: MakeDukptMac | VerifyDukptMac) -> bytes:
    with dukpt.mac_key(keyring, request.bdk, request.ksn) as clear:
        return RetailMacKey(clear).mac(request.data, Padding.ZEROS)


def _walk(key: ChainedMac, given: MacInput) -> bytes:
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


_MAKES: Mapping[MacAlgorithm, Purpose[ChainedMac]] = {
    MacAlgorithm.CBC: Purpose(Use.CBC_MAC, GENERATES, _cbc),
    MacAlgorithm.RETAIL: Purpose(Use.RETAIL_MAC, GENERATES, _retail),
}
_CHECKS: Mapping[MacAlgorithm, Purpose[ChainedMac]] = {
    MacAlgorithm.CBC: Purpose(Use.CBC_MAC, VERIFIES, _cbc),
    MacAlgorithm.RETAIL: Purpose(Use.RETAIL_MAC, VERIFIES, _retail),
}

OPERATIONS: Mapping[type, Callable[[Keyring, Any], Any]] = {
    MakeMac: make_mac,
    VerifyMac: check_mac,
    MakeDukptMac: make_dukpt_mac,
    VerifyDukptMac: verify_dukpt_mac,
}
