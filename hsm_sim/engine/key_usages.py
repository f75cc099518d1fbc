# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What a key may do by the usage in its key block: the standard's codes and the numbers that Thales adds. Data only.

The letters are those of X9.143:2021, table 2; the numbers are listed by hosts' codecs and guides, and stand for one key
type each where the letter leaves the choice (P0: any PIN key; 71: a terminal's, 72: a zone's).
"""

from collections.abc import Mapping
from types import MappingProxyType

from hsm_sim.engine.key_types import KeyType, Use
from hsm_sim.engine.purpose import AES, TDES
from hsm_sim.engine.refusal import Reason, Refused
from protocols.hsm.key_block import BlockHeader

_ANY_PIN = Use.PIN_TERMINAL | Use.PIN_ZONE
_ANY_TRANSPORT = Use.TRANSPORT | Use.TERMINAL_TRANSPORT

USAGES: Mapping[str, Use] = MappingProxyType(
    {
        "B0": Use.DUKPT, "41": Use.DUKPT, "42": Use.DUKPT, "43": Use.DUKPT,
        "B1": Use.DUKPT_INITIAL,
        "C0": Use.CARD_VERIFICATION, "11": Use.CARD_VERIFICATION, "12": Use.CARD_VERIFICATION,
        "13": Use.CARD_VERIFICATION, "32": Use.CARD_KEY,
        "D0": Use.DATA, "21": Use.DATA, "22": Use.DATA, "23": Use.DATA,
        "E0": Use.APPLICATION_CRYPTOGRAM, "E1": Use.SCRIPT_CONFIDENTIALITY, "E2": Use.SCRIPT_INTEGRITY,
        "E3": Use.CARD_KEY, "E4": Use.CARD_KEY, "E5": Use.CARD_KEY, "E6": Use.CARD_KEY,
        "K0": _ANY_TRANSPORT, "51": Use.TERMINAL_TRANSPORT, "52": Use.TRANSPORT, "54": Use.TRANSPORT,
        "M0": Use.CBC_MAC, "M1": Use.CBC_MAC, "M3": Use.RETAIL_MAC, "M6": Use.CMAC,
        "P0": _ANY_PIN, "71": Use.PIN_TERMINAL, "72": Use.PIN_ZONE,
        "V0": Use.PVV | Use.IBM_PIN, "V1": Use.IBM_PIN, "V2": Use.PVV,
    }
)  # fmt: skip
MODES = frozenset("BCDEGNSVX")
EXPORT_NONE, EXPORT_TRUSTED, EXPORT_SENSITIVE = "N", "E", "S"
"""Not at all; in key blocks only; also unauthenticated, where the unit's owner permits that."""
EXPORTABILITIES = frozenset({EXPORT_NONE, EXPORT_TRUSTED, EXPORT_SENSITIVE})
TERMINAL_USAGES = frozenset({"71", "P0", "M0", "M1", "M3", "M6", "B1", "D0", "21", "23", "51"})
"""What may travel under a terminal's master key: the terminal's own keys."""
_TWO_KEYS_ONLY = Use.CARD_VERIFICATION | Use.DUKPT | Use.APPLICATION_CRYPTOGRAM | Use.CARD_KEY | Use.DUKPT_INITIAL


def fits(header: BlockHeader, kind: KeyType) -> None:
    """Refuse a key whose block says that it is of another type than the request does, or of none at all.

    ``FFF`` as the request's type leaves it to the block.
    """
    if not USAGES.get(header.usage, Use(0)) & kind.uses:
        raise Refused(Reason.KEY_BLOCK_USAGE)


def judge(header: BlockHeader, octets: int) -> None:
    """Refuse what no key of this unit may say of itself, or a length that it cannot have."""
    uses = USAGES.get(header.usage)
    if uses is None:
        raise Refused(Reason.KEY_BLOCK_USAGE)
    if header.mode not in MODES:
        raise Refused(Reason.KEY_BLOCK_MODE)
    if header.exportability not in EXPORTABILITIES:
        raise Refused(Reason.KEY_BLOCK_EXPORT)
    if header.algorithm == TDES:
        allowed: tuple[int, ...] = (16,) if uses & _TWO_KEYS_ONLY else (16, 24)
    elif header.algorithm == AES:
        allowed = (16, 24, 32)
    else:
        raise Refused(Reason.KEY_BLOCK_ALGORITHM)
    if octets not in allowed:
        raise Refused(Reason.KEY_BLOCK_LENGTH)
