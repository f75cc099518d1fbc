# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""SOFT HSMs, each without one defence. They leak PINs and keys by design: for attacks to work on, for nothing else.

Some are the shipped unit with an owner's settings that are as bad as settings can be; the others stand in for a part
of it by composition. No shipped code has a switch for what these do.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, ClassVar

from cryptography.hazmat.primitives.ciphers.modes import CBC

from hsm_sim.config import PolicySettings, Settings
from hsm_sim.engine.block_lmk import TEST_AES_LMK, BlockLmk
from hsm_sim.engine.counters import NONE, Counts, Limits
from hsm_sim.engine.engine import Engine
from hsm_sim.engine.key_requests import ImportKey, KeptKey
from hsm_sim.engine.key_transport import import_key
from hsm_sim.engine.key_types import IN_BLOCK, KEY_TYPES, KeyType
from hsm_sim.engine.keyring import Keyring
from hsm_sim.engine.lmk import Lmk
from hsm_sim.engine.pin_sources import CLOSES_PIN_BLOCKS, OPENS_PIN_BLOCKS
from hsm_sim.engine.pins import translate_pin
from hsm_sim.engine.refusal import Reason, Refused
from hsm_sim.engine.requests import TranslatedPin, TranslatePin
from hsm_sim.engine.wrapping import VariantLmk, WrappedKey, WrappingKey
from hsm_sim.simulator import Simulator
from protocols.hsm.codes import KeyScheme
from protocols.hsm.commands.command import Activity
from protocols.hsm.key_block import BlockHeader
from protocols.pin.iso9564 import Format, decipher_pin, encipher_pin
from protocols.secret import ClearKey
from tests.attacks.hostside import HostSide, in_variants, unit
from tests.hsm_sim import oracle
from tests.hsm_sim.world import KINDS

NO_LIMITS = Limits(enabled=False)
Opened = AbstractAsyncContextManager[HostSide]
AES_BLOCKS = {"00": "aes-blocks"}


def as_bad_as_can_be(limits: Limits = NO_LIMITS, lmks: Mapping[str, str] | None = None, **policy: str) -> Settings:
    """An owner's settings, the shipped ones but for these, and PIN verifications without a limit."""
    named = {f"policy.{name.replace('_', '-')}": value for name, value in policy.items()}
    return Settings(test_lmks=lmks or {"00": "variant"}, policy=PolicySettings(settings=named), fraud=limits)


def soft_in_variants(folder: Path, make: type[Simulator] = Simulator, **policy: str) -> Opened:
    """SOFT: a variant LMK and single settings as an owner may leave them."""
    closed = policy.get("encrypted_tables", "true") == "true"
    return unit(folder, as_bad_as_can_be(**policy), make=make, held=in_variants, names_types=True, closed_tables=closed)


def soft_in_blocks(folder: Path, make: type[Simulator], limits: Limits = NO_LIMITS, **policy: str) -> Opened:
    """SOFT: an AES key block LMK, with a part replaced."""
    return unit(folder, as_bad_as_can_be(limits, AES_BLOCKS, **policy), make=make)


# What A22 strikes at: decimalisation tables


class AlwaysAuthorised(Simulator):
    """SOFT: enciphers decimalisation tables for any host, at any time."""

    def cancel(self, activity: str | None = None) -> tuple[str, ...]:
        """Never ends it."""
        self.states.authorise(str(Activity.TABLES), 3600)
        return ()


# What A23 strikes at: translations


class Replaced(Simulator):
    """SOFT: with other operations."""

    OPERATIONS: ClassVar[Mapping[type, Callable[[Keyring, Any], Any]]] = {}

    def _new_engine(self) -> Engine:
        engine = super()._new_engine()
        engine._operations = {**engine._operations, **self.OPERATIONS}
        return engine


def any_translation(keyring: Keyring, request: TranslatePin) -> TranslatedPin:
    """SOFT: from every format to every other, whatever ISO 9564-1 says."""
    pin = request.pin
    source = keyring.use(request.source, OPENS_PIN_BLOCKS)
    destination = keyring.use(request.destination, CLOSES_PIN_BLOCKS)
    with decipher_pin(source, pin.format, pin.block, pin.pan) as clear:
        if request.format is Format.ISO_2:
            text = f"2{len(clear):X}{''.join(map(str, clear))}".ljust(16, "F")
            return TranslatedPin(destination.encipher(bytes.fromhex(text)), len(clear))
        return TranslatedPin(encipher_pin(destination, request.format, clear, pin.pan, keyring.random(8)), len(clear))


class AnyTranslation(Replaced):
    """SOFT: translates between all formats."""

    OPERATIONS: ClassVar[Mapping[type, Callable[[Keyring, Any], Any]]] = {TranslatePin: any_translation}


