# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Transport keys as live keys: under them keys travel part by part, in Thales key blocks or in X9.143 key blocks.

Of X9.143 only the versions that derive are taken, B under TDES and D under AES: the variant binding of A and C is what
a key block would be downgraded to (X9.143:2021, 7.1 keeps it for old blocks only).
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from hsm_sim.engine.block_lmk import opened
from hsm_sim.engine.key_types import Use
from hsm_sim.engine.keyring import Keyring
from hsm_sim.engine.purpose import DECIPHERS, ENCIPHERS, Purpose
from hsm_sim.engine.refusal import Reason, Refused
from hsm_sim.engine.requests import KeyUnderLmk
from hsm_sim.engine.wrapping import WrappedKey, WrappingKey
from protocols.errors import DecodeError, EncodeError, IntegrityError
from protocols.hsm.codes import KeyScheme
from protocols.hsm.key_block import BlockHeader, BlockKey
from protocols.keyblock.header import Header
from protocols.keyblock.policy import Policy as BlockPolicy
from protocols.keyblock.x9143 import ProtectionKey, randomness_needed
from protocols.secret import ClearKey

ATALLA_STEP = 8  # variant n adds 8n to the first octet of each half of the transport key, by exclusive or
IN_BLOCKS = frozenset({KeyScheme.KEY_BLOCK, KeyScheme.TR31})
STANDARD_USAGES = {
    "41": "B0", "42": "B0", "43": "B0", "11": "C0", "12": "C0", "13": "C0", "21": "D0", "22": "D0", "23": "D0",
    "51": "K0", "52": "K0", "54": "K0", "71": "P0", "72": "P0",
}  # fmt: skip
"""The standard's code for each usage that is Thales's own."""

_BLOCKS = BlockPolicy(single_strength=True, weaker_protection=True)
"""What X9.143 asks of a block. Keys with equal parts are for the unit's own settings to judge; a transport key of
double length may carry a key of triple length, as it may part by part: many zones have no longer one."""
_NO_TIME = datetime.min.replace(tzinfo=UTC)  # only optional blocks tell times, and those are refused before
_RULES: Mapping[str, Reason] = {
    "usage": Reason.KEY_BLOCK_USAGE,
    "mode": Reason.KEY_BLOCK_MODE,
    "algorithm": Reason.KEY_BLOCK_ALGORITHM,
    "exportability": Reason.KEY_BLOCK_EXPORT,
    "strength": Reason.KEY_LENGTH,
}
"""What a rule's refusal is called on the wire; any other is the header's."""


class Transport:
    """A ZMK or TMK in use. Bound to one thread."""

    __slots__ = ("_block", "_octets", "_protection", "_version", "_wrapping")

    def __init__(self, clear: ClearKey, *, aes: bool) -> None:
        """Copies the key."""
        octets = ClearKey(bytearray(clear.reveal()))
        self._octets = len(octets)
        self._version = "D" if aes else "B"
        self._wrapping = None if aes else WrappingKey(octets)
        self._block: BlockKey | None = None
        self._protection: ProtectionKey | None = None
        if aes:
            self._block = BlockKey.aes(octets)
            self._protection = ProtectionKey.aes(octets)
        elif self._octets > KeyScheme.SINGLE.octets:
            self._block = BlockKey.tdes(octets)
            self._protection = ProtectionKey.tdes(octets)

    @property
    def is_short(self) -> bool:
        """Whether the key is of single length."""
        return self._octets == KeyScheme.SINGLE.octets

    def parts(self, variant: int) -> WrappingKey:
        """For keys part by part, with a variant of a foreign HSM if it is not 0."""
        if self._wrapping is None:
            raise Refused(Reason.KEY_SCHEME)
        return self._wrapping.with_variant(ATALLA_STEP * variant) if variant else self._wrapping

    def open(self, wrapped: WrappedKey) -> tuple[BlockHeader, ClearKey]:
        """What a key block holds."""
        if self._block is None or self._protection is None:
            raise Refused(Reason.KEY_LENGTH)
        if wrapped.scheme is KeyScheme.KEY_BLOCK:
            return opened(self._block, wrapped.cryptogram)
        text = wrapped.cryptogram.decode("ascii")
        if text[:1] != self._version:
            raise Refused(Reason.KEY_BLOCK_HEADER)
        try:
            header, clear, _ = self._protection.unwrap(text, strict=False)
        except IntegrityError:
            raise Refused(Reason.KEY_BLOCK_AUTHENTICATION) from None
        except DecodeError:
            raise Refused(Reason.KEY_BLOCK_FORMAT) from None
        if header.optional or header.is_component:
            clear.wipe()
            raise Refused(Reason.KEY_BLOCK_HEADER)
        for finding in _BLOCKS.judge_import(header, clear, self._octets, _NO_TIME).findings:
            if finding.refuses:
                clear.wipe()
                raise Refused(_RULES.get(finding.rule, Reason.KEY_BLOCK_HEADER))
        return (
            BlockHeader(header.usage, header.algorithm, header.mode, header.key_version, header.exportability),
            clear,
        )

    def close(self, header: BlockHeader, key: ClearKey, scheme: KeyScheme, keyring: Keyring) -> WrappedKey:
        """A key in a block."""
        if self._block is None or self._protection is None:
            raise Refused(Reason.KEY_LENGTH)
        if scheme is KeyScheme.KEY_BLOCK:
            return WrappedKey(scheme, self._block.wrap(header, key, keyring.random))
        outer = Header(
            self._version,
            STANDARD_USAGES.get(header.usage, header.usage),
            header.algorithm,
            header.mode,
            header.key_version,
            header.exportability,
        )
        if outer.usage[0].isdigit():
            raise Refused(Reason.KEY_BLOCK_USAGE)
        random = keyring.random(randomness_needed(outer, len(key)))
        try:
            text = self._protection.wrap(outer, key, random, hide_length=False)
        except EncodeError:
            raise Refused(Reason.KEY_BLOCK_ALGORITHM) from None
        return WrappedKey(scheme, text.encode("ascii"))


def _tdes(clear: ClearKey) -> Transport:
    return Transport(clear, aes=False)


def _aes(clear: ClearKey) -> Transport:
    return Transport(clear, aes=True)


_IMPORT = Purpose(Use.TRANSPORT, DECIPHERS, _tdes, _aes)
_EXPORT = Purpose(Use.TRANSPORT, ENCIPHERS, _tdes, _aes)
_EXPORT_TO_TERMINAL = Purpose(Use.TERMINAL_TRANSPORT, ENCIPHERS, _tdes, _aes)


def importing(keyring: Keyring, key: KeyUnderLmk) -> Transport:
    """A ZMK that keys arrive under."""
    return _of_length(keyring, keyring.use(key, _IMPORT))


def exporting(keyring: Keyring, key: KeyUnderLmk, *, to_terminal: bool) -> Transport:
    """A ZMK or TMK that keys leave under."""
    return _of_length(keyring, keyring.use(key, _EXPORT_TO_TERMINAL if to_terminal else _EXPORT))


def _of_length(keyring: Keyring, transport: Transport) -> Transport:
    if transport.is_short and not keyring.policy.single_length_transport:
        raise Refused(Reason.KEY_LENGTH)
    return transport
