# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Operations on card data of the issuer: verification values, application cryptograms. Knows no wire and no tag."""

from collections.abc import Callable, Mapping
from typing import Any

from hsm_sim.engine.key_types import Use
from hsm_sim.engine.keyring import Keyring
from hsm_sim.engine.refusal import Reason, Refused
from hsm_sim.engine.requests import (
    CardCodeInput,
    CheckCryptogram,
    CryptogramVerdict,
    MakeCardCode,
    VerifyCardCode,
)
from protocols.card_code import CardVerificationKey, cvv, matches
from protocols.emv.cryptogram import Method, arpc_1, icc_master_key_a, verify_cryptogram
from protocols.errors import IntegrityError
from protocols.primitives import TdesKey
from protocols.primitives import Use as CipherUse
from protocols.secret import ClearKey


def make_card_code(keyring: Keyring, request: MakeCardCode) -> str:
    """A card verification value."""
    given = request.input
    return cvv(_cvk(keyring, given), given.pan, given.expiry, given.service_code)


def verify_card_code(keyring: Keyring, request: VerifyCardCode) -> bool:
    """Whether a card verification value is right."""
    given = request.input
    return matches(cvv(_cvk(keyring, given), given.pan, given.expiry, given.service_code), request.value)


def check_cryptogram(keyring: Keyring, request: CheckCryptogram) -> CryptogramVerdict:
    """Verify a cryptogram with the card's master key (option A) and answer it by method 1.

    The computed cryptogram never leaves: a host that could read it could make its own.
    """
    version = request.version
    if version.session_key or version.answer is not Method.ARPC_1:
        raise Refused(Reason.NOT_PERMITTED)
    issuer = keyring.use(request.key, Use.APPLICATION_CRYPTOGRAM, _issuer)
    with icc_master_key_a(issuer, request.account) as card:
        if request.verify:
            try:
                verify_cryptogram(card, request.data, version.padding, request.cryptogram)
            except IntegrityError:
                return CryptogramVerdict(False, None)
        if request.response_code is None:
            return CryptogramVerdict(True, None)
        return CryptogramVerdict(True, arpc_1(card, request.cryptogram, request.response_code))


def _cvk(keyring: Keyring, given: CardCodeInput) -> CardVerificationKey:
    return keyring.use(given.key, Use.CARD_VERIFICATION, _pair)


def _pair(clear: ClearKey) -> CardVerificationKey:
    if len(clear) != 16:
        raise Refused(Reason.KEY_LENGTH)
    return CardVerificationKey(clear)


def _issuer(clear: ClearKey) -> TdesKey:
    if len(clear) != 16:
        raise Refused(Reason.KEY_LENGTH)
    return TdesKey(clear, CipherUse.ENCIPHER)


OPERATIONS: Mapping[type, Callable[[Keyring, Any], Any]] = {
    MakeCardCode: make_card_code,
    VerifyCardCode: verify_card_code,
    CheckCryptogram: check_cryptogram,
}
