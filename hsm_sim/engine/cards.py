# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Operations on card data of the issuer: verification values, application cryptograms. Knows no wire and no tag."""

from collections.abc import Callable, Mapping
from typing import Any

from hsm_sim.engine.key_types import Use
from hsm_sim.engine.keyring import Keyring
from hsm_sim.engine.purpose import DERIVES, GENERATES, VERIFIES, Purpose
from hsm_sim.engine.refusal import Reason, Refused
from hsm_sim.engine.requests import (
    CheckCryptogram,
    CryptogramVerdict,
    MakeCardCode,
    MakeSecurityCodes,
    StatusUpdate,
    VerifyCardCode,
    VerifySecurityCodes,
)
from protocols.card_code import CardVerificationKey, amex_csc, cvv, matches
from protocols.emv.cryptogram import (
    Option,
    arpc_1,
    arpc_2,
    icc_master_key_a,
    transaction_key,
    verify_cryptogram,
)
from protocols.errors import EncodeError, IntegrityError
from protocols.pan import Pan
from protocols.primitives import TdesKey
from protocols.primitives import Use as CipherUse
from protocols.secret import ClearKey


def make_card_code(keyring: Keyring, request: MakeCardCode) -> str:
    """A card verification value."""
    given = request.input
    return cvv(keyring.use(given.key, _MAKES_CODES), given.pan, given.expiry, given.service_code)


def verify_card_code(keyring: Keyring, request: VerifyCardCode) -> bool:
    """Whether a card verification value is right."""
    given = request.input
    return matches(
        cvv(keyring.use(given.key, _CHECKS_CODES), given.pan, given.expiry, given.service_code), request.value
    )


def check_cryptogram(keyring: Keyring, request: CheckCryptogram) -> CryptogramVerdict:
    """Verify a cryptogram with the card's master key (option A) or its session key, and answer it.

    The computed cryptogram never leaves: a host that could read it could make its own.
    """
    version = request.version
    if version.option is not Option.A:
        raise Refused(Reason.NOT_PERMITTED)
    issuer = keyring.use(request.key, _CRYPTOGRAMS)
    with (
        icc_master_key_a(issuer, request.account) as card,
        transaction_key(version, card, request.counter, request.unpredictable_number) as key,
    ):
        if request.verify:
            try:
                verify_cryptogram(key, request.data, version.padding, request.cryptogram)
            except IntegrityError:
                return CryptogramVerdict(False, None)
        answering = key if version.answer_under_session else card
        if isinstance(request.answer, StatusUpdate):
            told = request.answer
            return CryptogramVerdict(True, arpc_2(answering, request.cryptogram, told.update, told.proprietary))
        if request.answer is None:
            return CryptogramVerdict(True, None)
        return CryptogramVerdict(True, arpc_1(answering, request.cryptogram, request.answer))


def _pair(clear: ClearKey) -> CardVerificationKey:
    if len(clear) != 16:
        raise Refused(Reason.KEY_LENGTH)
    return CardVerificationKey(clear)


def make_security_codes(keyring: Keyring, request: MakeSecurityCodes) -> str:
    """The three codes in a row, 5, 4 and 3 digits."""
    return _security_codes(keyring.use(request.key, _MAKES_SECURITY_CODES), request.pan, request.expiry)


def verify_security_codes(keyring: Keyring, request: VerifySecurityCodes) -> bool:
    """Whether all three are right."""
    codes = _security_codes(keyring.use(request.key, _CHECKS_SECURITY_CODES), request.pan, request.expiry)
    return matches(codes, request.codes)


def _security_codes(key: TdesKey, pan: Pan, expiry: str) -> str:
    try:
        codes = amex_csc(key, pan, expiry)
    except EncodeError:
        raise Refused(Reason.INPUT) from None
    return codes.five + codes.four + codes.three


def _issuer(clear: ClearKey) -> TdesKey:
    if len(clear) != 16:
        raise Refused(Reason.KEY_LENGTH)
    return TdesKey(clear, CipherUse.ENCIPHER)


_MAKES_CODES = Purpose(Use.CARD_VERIFICATION, GENERATES, _pair)
_CHECKS_CODES = Purpose(Use.CARD_VERIFICATION, VERIFIES, _pair)
_MAKES_SECURITY_CODES = Purpose(Use.CARD_VERIFICATION, GENERATES, _issuer)
_CHECKS_SECURITY_CODES = Purpose(Use.CARD_VERIFICATION, VERIFIES, _issuer)
_CRYPTOGRAMS = Purpose(Use.APPLICATION_CRYPTOGRAM, DERIVES, _issuer)

OPERATIONS: Mapping[type, Callable[[Keyring, Any], Any]] = {
    MakeCardCode: make_card_code,
    VerifyCardCode: verify_card_code,
    CheckCryptogram: check_cryptogram,
    MakeSecurityCodes: make_security_codes,
    VerifySecurityCodes: verify_security_codes,
}