def talkative_translation(keyring: Keyring, request: TranslatePin) -> TranslatedPin:
    """SOFT: says what is wrong with a PIN block."""
    try:
        return translate_pin(keyring, request)
    except Refused:
        clear = keyring.use(request.source, OPENS_PIN_BLOCKS).decipher(request.pin.block)
        if clear[0] >> 4:
            raise Refused(Reason.PIN_BLOCK_FORMAT) from None
        if not 4 <= clear[0] & 0xF <= 12:
            raise Refused(Reason.PIN_LENGTH) from None
        raise


class TalkativeTranslation(Replaced):
    """SOFT: another error code for each cause."""

    OPERATIONS: ClassVar[Mapping[type, Callable[[Keyring, Any], Any]]] = {TranslatePin: talkative_translation}


# What A24 strikes at: types of keys


class OnePairLmk(VariantLmk):
    """SOFT: wraps keys of all types under one pair, as the first HSMs did."""

    def _key(self, kind: KeyType) -> WrappingKey:
        return super()._key(KEY_TYPES["001"])


class OnePair(Simulator):
    """SOFT: a unit with such an LMK."""

    def _master_keys(self, test_lmks: Mapping[str, str]) -> Mapping[str, Lmk]:
        return {"00": OnePairLmk.of_test_keys()}


def under_one_pair(kind: str, clear: bytes, mode: str | None = None, exportability: str = "E") -> str:
    """A key field of any type under that LMK."""
    return oracle.under_lmk("001", clear)


# What A26 strikes at: key blocks


class UnboundLmk(BlockLmk):
    """SOFT: its key blocks have a header that nothing authenticates."""

    def unwrap(self, wrapped: WrappedKey, kind: KeyType) -> ClearKey:
        """Whatever the header says, the key is the same."""
        self.header(wrapped)
        clear = oracle.aes(_OCTETS, CBC(bytes(16)), bytes.fromhex(wrapped.cryptogram[16:].decode()), decipher=True)
        return ClearKey(bytearray(clear[2 : 2 + int.from_bytes(clear[:2], "big") // 8]))

    def wrap(
        self,
        key: ClearKey,
        kind: KeyType,
        scheme: KeyScheme,
        header: BlockHeader | None,
        random: Callable[[int], bytes],
    ) -> WrappedKey:
        """As :func:`unbound_block` writes it."""
        if header is None:
            raise Refused(Reason.LMK_SCHEME)
        text = without_binding(bytes(key.reveal()), header)
        return WrappedKey(KeyScheme.KEY_BLOCK, text.encode())


_OCTETS = bytes.fromhex(TEST_AES_LMK)


def without_binding(clear: bytes, header: BlockHeader) -> str:
    """A key in a block of that kind, without its tag."""
    body = (8 * len(clear)).to_bytes(2, "big") + clear
    body += bytes(-len(body) % 16)
    sealed = oracle.aes(_OCTETS, CBC(bytes(16)), body)
    return header.text("1", 16 + 2 * len(sealed)) + sealed.hex().upper()


def unbound_block(kind: str, clear: bytes, mode: str | None = None, exportability: str = "E") -> str:
    """A key field under that LMK."""
    _, usage, usual = KINDS[kind]
    return "S" + without_binding(clear, BlockHeader(usage, "T", mode or usual, "00", exportability, "00"))


class Unbound(Simulator):
    """SOFT: a unit with such an LMK."""

    def _master_keys(self, test_lmks: Mapping[str, str]) -> Mapping[str, Lmk]:
        return {"00": UnboundLmk("00", ClearKey.from_hex(TEST_AES_LMK), aes=True, test=True)}


def unbound_unit(folder: Path) -> Opened:
    """SOFT: a unit whose key blocks bind nothing to the key."""
    return unit(folder, as_bad_as_can_be(NO_LIMITS, AES_BLOCKS), make=Unbound, held=unbound_block)


def any_version(keyring: Keyring, request: ImportKey) -> KeptKey:
    """SOFT: takes X9.143 blocks of every version, as receivers do that were never told to stop."""
    if request.wrapped.scheme is not KeyScheme.TR31 or request.wrapped.cryptogram[:1] not in b"AC":
        return import_key(keyring, request)
    zmk = bytes(keyring.unwrap(request.under.key).reveal())
    clear = oracle.x9143_key(zmk, "R" + request.wrapped.cryptogram.decode())
    text = request.wrapped.cryptogram.decode()
    header = BlockHeader(text[5:7], text[7], text[8], text[9:11], text[11], "00")
    kept = keyring.wrap(ClearKey(bytearray(clear)), IN_BLOCK, KeyScheme.KEY_BLOCK, header)
    return KeptKey(kept, bytes(8), False)


class AnyVersion(Replaced):
    """SOFT: no floor under the versions of key blocks."""

    OPERATIONS: ClassVar[Mapping[type, Callable[[Keyring, Any], Any]]] = {ImportKey: any_version}


# What A27 strikes at: guesses


class Forgetful(Simulator):
    """SOFT: a unit that keeps no counts over a restart."""

    def _kept_counts(self) -> Counts:
        return NONE
