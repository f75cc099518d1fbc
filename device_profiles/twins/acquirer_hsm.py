# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the acquirer twin asks its HSM, as dialogues: a request is yielded, the answer is sent in. Opens no socket.

The twin holds cryptograms only. Whatever is secret is checked by a host command, and each function here is one such
question; it returns a plain value, and an HSM that refuses to answer it is an :class:`HsmRefused`.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from device_profiles.acquirer_profile import MacKind
from protocols.acquirer.values import SessionKey
from protocols.emv.cryptogram import Method, Session, Version
from protocols.hsm.codes import ErrorCode, PinBlockCode
from protocols.hsm.commands import BU, BV, EC, HA, HB, KQ, KR, KW, KX, M6, M7, M8, CheckValueOptions, TmkOptions
from protocols.hsm.commands.data import M2, M3, DataNumber
from protocols.hsm.commands.pins import G0, G1
from protocols.hsm.fields import KeyField
from protocols.hsm.layout import Fields
from protocols.hsm.message import Answer
from protocols.pan import Pan

T = TypeVar("T")
ARPC_2_OCTETS = 4  # EMV 4.4 Book 2, 8.2.2
Dialogue = Generator[Fields, Answer[Any], T]
"""Yields requests to the HSM, is sent their answers, returns a T. :class:`HsmGone` may be thrown in."""


class HsmGone(Exception):
    """The HSM cannot be reached; thrown into a dialogue by whoever drives it."""


class HsmRefused(Exception):
    """The HSM answered with an error code that is not an outcome of the question."""

    def __init__(self, command: str, words: str) -> None:
        super().__init__(f"the HSM refused {command}: {words}")


@dataclass(frozen=True, slots=True)
class ChipEvidence:
    """What a chip signed: the parts of DE55 that KQ and KW want. ``pan_sequence`` is 8 octets of BCD."""

    version: Version
    pan_sequence: bytes
    atc: bytes
    unpredictable_number: bytes
    signed: bytes
    arqc: bytes


def new_session_key(master: KeyField) -> Dialogue[tuple[SessionKey, KeyField]]:
    """A fresh double-length TAK (HA): for the terminal under its master key with its check value (BU), and ours."""
    made = _fields((yield HA(tmk=master, options=TmkOptions(scheme_tmk="X", scheme_lmk="U"))), "HA", HB)
    ask = BU(type_code="03", length_flag="1", key=made.under_lmk, options=CheckValueOptions(kind="1"))
    value = _fields((yield ask), "BU", BV)
    return SessionKey(made.under_tmk.cryptogram, value.check_value), made.under_lmk


_ALGORITHMS: dict[MacKind, Literal["1", "3"]] = {MacKind.RETAIL: "3", MacKind.TDES_CBC: "1"}


def mac(key: KeyField, octets: bytes, kind: MacKind) -> Dialogue[bytes]:
    """The MAC of 8 octets, padding method 1 (M6)."""
    return _fields((yield M6(key=key, data=octets, algorithm=_ALGORITHMS[kind])), "M6", M7).mac


def mac_is_good(key: KeyField, octets: bytes, received: bytes, kind: MacKind) -> Dialogue[bool]:
    """Whether a MAC verifies (M8)."""
    ask = M8(key=key, data=octets, mac=received, algorithm=_ALGORITHMS[kind])
    return _outcome((yield ask), "M8", (ErrorCode.VERIFICATION_FAILED,))


def pin_in_zone(bdk: KeyField, zone: KeyField, ksn: bytes, block: bytes, pan: Pan) -> Dialogue[bytes | None]:
    """A terminal's PIN block as it goes on to the issuer, under the zone's key (G0); None where it holds no PIN of
    this PAN."""
    ask = G0(
        bdk=bdk,
        destination=zone,
        ksn=ksn,
        block=block,
        source_format=PinBlockCode.ISO_0,
        destination_format=PinBlockCode.ISO_0,
        account=pan.account_field,
    )
    answer = yield ask
    if not _outcome(answer, "G0", (ErrorCode.INVALID_PIN_BLOCK, ErrorCode.INVALID_PIN_LENGTH)):
        return None
    return _fields(answer, "G0", G1).block


