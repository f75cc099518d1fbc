# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Requests about keys on their way: import, export, forming from components, change of scheme or of LMK. No wire."""

from hsm_sim.engine.key_types import KeyType
from hsm_sim.engine.key_usages import EXPORT_NONE
from hsm_sim.engine.requests import KeyUnderLmk, Request, record
from hsm_sim.engine.wrapping import WrappedKey
from protocols.dukpt.ksn import TdesKsn
from protocols.hsm.codes import KeyScheme
from protocols.hsm.key_block import BlockHeader


@record
class TransportKey:
    """A ZMK or TMK, with the variant that a foreign HSM puts on it (Atalla, 0 for none)."""

    key: KeyUnderLmk
    variant: int = 0


@record
class KeptKey:
    """A key under the LMK and its check value of 8 octets."""

    under_lmk: WrappedKey
    check_value: bytes
    parity_corrected: bool = False


@record
class SentKey:
    """A key under a transport key and its check value of 8 octets."""

    wrapped: WrappedKey
    check_value: bytes


@record
class ImportKey(Request[KeptKey]):
    """Take a key that arrives under a ZMK; ``scheme`` None keeps the one it arrives in."""

    kind: KeyType
    under: TransportKey
    wrapped: WrappedKey
    scheme: KeyScheme | None = None


@record
class ExportKey(Request[SentKey]):
    """Give a key out under a ZMK or TMK; ``scheme`` None keeps the one it has under the LMK.

    ``exportability`` is what a key block says of the key from then on.
    """

    key: KeyUnderLmk
    under: TransportKey
    scheme: KeyScheme | None = None
    exportability: str = EXPORT_NONE


@record
class FormKey(Request[KeptKey]):
    """Make a key of components that were each held by another person, by exclusive or.

    ``key_version`` is what a key block says of the key; the rest it takes over from the components' blocks.
    """

    kind: KeyType
    components: tuple[KeyUnderLmk, ...]
    scheme: KeyScheme | None = None
    key_version: str = "00"


@record
class ChangeScheme(Request[WrappedKey]):
    """The same key under the LMK in another scheme."""

    key: KeyUnderLmk
    scheme: KeyScheme


@record
class KeyFromOldLmk(Request[WrappedKey]):
    """A key from under the LMK that was before; ``scheme`` None keeps its scheme."""

    key: KeyUnderLmk
    scheme: KeyScheme | None = None


@record
class DerivedKey:
    """A derived key under the LMK, under the transport key if asked for, and its check value of 3 octets."""

    under_lmk: WrappedKey
    exported: WrappedKey | None
    check_value: bytes


@record
class DeriveInitialKey(Request[DerivedKey]):
    """The initial key of a device from its BDK and key serial number (X9.24-1). Loading side of the host."""

    bdk: KeyUnderLmk
    ksn: TdesKsn
    kind: KeyType
    scheme: KeyScheme
    under: TransportKey | None = None
    exported_scheme: KeyScheme | None = None
    header: BlockHeader | None = None


@record
class RandomOctets(Request[bytes]):
    """Random octets, 1 to 256."""

    count: int