def pin_is_right(zone: KeyField, pvk: KeyField, block: bytes, pan: Pan, pvki: str, pvv: str) -> Dialogue[bool]:
    """Whether a PIN under the zone's key is the account's, which is the issuer's to say (EC)."""
    ask = EC(zpk=zone, pvk=pvk, block=block, format=PinBlockCode.ISO_0, account=pan.account_field, pvki=pvki, pvv=pvv)
    return _outcome((yield ask), "EC", (ErrorCode.VERIFICATION_FAILED, ErrorCode.INVALID_PIN_BLOCK))


CBC, BDK_TYPE = "01", "009"


def account_data(bdk: KeyField, ksn: bytes, cryptogram: bytes) -> Dialogue[bytes]:
    """What a terminal enciphered under the data key of ``ksn``, TDES in CBC from a zero block (M2)."""
    ask = M2(mode=CBC, key_type=BDK_TYPE, key=bdk, number=DataNumber(ksn=ksn), iv=bytes(8), data=cryptogram)
    return _fields((yield ask), "M2", M3).data


def arqc_is_good(master: KeyField, evidence: ChipEvidence) -> Dialogue[bool]:
    """Whether the chip's cryptogram verifies (KQ or KW, mode 0)."""
    return (yield from _asked(_question(master, evidence, "0"))) is not None


def arqc_and_arpc(master: KeyField, evidence: ChipEvidence, answer: bytes) -> Dialogue[bytes | None]:
    """The cryptogram for the card that answers it, or None where the chip's does not verify.

    ``answer``: a response code of 2 octets, or, of versions that are answered by method 2, a status update of 4.
    """
    by_update = evidence.version.answer is Method.ARPC_2
    made = yield from _asked(_question(master, evidence, "2" if by_update else "1", answer))
    return None if made is None else made[:ARPC_2_OCTETS] if by_update else made


def _question(master: KeyField, evidence: ChipEvidence, mode: str, answer: bytes | None = None) -> KQ | KW:
    """KQ for the card's own key and for M/Chip's session keys, KW for the common session key."""
    version = evidence.version
    if version.session is Session.COMMON:
        by_update = version.answer is Method.ARPC_2
        return KW(
            mode=mode,
            mk_ac=master,
            pan_sequence=evidence.pan_sequence,
            atc=evidence.atc,
            data=evidence.signed,
            arqc=evidence.arqc,
            arc=None if by_update else answer,
            csu=answer if by_update else None,
            proprietary=b"" if by_update and answer is not None else None,
        )
    return KQ(
        mode=mode,
        scheme="1" if version.session is Session.MASTERCARD else "0",
        mk_ac=master,
        pan_sequence=evidence.pan_sequence,
        atc=evidence.atc,
        unpredictable_number=evidence.unpredictable_number,
        data=evidence.signed,
        arqc=evidence.arqc,
        arc=answer,
    )


def _asked(question: KQ | KW) -> Dialogue[bytes | None]:
    """The answer cryptogram, empty where none was wanted; None where the chip's does not verify."""
    code = "KQ" if isinstance(question, KQ) else "KW"
    answer = yield question
    if not _outcome(answer, code, (ErrorCode.VERIFICATION_FAILED,)):
        return None
    if not isinstance(answer.fields, KR | KX):
        raise HsmRefused(code, answer.words)
    return answer.fields.arpc or b""


def _outcome(answer: Answer[Any], command: str, failures: tuple[str, ...]) -> bool:
    if answer.ok:
        return True
    if answer.error in failures:
        return False
    raise HsmRefused(command, answer.words)


F = TypeVar("F", bound=Fields)


def _fields(answer: Answer[Any], command: str, shape: type[F]) -> F:
    if not isinstance(answer.fields, shape):
        raise HsmRefused(command, answer.words)
    return answer.fields
